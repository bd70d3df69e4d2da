# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `partition`."""

from __future__ import annotations

import typing as t

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
from .mount import FSTAB, fstab_line, set_mount


class Partition(Kind):
    name = "partition"
    sections = ("mount", "text")
    constrained = ()

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        return {"text": [FSTAB]}

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        live = evidence["mount"]["live"].get(demand.key)
        return ruling(
            live is not None,
            f"{live['type']} on {live['source']}" if live else "part of another file system",
            "a file system of its own",
        )

    def pending(self, demand: Demand, evidence: Evidence) -> str:
        # Mounting over a directory in use would hide its files from running programs.
        return f"{demand.key} is mounted at the next boot" if demand.key in evidence["mount"]["fstab"] else ""

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        facts = {"source": "tmpfs", "type": "tmpfs"}
        line = fstab_line(demand.key, facts, ["defaults", "nosuid", "nodev", "noexec", "mode=1777", "size=50%"])
        desired.file(FSTAB, set_mount(desired.text(FSTAB, evidence), demand.key, line))

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        return [Check("mount", {"mountpoint": demand.key, "exists": True})]


KINDS = (Partition(),)
