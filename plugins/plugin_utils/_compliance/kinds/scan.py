# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `scan`."""

from __future__ import annotations

from .base import (
    Check,
    Demand,
    Desired,
    Evidence,
    Kind,
    Ruling,
    offenders,
)
from .matchers import Template, as_json, lookup, matching


class Scan(Kind):
    """What the walk over the file systems found."""

    name = "scan"
    sections = ("scan",)
    constrained = ()

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        found = offenders(evidence["scan"][demand.key], "none")
        return Ruling(found.verdict, f"{found.actual} (of {evidence['scan']['inodes']} inodes)", found.expected)

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        change = {"world_writable_files": "o-w", "world_writable_directories": "+t"}[demand.key]
        for path in evidence["scan"][demand.key]:
            # A rule on the file itself has the stricter word.
            desired.attributes.setdefault(path, {"path": path}).setdefault("mode", change)

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        return [
            matching(as_json("scan", demand.key), {"have-len": 0}),
            # A walk that walked nothing would be green.
            matching(Template(f"{{{{ {lookup('scan', 'inodes')} | int64 }}}}"), {"ge": 100}),
        ]


KINDS = (Scan(),)
