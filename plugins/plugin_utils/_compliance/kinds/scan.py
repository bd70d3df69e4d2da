# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `scan`."""

from __future__ import annotations

from ....module_utils._collect.scan import WALK
from .base import (
    Check,
    Demand,
    Desired,
    Evidence,
    Kind,
    Ruling,
    offenders,
)
from .file import plain
from .matchers import Template, as_json, lookup, matching


class Scan(Kind):
    """What the walk over the local file systems met. File systems that are not this host's own are named in the verdict."""

    name = "scan"
    sections = ("scan",)
    constrained = ()

    def concerns(self, demand: Demand, section: str, item: str) -> bool:
        # A file system that is not local, or that nobody else can reach, is no business of these rules.
        return item in (WALK, demand.key)

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        scan = evidence["scan"]
        listed = offenders(scan[demand.key], "none", more=scan["counts"][demand.key] - len(scan[demand.key]))
        unseen = [f"{path}: {reason}" for path, reason in evidence.left_out("scan").items() if path.startswith("/")]
        walked = f"of {scan['inodes']} inodes" + (f"; not walked: {', '.join(unseen)}" if unseen else "")
        return Ruling(listed.verdict, f"{listed.actual} ({walked})", listed.expected)

    def obstacle(self, demand: Demand, evidence: Evidence) -> str:
        if any(plain(path) for path in evidence["scan"][demand.key]):
            return ""
        return "names that cannot be printed: mend these files by hand"

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        name, value = change(demand.key)
        for path in filter(plain, evidence["scan"][demand.key]):
            # A rule on the file itself has the stricter word.
            desired.attributes.setdefault(path, {"path": path}).setdefault(name, value)

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        return [
            matching(as_json("scan", demand.key), {"have-len": 0}),
            # A walk that walked nothing would be green.
            matching(Template(f"{{{{ {lookup('scan', 'inodes')} | int64 }}}}"), {"ge": 100}),
        ]


def change(key: str) -> tuple[str, str]:
    """The attribute that mends what a list holds, and its value."""
    if key.endswith(("_owner", "_group")):
        return key.rpartition("_")[2], "root"
    return "mode", {"world_writable_files": "o-w", "world_writable_directories": "+t"}.get(key, "go-w")


KINDS = (Scan(),)
