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
from .mount import SYSTEMD_TMPFS, VERIFY, add_tmpfs


class Partition(Kind):
    """A file system of its own at a directory: another one than that of the directory above, so no bind mount of it."""

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

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        expected = "a file system of its own"
        live = evidence["mount"]["live"].get(demand.key)
        if live is None:
            return ruling(False, "part of another file system", expected)
        above = self.above(demand.key, evidence)
        if live["device"] == evidence["mount"]["live"][above]["device"] and live["type"] != "btrfs":
            return ruling(False, f"a bind mount of the file system at {above}", expected)
        return ruling(True, f"{live['type']} on {live['source']}", expected)

    def obstacle(self, demand: Demand, evidence: Evidence) -> str:
        if broken := evidence["mount"]["broken"]:
            return f"{FSTAB} has an error that must be mended first: {broken}"
        live = evidence["mount"]["live"].get(demand.key)
        return f"{live['source']} is mounted there: unmount it first" if live else ""

    def pending(self, demand: Demand, evidence: Evidence) -> str:
        # Mounting over a directory in use would hide its files from running programs.
        return f"{demand.key} is mounted at the next boot" if demand.key in evidence["mount"]["fstab"] else ""

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        own = [one for one in SYSTEMD_TMPFS[demand.key].split(",") if one]
        content = add_tmpfs(desired.text(FSTAB, evidence), demand.key, ["defaults", "nosuid", "nodev", "noexec", *own])
        desired.file(FSTAB, content, validate=VERIFY)

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        above = self.above(demand.key, evidence)
        devices = [lookup("mount", "live", point, "device") for point in (demand.key, above)]
        checks = [Check("mount", {"mountpoint": demand.key, "exists": True})]
        live = evidence["mount"]["live"].get(demand.key)
        if live and live["type"] != "btrfs":
            # Goss does not tell which device a mount is of.
            checks.append(matching(Template(f"{{{{ ne {devices[0]} {devices[1]} }}}}"), True))
        return checks


KINDS = (Partition(),)
