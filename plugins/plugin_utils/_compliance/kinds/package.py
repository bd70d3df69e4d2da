# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `package`."""

from __future__ import annotations

import typing as t

from .base import Check, Demand, Desired, Evidence, Kind, Platform, Rule, Ruling, ruling
from .matchers import Template, lookup, matching


class Package(Kind):
    name = "package"
    sections = ("package",)
    constrained = ()
    required = ("state",)
    fields: t.ClassVar = {"state": {"enum": ["absent", "present"]}}

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        state, names = demand.rule.spec["state"], self.names(demand, evidence)
        here = [name for name in names if name in evidence["package"]]
        if state == "absent":
            return ruling(not here, f"{', '.join(here)} installed" if here else "not installed", "not installed")
        missing = [name for name in names if name not in here]
        shown = (
            f"{', '.join(missing)} not installed"
            if missing
            else ", ".join(f"{n} {evidence['package'][n]}" for n in here)
        )
        return ruling(not missing, shown, "installed")

    def resolve(self, rule: Rule, platform: Platform) -> bool:
        return bool(platform.package_names(rule.key))

    @staticmethod
    def names(demand: Demand, evidence: Evidence) -> tuple[str, ...]:
        return evidence.platform.package_names(demand.key)

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        if demand.rule.spec["state"] == "absent":
            desired.add(
                "packages_absent", [name for name in self.names(demand, evidence) if name in evidence["package"]]
            )
        else:
            desired.add(
                "packages_present", [name for name in self.names(demand, evidence) if name not in evidence["package"]]
            )

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        present = demand.rule.spec["state"] == "present"
        # Goss' own package resource forks dpkg for each name: 3 ms instead of none.
        return [
            matching(Template(f'{{{{ hasKey {lookup("package")} "{name}" }}}}'), present)
            for name in self.names(demand, evidence)
        ]


KINDS = (Package(),)
