# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `aide_rules`."""

from __future__ import annotations

import typing as t

from ..shape import TEXT as A_TEXT
from ..shape import by_name, each, record
from .base import TEXTS, Check, Demand, Desired, Evidence, Kind, Platform, Rule, Ruling, ruling
from .matchers import as_json, matching
from .settings import add_lines


class AideRules(Kind):
    """``files`` that AIDE must watch, and the ``attributes`` of each that it must compare (aide.conf(5))."""

    name = "aide_rules"
    sections = ("aide_rules", "text")
    constrained = ()
    required = ("files", "attributes")
    fields: t.ClassVar = {"files": TEXTS, "attributes": TEXTS}

    def resolve(self, rule: Rule, platform: Platform) -> bool:
        return bool(platform.path("aide_rules")) and super().resolve(rule, platform)

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        path = platform.path("aide_rules")
        return {"aide_rules": list(rule.spec["files"]), "text": [path] if path else []}

    def concerns(self, demand: Demand, section: str, item: str) -> bool:
        return section != "text"

    @staticmethod
    def lacking(demand: Demand, evidence: Evidence) -> dict[str, list[str]]:
        """By file that is not watched as asked, the attributes that are not compared."""
        asked, watched = demand.rule.spec["attributes"], evidence["aide_rules"]
        lists = {
            path: [one for one in asked if one not in watched[path]["attributes"]] for path in _there(demand, evidence)
        }
        return {path: attributes for path, attributes in lists.items() if attributes}

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        expected = f"each with {'+'.join(demand.rule.spec['attributes'])}"
        there = _there(demand, evidence)
        if not there:
            return Ruling("not_applicable", "none of the files is there")
        lacking = self.lacking(demand, evidence)
        shown = "; ".join(f"{path} without {'+'.join(attributes)}" for path, attributes in lacking.items())
        return ruling(not lacking, shown or f"{len(there)} files watched", expected)

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        path = evidence.platform.path("aide_rules")
        attributes = "+".join(demand.rule.spec["attributes"])
        lines = [f"{file}$ f {attributes}" for file in self.lacking(demand, evidence)]
        desired.file(path, add_lines(desired.text(path, evidence), lines))

    def winner(self, demand: Demand, evidence: Evidence) -> str:
        sources = (evidence["aide_rules"][path]["source"] for path in self.lacking(demand, evidence))
        return next((source for source in sources if source), "")

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        attributes = {"contain-elements": list(demand.rule.spec["attributes"])}
        return [matching(as_json("aide_rules", path, "attributes"), attributes) for path in _there(demand, evidence)]


def _there(demand: Demand, evidence: Evidence) -> list[str]:
    return [path for path in demand.rule.spec["files"] if path in evidence["aide_rules"]]


SHAPES = {"aide_rules": by_name(record(attributes=each(A_TEXT), source=A_TEXT))}
KINDS = (AideRules(),)
