# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `partition`."""

from __future__ import annotations

import typing as t

from ....module_utils._collect.filesystems import below
from ....module_utils._collect.mount import FSTAB
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
from .matchers import Template, lookup, matching
from .mount import NOT_AGAIN, SYSTEMD_TMPFS, VERIFY, add_tmpfs, line_for, lines_of, mounted_again


class Partition(Kind):
    """A file system of its own at a directory, now and after the next boot: another one than that of the directory above, so no
    bind mount of it.
    """

    name = "partition"
    sections = ("mount", "text")
    constrained = ()

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        return {"text": [FSTAB]}

    def concerns(self, demand: Demand, section: str, item: str) -> bool:
        return section == "mount" and item == demand.key

    @staticmethod
    def above(key: str, evidence: Evidence) -> str:
        """The mount point that would hold the directory if nothing were mounted there."""
        points = [point for point in evidence["mount"]["live"] if below(key, point) and point != key]
        return max(points, key=len, default="/")

    def separate(self, key: str, evidence: Evidence) -> bool:
        live, above = evidence["mount"]["live"].get(key), evidence["mount"]["live"][self.above(key, evidence)]
        return bool(live) and (live["device"] != above["device"] or live["type"] == "btrfs")

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        expected = "a file system of its own"
        live = evidence["mount"]["live"].get(demand.key)
        if live is None:
            return ruling(False, "part of another file system", expected)
        if not self.separate(demand.key, evidence):
            return ruling(False, f"a bind mount of the file system at {self.above(demand.key, evidence)}", expected)
        note = "" if mounted_again(demand.key, evidence) else f": {NOT_AGAIN}"
        return ruling(not note, f"{live['type']} on {live['source']}{note}", expected)

    def obstacle(self, demand: Demand, evidence: Evidence) -> str:
        if broken := evidence["mount"]["broken"]:
            return f"{FSTAB} has an error that must be mended first: {broken}"
        if demand.key in evidence["mount"]["fstab"] and not mounted_again(demand.key, evidence):
            return f"the line of {FSTAB} for {demand.key} says noauto: take that out"
        live = evidence["mount"]["live"].get(demand.key)
        if live is None or (live["type"] == "tmpfs" and self.separate(demand.key, evidence)):
            return ""
        return f"{live['source']} is mounted there: unmount it first"

    def pending(self, demand: Demand, evidence: Evidence) -> str:
        # Mounting over a directory in use would hide its files from running programs.
        live, again = evidence["mount"]["live"].get(demand.key), mounted_again(demand.key, evidence)
        return f"{demand.key} is mounted at the next boot" if again == FSTAB and not live else ""

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        own = [one for one in SYSTEMD_TMPFS[demand.key].split(",") if one]
        content = desired.text(FSTAB, evidence)
        if not lines_of(content, demand.key):  # a rule on its options may have planned one
            content = add_tmpfs(content, demand.key, ["defaults", "nosuid", "nodev", "noexec", *own])
        desired.file(FSTAB, content, validate=VERIFY)

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        above = self.above(demand.key, evidence)
        devices = [lookup("mount", "live", point, "device") for point in (demand.key, above)]
        checks = [Check("mount", {"mountpoint": demand.key, "exists": True})]
        live = evidence["mount"]["live"].get(demand.key)
        if live and live["type"] != "btrfs":
            # Goss does not tell which device a mount is of.
            checks.append(matching(Template(f"{{{{ ne {devices[0]} {devices[1]} }}}}"), True))
        again = mounted_again(demand.key, evidence)
        if again.endswith((".mount", ".conf")):
            checks.append(Check("file", {"path": again, "exists": True}))
        elif again in ("", FSTAB):
            lines = [f"/{line_for(demand.key)}/"]
            if "x-systemd.automount" not in evidence["mount"]["fstab"].get(demand.key, {}).get("options", ()):
                lines.append(f"!/{line_for(demand.key)}+\\S+\\s+(\\S+,)?noauto(,|\\s|$)/")
            checks.append(Check("file", {"path": FSTAB, "exists": True, "contents": lines}))
        return checks


KINDS = (Partition(),)
