# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `service`."""

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
from .matchers import as_text, matching


class Service(Kind):
    """Rules on units: ``unused`` (neither enabled nor active), ``enabled`` (and active), ``running`` (active)."""

    name = "service"
    sections = ("service", "package")
    constrained = ()
    required = ("state",)
    fields: t.ClassVar = {"state": {"enum": ["unused", "enabled", "running"]}}

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        return {"service": list(platform.unit_names(rule.key))}

    def resolve(self, rule: Rule, platform: Platform) -> bool:
        return bool(platform.unit_names(rule.key))

    @staticmethod
    def in_use(facts: dict[str, str]) -> bool:
        return facts["active"] in ("active", "activating", "reloading") or facts["file"].startswith("enabled")

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        state, units = demand.rule.spec["state"], evidence.platform.unit_names(demand.key)
        facts = {unit: evidence["service"][unit] for unit in units}
        if state == "unused":
            used = [
                f"{unit} {found['file'] or 'no unit file'}, {found['active']}"
                for unit, found in facts.items()
                if self.in_use(found)
            ]
            gone = all(found["load"] == "not-found" for found in facts.values())
            return ruling(
                not used, "; ".join(used) or ("not installed" if gone else "masked or disabled"), "not in use"
            )
        wrong = [unit for unit, found in facts.items() if found["active"] != "active"]
        if state == "enabled":
            wrong += [
                unit
                for unit, found in facts.items()
                if found["file"] not in ("enabled", "enabled-runtime", "static", "alias")
            ]
        shown = "; ".join(f"{unit} {facts[unit]['file'] or 'not found'}, {facts[unit]['active']}" for unit in facts)
        return ruling(not wrong, shown, "enabled and active" if state == "enabled" else "active")

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        units = evidence.platform.unit_names(demand.key)
        if demand.rule.spec["state"] == "unused":
            # Masked, not removed: nothing is lost, and the operator can undo it with one command.
            desired.add("units_masked", [unit for unit in units if evidence["service"][unit]["load"] != "not-found"])
        else:
            desired.add("units_enabled", units)

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        state, found = demand.rule.spec["state"], []
        for unit in evidence.platform.unit_names(demand.key):
            active, file = as_text("service", unit, "active"), as_text("service", unit, "file")
            if state == "unused":
                found.append(matching(active, {"match-regexp": "^(inactive|failed|deactivating)?$"}))
                found.append(matching(file, {"not": {"match-regexp": "^enabled"}}))
            else:
                found.append(matching(active, {"match-regexp": "^active$"}))
            if state == "enabled":
                found.append(matching(file, {"match-regexp": "^(enabled|enabled-runtime|static|alias)$"}))
        return found


KINDS = (Service(),)
