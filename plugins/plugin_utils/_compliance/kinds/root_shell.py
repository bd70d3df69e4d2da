# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `root_shell`."""

from __future__ import annotations

from .base import (
    Check,
    Demand,
    Desired,
    Evidence,
    Kind,
    Platform,
    Rule,
    Ruling,
    offenders,
    ruling,
)
from .matchers import Template, checks, lookup, matching
from .shell import PROFILE, set_umask


class RootShell(Kind):
    """What root's login shell really has: ``path``, or with ``umask`` the mode that it leaves to new directories."""

    name = "root_shell"
    sections = ("root_shell", "text")
    constrained = ("mode",)

    def request(self, rule: Rule, platform: Platform) -> dict[str, object]:
        return {"text": [PROFILE]}

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        shell = evidence["root_shell"]
        if demand.key == "path":
            return offenders([f"{part}: {reason}" for part, reason in shell["unsafe"].items()], "safe directories")
        mode = demand.constraints["mode"]
        return ruling(mode.holds(shell["leaves"]), f"umask {shell['umask']}", f"new directories {mode.describe()}")

    def obstacle(self, demand: Demand, evidence: Evidence) -> str:
        own = evidence["root_shell"]["umask_set_in"]
        return f"root's own {' and '.join(own)} sets it: mend it there" if own else ""

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        mode = demand.constraints["mode"].target(evidence["root_shell"]["leaves"])
        umask = f"{0o777 & ~int(str(mode), 8):03o}"
        desired.file(PROFILE, set_umask(desired.text(PROFILE, evidence), umask))

    def winner(self, demand: Demand, evidence: Evidence) -> str:
        return "another script of root's login shell"

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        if demand.key == "path":
            return [
                matching(Template(f"{{{{ len {lookup('root_shell', 'unsafe')} }}}}"), 0),
                matching(Template(f"{{{{ len {lookup('root_shell', 'path')} }}}}"), {"gt": 0}),
            ]
        return checks(demand.constraints["mode"], "root_shell", "leaves")


KINDS = (RootShell(),)
