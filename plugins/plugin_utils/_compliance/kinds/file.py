# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `file`."""

from __future__ import annotations

import typing as t

from ..constraint import text
from .base import (
    TEXTS,
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
from .matchers import literal, mode_pattern


class File(Kind):
    """Mode, owner and group of a path, or of every path that a pattern matches."""

    name = "file"
    sections = ("file",)
    constrained = ("mode", "owner", "group")
    fields: t.ClassVar = {"optional": {"type": "boolean"}, "except": TEXTS}

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        return {"file": {rule.key: list(rule.spec.get("except", ()))}}

    def _wrong(self, demand: Demand, facts: dict[str, str]) -> list[str]:
        return [f"{name} {facts[name]}" for name, wanted in demand.constraints.items() if not wanted.holds(facts[name])]

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        found = evidence["file"][demand.key]
        expected = ", ".join(f"{name} {wanted.describe()}" for name, wanted in demand.constraints.items())
        if not found:
            return Ruling("pass" if demand.rule.spec.get("optional") else "fail", "no such file", expected)
        bad = [f"{path} {', '.join(wrong)}" for path, facts in found.items() if (wrong := self._wrong(demand, facts))]
        if bad:
            return offenders(bad, expected)
        one = next(iter(found.values()))
        same = all(facts == one for facts in found.values())
        shown = " ".join(one[name] for name in demand.constraints) if same else f"{len(found)} files, all safe"
        return ruling(True, shown, expected)

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        for path, facts in evidence["file"][demand.key].items():
            for name, wanted in demand.constraints.items():
                if not wanted.holds(facts[name]):
                    desired.attributes.setdefault(path, {"path": path})[name] = text(wanted.target(facts[name]))

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        found = evidence["file"][demand.key]
        if not found:
            exists = not demand.rule.spec.get("optional")
            return [Check("file", {"path": demand.key, "exists": exists})]
        attributes = {}
        for name, wanted in demand.constraints.items():
            if wanted.at_most is not None:
                attributes[name] = {"match-regexp": mode_pattern(wanted.at_most)}
            else:
                allowed = wanted.in_ if wanted.in_ is not None else (wanted.eq,)
                attributes[name] = {"match-regexp": f"^({'|'.join(literal(one) for one in allowed)})$"}
        return [Check("file", {"path": path, "exists": True, **attributes}) for path in found]


KINDS = (File(),)
