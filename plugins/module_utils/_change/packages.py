# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages that came, went or moved with a run, brought back in as few calls as possible."""

from __future__ import annotations

import contextlib
import time
import typing as t

from . import programs
from .errors import ChangeError

SECONDS = 1800
LOCK_SECONDS = 60
Versions = t.Dict[str, str]
"""By name of the package its version, empty where only its configuration is left."""


class Tool(t.NamedTuple):
    """How a host's package manager is called.

    Attributes:
        purge: removes packages that were not there before, with their configuration; nothing else goes with them.
        remove: removes packages of which only the configuration was there.
        install: installs versions, older ones too; fails rather than remove another package.
        pin: what stands between name and version.
        refresh: gets new lists of what the archive has.
    """

    purge: t.Sequence[str]
    remove: t.Sequence[str]
    install: t.Sequence[str]
    pin: str
    refresh: t.Sequence[str]


_APT = ("apt-get", "-qq", "-y", "-o", f"DPkg::Lock::Timeout={LOCK_SECONDS}", "-o", "Dpkg::Options::=--force-confold")
_TOOLS = {
    "dpkg": Tool(
        purge=("dpkg", "--purge"),
        remove=("dpkg", "--remove"),
        install=(*_APT, "--no-remove", "--no-install-recommends", "--allow-downgrades", "install"),
        pin="=",
        refresh=(*_APT, "update"),
    ),
    "rpm": Tool(
        purge=("rpm", "--erase"),
        remove=("rpm", "--erase"),
        install=("dnf", "-y", "install"),
        pin="-",
        refresh=("dnf", "makecache"),
    ),
}


def versions() -> Versions:
    return _installed()[1]


def _installed() -> tuple[str, Versions]:
    """The package manager, and what it has."""
    with contextlib.suppress(ChangeError):
        answer = programs.run(
            ["dpkg-query", "--show", "--showformat=${binary:Package} ${db:Status-Abbrev}${Version}\n"]
        )
        rows = [line.split() for line in answer.out.splitlines()]
        kept = {"ii": True, "rc": False}
        return "dpkg", {row[0]: row[2] if kept[row[1]] else "" for row in rows if len(row) == 3 and row[1] in kept}
    with contextlib.suppress(ChangeError):
        answer = programs.run(["rpm", "-qa", "--qf", "%{NAME} %{EVR}\n"])
        return "rpm", dict(line.split(" ", 1) for line in answer.out.splitlines() if " " in line)
    return "", {}


def with_changes_of(own: t.Collection[str], before: Versions, now: Versions) -> Versions:
    """The packages of BEFORE, those named in OWN as they are NOW."""
    bare = {name.partition(":")[0] for name in own}
    kept, moved = (
        {name: version for name, version in these.items() if (name.partition(":")[0] in bare) is mine}
        for these, mine in ((before, False), (now, True))
    )
    return {**kept, **moved}


class Way(t.NamedTuple):
    """What brings packages back."""

    purge: list[str]
    remove: list[str]
    install: dict[str, str]


def way_back(before: Versions, after: Versions, now: Versions) -> Way:
    """Undo what differs between BEFORE and AFTER, and nothing that somebody has done since."""
    way = Way([], [], {})
    for name in sorted({*before, *after}):
        was, became, is_now = (versions.get(name, "") for versions in (before, after, now))
        if was == became:
            continue
        if not was and is_now:
            (way.remove if name in before else way.purge).append(name)
        elif was and is_now == became:
            way.install[name] = was
    return way


def restore(before: Versions, after: Versions) -> list[str]:
    """Bring back the packages of before a run; returns what could not be brought back."""
    manager, now = _installed()
    way = way_back(before, after, now)
    if not manager or not any(way):
        return []
    tool = _TOOLS[manager]
    pinned = [f"{name}{tool.pin}{version}" for name, version in way.install.items()]
    problems = _take_away(tool.purge, way.purge) + _take_away(tool.remove, way.remove)
    if not pinned or not _failure([*tool.install, *pinned]):
        return problems
    _failure([*tool.refresh])
    if not _failure([*tool.install, *pinned]):
        return problems
    # One that the archive no longer has keeps no other from coming back.
    return problems + [said for one in pinned if (said := _failure([*tool.install, one]))]


def _take_away(argv: t.Sequence[str], names: list[str]) -> list[str]:
    """The package manager orders them itself, and leaves those on which others depend by now."""
    deadline = time.monotonic() + LOCK_SECONDS
    while names:
        said = _failure([*argv, *names])
        if "lock" not in said or time.monotonic() > deadline:
            return [said] if said else []
        time.sleep(1)
    return []


def _failure(argv: list[str]) -> str:
    try:
        answer = programs.run(argv, timeout=SECONDS)
    except ChangeError as exc:
        return str(exc)
    return f"'{' '.join(argv[:1] + argv[-1:])}' ended with {answer.code}: {answer.said}" if answer.code else ""
