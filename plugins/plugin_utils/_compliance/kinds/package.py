# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `package`."""

from __future__ import annotations

import typing as t

from .base import Check, Demand, Desired, Evidence, Kind, Platform, Rule, Ruling, ruling
from .matchers import Template, as_text, lookup, matching


class Package(Kind):
    """Packages that must be there, set up, or must not be there at all, not even unpacked only."""

    name = "package"
    sections = ("package",)
    constrained = ()
    required = ("state",)
    fields: t.ClassVar = {"state": {"enum": ["absent", "present"]}}

    def resolve(self, rule: Rule, platform: Platform) -> bool:
        return bool(platform.package_names(rule.key)) and super().resolve(rule, platform)

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        here = [self._shown(name, evidence) for name in self.names(demand, evidence) if name in evidence["package"]]
        if demand.rule.spec["state"] == "absent":
            return ruling(not here, f"{', '.join(here)} installed" if here else "not installed", "not installed")
        missing = self.missing(demand, evidence)
        shown = f"{', '.join(missing)} not installed" if missing else ", ".join(here)
        return ruling(not missing, shown, "installed")

    @staticmethod
    def names(demand: Demand, evidence: Evidence) -> tuple[str, ...]:
        return evidence.platform.package_names(demand.key)

    @staticmethod
    def _shown(name: str, evidence: Evidence) -> str:
        return f"{name} {evidence['package'][name] or '(in part)'}"

    def missing(self, demand: Demand, evidence: Evidence) -> list[str]:
        return [name for name in self.names(demand, evidence) if not evidence["package"].get(name)]

    def obstacle(self, demand: Demand, evidence: Evidence) -> str:
        if demand.rule.spec["state"] != "absent":
            return ""
        partly = [name for name in self.names(demand, evidence) if evidence["package"].get(name) == ""]
        # The task that removes packages passes over those whose own scripts have failed.
        return f"{partly[0]} is there in part, for its own scripts have failed: remove it by hand" if partly else ""

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        if demand.rule.spec["state"] == "absent":
            names = [name for name in self.names(demand, evidence) if name in evidence["package"]]
            desired.add("packages_absent", names)
        else:
            desired.add("packages_present", self.missing(demand, evidence))

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        # Goss' own package resource forks the package manager for each name: 3 ms instead of none.
        if demand.rule.spec["state"] == "present":
            return [matching(as_text("package", name), {"match-regexp": "."}) for name in self.names(demand, evidence)]
        return [
            matching(Template(f'{{{{ hasKey {lookup("package")} "{name}" }}}}'), False)
            for name in self.names(demand, evidence)
        ]


KINDS = (Package(),)
