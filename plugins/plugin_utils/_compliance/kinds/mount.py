# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `mount`."""

from __future__ import annotations

import re
import typing as t

from ....module_utils._collect.mount import FSTAB, mount_point
from ....module_utils._collect.paths import shown
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
from .matchers import literal

SYSTEMD_TMPFS = {"/dev/shm": "", "/tmp": "mode=1777,size=50%"}
"""Memory that systemd itself mounts (file-hierarchy(7), tmp.mount), with its options: a line of fstab takes its place."""
BUILT_IN = {"/dev/shm": ("nosuid", "nodev")}
"""What systemd mounts with no unit's file, before all others, with the options that it gives it (mount-setup.c)."""
VERIFY = ("findmnt", "--verify", "--tab-file", "%s")
NOT_AGAIN = f"neither {FSTAB} nor a unit mounts it at the next boot"
_LINE = re.compile(r"(\s*\S+\s+\S+\s+\S+)(?:(\s+)(\S+))?(.*)", re.DOTALL)


def effective(options: t.Iterable[str], option: str) -> bool:
    """Whether OPTION (``nodev``) holds: of it and its opposite the last one counts (mount(8))."""
    said = [one for one in options if one in (option, option[2:])]
    return said[-1:] == [option]


def with_option(options: t.Sequence[str], option: str) -> list[str]:
    """OPTIONS with OPTION where it counts."""
    return [*(one for one in options if one not in (option, option[2:])), option]


def stored(point: str, evidence: Evidence) -> tuple[str, t.Sequence[str]] | None:
    """What the next boot mounts POINT by, and with which options; None where neither fstab nor systemd has it."""
    unit, line = evidence["mount"]["units"].get(point), evidence["mount"]["fstab"].get(point)
    if unit and (unit["wins"] or not line):
        return unit["source"], unit["options"]
    if line:
        return FSTAB, line["options"]
    return ("systemd itself", BUILT_IN[point]) if point in BUILT_IN else None


def mounted_again(point: str, evidence: Evidence) -> str:
    """What mounts POINT at the next boot; empty where nothing does that is known."""
    live = evidence["mount"]["live"].get(point, {})
    if live.get("type") == "zfs" or (live.get("type") == "autofs" and live["source"] != "systemd-1"):
        # Pools and maps have tables of their own (zfs-mount(8), auto.master(5)).
        return f"{live['type']} itself"
    line, unit = evidence["mount"]["fstab"].get(point), evidence["mount"]["units"].get(point)
    if line and ("noauto" not in line["options"] or "x-systemd.automount" in line["options"]):
        return FSTAB
    if unit and unit["pulled"]:
        return str(unit["source"])
    if point in BUILT_IN:
        return "systemd itself"
    # What its volumes are mounted by lies outside of it.
    return "what runs the container" if live and evidence["host"]["container"] else ""


def line_for(point: str) -> str:
    """How a line of fstab for POINT begins, for Goss."""
    return f"^[^#\\s]\\S*\\s+{literal(point)}/?\\s"


def lines_of(content: str, point: str) -> list[int]:
    """Indexes of the lines of an fstab that mount something at POINT."""
    rows = enumerate(line.split() for line in content.split("\n"))
    return [i for i, row in rows if len(row) >= 3 and row[0][0] != "#" and shown(mount_point(row)) == point]


def set_option(content: str, point: str, option: str) -> str:
    """An fstab in which every line for POINT has OPTION; nothing else of it is touched."""
    lines = content.split("\n")
    for index in lines_of(content, point):
        match = _LINE.fullmatch(lines[index])
        if match is None:
            continue
        options = (match[3] or "defaults").split(",")
        if not effective(options, option):
            lines[index] = f"{match[1]}{match[2] or ' '}{','.join(with_option(options, option))}{match[4]}"
    return "\n".join(lines)


def add_tmpfs(content: str, point: str, options: t.Sequence[str]) -> str:
    """An fstab with one more line, for memory at POINT."""
    start = content if not content or content.endswith("\n") else f"{content}\n"
    return f"{start}tmpfs {point} tmpfs {','.join(options)} 0 0\n"


class Mount(Kind):
    """A mount option; the key is ``<mount point>:<option>``. Only lines of fstab that are there are changed."""

    name = "mount"
    sections = ("mount", "text")
    constrained = ()

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        return {"text": [FSTAB]}

    def concerns(self, demand: Demand, section: str, item: str) -> bool:
        return section == "mount" and item == demand.key.rsplit(":", 1)[0]

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        point, option = demand.key.rsplit(":", 1)
        live = evidence["mount"]["live"].get(point)
        later = stored(point, evidence)
        if live is None:
            return Ruling("not_applicable", f"{point} is not a file system of its own")
        missing = [] if effective(live["options"], option) else ["mounted"]
        missing += [f"by {later[0]}"] if later and not effective(later[1], option) else []
        if missing:
            return ruling(False, f"without {option}: {' and '.join(missing)}", option)
        note = "" if mounted_again(point, evidence) else f"; {NOT_AGAIN}"
        return ruling(True, ",".join(live["options"]) + note, option)

    def obstacle(self, demand: Demand, evidence: Evidence) -> str:
        point = demand.key.rsplit(":", 1)[0]
        if broken := evidence["mount"]["broken"]:
            return f"{FSTAB} has an error that must be mended first: {broken}"
        if (unit := evidence["mount"]["units"].get(point)) and unit["wins"]:
            return f"{unit['source']} takes the place of a line of {FSTAB}: set the option there"
        live = evidence["mount"]["live"][point]
        if point in evidence["mount"]["fstab"] or (point in SYSTEMD_TMPFS and live["type"] == "tmpfs"):
            return ""
        # A line of our own would mount it a second time, or keep the host from booting where its source is not there yet.
        return (
            f"{FSTAB} has no line for {point} ({live['type']} on {live['source']}): set the option where it is mounted"
        )

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        point, option = demand.key.rsplit(":", 1)
        live = evidence["mount"]["live"][point]
        content = desired.text(FSTAB, evidence)
        if lines_of(content, point):
            planned = set_option(content, point, option)
        else:
            kept = [one for one in ("nosuid", "nodev", "noexec") if effective(live["options"], one)]
            own = [one for one in SYSTEMD_TMPFS[point].split(",") if one]
            planned = add_tmpfs(content, point, with_option(["defaults", *kept, *own], option))
        desired.file(FSTAB, planned, validate=VERIFY)
        if not effective(live["options"], option):
            desired.run("mount", "-o", f"remount,{option}", point)

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        point, option = demand.key.rsplit(":", 1)
        live = {"mountpoint": point, "exists": True, "opts": {"contain-element": option}}
        checks = [Check("mount", live, decides=True)]
        later = stored(point, evidence)
        if later and later[0].endswith((".mount", ".conf")):
            line = f"/^\\s*Options\\s*=\\s*(\\S+,)?{option}(,|\\s|$)/"
            checks.append(Check("file", {"path": later[0], "exists": True, "contents": [line]}))
        elif later and later[0] != FSTAB and not effective(later[1], option):
            checks.append(Check("file", {"path": FSTAB, "exists": True, "contents": [f"/{line_for(point)}/"]}))
        elif later and later[0] == FSTAB:
            # A line with the option, and none that takes it back.
            line = f"{line_for(point)}+\\S+\\s+(\\S+,)?{option}"
            contents = [f"/{line}(,|\\s|$)/", f"!/{line},(\\S+,)?{option[2:]}(,|\\s|$)/"]
            checks.append(Check("file", {"path": FSTAB, "exists": True, "contents": contents}))
        return checks


KINDS = (Mount(),)
