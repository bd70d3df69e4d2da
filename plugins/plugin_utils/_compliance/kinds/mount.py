# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `mount`."""

from __future__ import annotations

import typing as t

from ....module_utils._collect.mount import fstab
from .base import (
    Check,
    Demand,
    Desired,
    Evidence,
    Kind,
    Platform,
    Rule,
    Ruling,
    ruling,
)


def fstab_line(point: str, facts: t.Mapping[str, t.Any], options: list[str]) -> str:
    return f"{facts['source']} {point} {facts['type']} {','.join(options)} 0 0"


def set_mount(content: str, point: str, line: str) -> str:
    """Replace the fstab line of a mount point, or append it."""
    lines = content.splitlines()
    for index, old in enumerate(lines):
        columns = old.split()
        if len(columns) >= 4 and columns[1] == point and not old.lstrip().startswith("#"):
            rest = " ".join(columns[4:6]) or "0 0"
            lines[index] = " ".join([*line.split()[:4], rest])
            return "\n".join(lines) + "\n"
    return "\n".join([*lines, line]) + "\n"


FSTAB = "/etc/fstab"


class Mount(Kind):
    """A mount option; the key is ``<mount point>:<option>``."""

    name = "mount"
    sections = ("mount", "text")
    constrained = ()

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        return {"text": [FSTAB]}

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        point, option = demand.key.rsplit(":", 1)
        live = evidence["mount"]["live"].get(point)
        stored = evidence["mount"]["fstab"].get(point)
        if live is None:
            return Ruling("not_applicable", f"{point} is not a file system of its own")
        missing = [
            where
            for where, facts in (("mounted", live), ("in fstab", stored))
            if facts and option not in facts["options"]
        ]
        return ruling(
            not missing, f"without {option}: {' and '.join(missing)}" if missing else ",".join(live["options"]), option
        )

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        point, option = demand.key.rsplit(":", 1)
        live = evidence["mount"]["live"][point]
        planned = fstab(desired.text(FSTAB, evidence)).get(point)
        stored = planned or {
            **live,
            "options": ["defaults", *(o for o in ("nosuid", "nodev", "noexec") if o in live["options"])],
        }
        if live["type"] == "tmpfs" and not planned and point != "/dev/shm":
            # systemd's tmp.mount gives these; a line in fstab takes its place.
            stored["options"] += ["mode=1777", "size=50%"]
        options = [*stored["options"], option] if option not in stored["options"] else stored["options"]
        desired.file(FSTAB, set_mount(desired.text(FSTAB, evidence), point, fstab_line(point, stored, options)))
        if option not in live["options"]:
            desired.run("mount", "-o", f"remount,{option}", point)

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        point, option = demand.key.rsplit(":", 1)
        return [Check("mount", {"mountpoint": point, "exists": True, "opts": {"contain-element": option}})]


KINDS = (Mount(),)
