# SPDX-License-Identifier: GPL-3.0-or-later
"""Partitions of NVIDIA's GPUs (MIG): what is there, what is to be, and the fewest steps between.

https://docs.nvidia.com/datacenter/tesla/mig-user-guide: an instance has a profile and a place, from a start over some memory slices.
"""

from __future__ import annotations

import re
import typing as t
from collections import Counter

from ansible_collections.unified.deploy.plugins.module_utils._change.errors import ChangeError

INSTANCE = re.compile(r"^\|\s+\d+\s+MIG\s+(\S+)\s+(\d+)\s+(\d+)\s+(\d+):(\d+)\s+\|", re.MULTILINE)
COMPUTE = re.compile(r"^\|\s+\d+\s+(\d+)\s+MIG\s+(\S+)\s+\d+\s+\d+\s+\d+:\d+\s+\|", re.MULTILINE)
PROFILE = re.compile(r"^\|\s+\d+\s+MIG\s+(\S+)\s+(\d+)\s+(\d+)/(\d+)\s", re.MULTILINE)
PLACES = re.compile(r"Profile ID\s+(\d+)\s+Placements?:\s+\{([\d,]+)\}:(\d+)")


class MigError(ChangeError):
    """The layout cannot be had; nothing was changed."""


class Profile(t.NamedTuple):
    """A size of instances: where one can start, over how many memory slices it goes, and how many the GPU has at most."""

    name: str
    id: int
    starts: tuple[int, ...]
    size: int
    most: int


class Instance(t.NamedTuple):
    """A GPU instance; id is -1 where it is not there yet, whole is whether one compute instance over all of it is there too."""

    profile: str
    start: int
    size: int
    id: int = -1
    whole: bool = True

    def overlaps(self, other: Instance) -> bool:
        return self.start < other.start + other.size and other.start < self.start + self.size


class Steps(t.NamedTuple):
    destroy: list[Instance]
    create: list[Instance]


def profiles(listed: str, placements: str) -> dict[str, Profile]:
    """The profiles of a GPU by name, as ``nvidia-smi mig -lgip`` and ``-lgipp`` list them."""
    places = {
        int(one): (tuple(int(start) for start in starts.split(",")), int(size))
        for one, starts, size in PLACES.findall(placements)
    }
    return {
        name: Profile(name, int(number), *places[int(number)], int(total))
        for name, number, _free, total in PROFILE.findall(listed)
        if int(number) in places
    }


def instances(listed: str, computing: str) -> list[Instance]:
    """The instances of a GPU, as ``nvidia-smi mig -lgi`` and ``-lci`` list them."""
    # One over a part of an instance is named after that: 1c.3g.71gb of 3g.71gb.
    whole = {instance for instance, name in COMPUTE.findall(computing) if not re.match(r"\d+c\.", name)}
    return [
        Instance(name, int(start), int(size), int(number), number in whole)
        for name, _profile, number, start, size in INSTANCE.findall(listed)
    ]


def placed(
    layout: t.Sequence[t.Mapping[str, t.Any]], known: t.Mapping[str, Profile], there: t.Sequence[Instance]
) -> list[Instance]:
    """A place for each instance of a layout, those of today where they fit.

    Args:
        layout: ``{profile, start}``; start is None where any will do.

    Raises:
        MigError: a profile or start that the GPU does not have, or no way to place all.
    """
    for one in layout:
        profile = known.get(one["profile"])
        if profile is None:
            raise MigError(f"the GPU has no profile {one['profile']}. It has {', '.join(sorted(known)) or 'none'}")
        if one["start"] is not None and one["start"] not in profile.starts:
            starts = ", ".join(str(start) for start in profile.starts)
            raise MigError(f"{one['profile']} cannot start at {one['start']}, only at {starts}")
    for name, many in Counter(one["profile"] for one in layout).items():
        # Not all of it is memory: of those with media engines there is one.
        if many > known[name].most:
            raise MigError(f"{many} of {name} do not fit on the GPU, which has at most {known[name].most}")
    today = {(one.profile, one.start) for one in there}
    # What has the fewest places goes first: fixed ones, then the largest.
    order = sorted(layout, key=lambda one: (one["start"] is None, -known[one["profile"]].size))
    arrangement = _place(order, known, today, [])
    if arrangement is None:
        wish = ", ".join(one["profile"] for one in layout)
        raise MigError(f"{wish} do not fit on the GPU together")
    return arrangement


def _place(
    rest: t.Sequence[t.Mapping[str, t.Any]],
    known: t.Mapping[str, Profile],
    today: t.Collection[tuple[str, int]],
    taken: list[Instance],
) -> list[Instance] | None:
    if not rest:
        return taken
    profile = known[rest[0]["profile"]]
    starts = profile.starts if rest[0]["start"] is None else (rest[0]["start"],)
    for start in sorted(starts, key=lambda one: ((profile.name, one) not in today, one)):
        one = Instance(profile.name, start, profile.size)
        if not any(one.overlaps(other) for other in taken):
            arrangement = _place(rest[1:], known, today, [*taken, one])
            if arrangement is not None:
                return arrangement
    return None


def steps(there: t.Sequence[Instance], desired: t.Sequence[Instance]) -> Steps:
    """What goes and what comes; what has its profile and place stays, where programs can use all of it."""
    keep = {(one.profile, one.start) for one in there if one.whole} & {(one.profile, one.start) for one in desired}
    return Steps(
        [one for one in there if (one.profile, one.start) not in keep],
        [one for one in desired if (one.profile, one.start) not in keep],
    )


def creation(slot: str, desired: t.Sequence[Instance], known: t.Mapping[str, Profile]) -> list[str]:
    """The command that makes instances, each with one compute instance over all of it."""
    places = ",".join(f"{known[one.profile].id}:{one.start}" for one in desired)
    return ["nvidia-smi", "mig", "-i", slot, "-cgi", places, "-C"]


# From Hopper on a GPU forgets the mode too (MIG User Guide, "Enable MIG Mode"); where it is on, switching it on changes nothing.
UNIT = """# Written by unified.deploy.gpu_mig: a GPU forgets its partitions when the host boots.
[Unit]
Description=Partitions of NVIDIA GPUs
After=nvidia-persistenced.service
Before=unified-gpu-cdi.service

[Service]
Type=oneshot
RemainAfterExit=yes
{starts}
[Install]
WantedBy=multi-user.target
"""


def unit(creations: t.Mapping[str, t.Sequence[str]]) -> str:
    """The unit that makes the partitions at a boot, by the commands of each slot; empty without any."""
    starts = "".join(
        f"ExecStart=/usr/bin/env {' '.join(command)}\n"
        for slot, creating in creations.items()
        for command in (["nvidia-smi", "-i", slot, "-mig", "1"], creating)
    )
    return UNIT.format(starts=starts) if starts else ""
