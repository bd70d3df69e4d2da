# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `service`."""

from __future__ import annotations

import typing as t

from .base import Check, Demand, Desired, Evidence, Kind, Platform, Rule, Ruling, ruling
from .matchers import as_json, as_text, matching

Unit = t.Mapping[str, t.Any]
RUNNING = ("active", "activating", "reloading", "refreshing")
# systemctl(1), "is-enabled": states in which a unit is never started, or only by hand.
OFF = ("disabled", "masked", "masked-runtime")
# Those in which it is started where something that is started wants it.
ON_DEMAND = ("alias", "generated", "indirect", "linked", "static", "transient")


def starts_at_boot(unit: Unit) -> bool:
    """Whether a target brings it up: by its own links, or because a generator or another unit says so.

    ``enabled-runtime`` is a link below /run, which the next boot does not have.
    """
    pulled = any(name.endswith(".target") for name in unit["wanted_by"])
    return unit["file"] == "enabled" or (unit["file"] in ON_DEMAND and pulled)


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
        return bool(platform.unit_names(rule.key)) and super().resolve(rule, platform)

    def concerns(self, demand: Demand, section: str, item: str) -> bool:
        return section != "package"

    @staticmethod
    def in_use(unit: Unit) -> bool:
        enabled = unit["file"].startswith("enabled") or starts_at_boot(unit)
        return unit["active"] in RUNNING or (enabled and unit["load"] != "masked")

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        state = demand.rule.spec["state"]
        units = {name: evidence["service"][name] for name in evidence.platform.unit_names(demand.key)}
        if state == "unused":
            used = [self._shown(name, unit) for name, unit in units.items() if self.in_use(unit)]
            gone = all(unit["load"] == "not-found" for unit in units.values())
            fine = "not installed" if gone else "masked or disabled"
            return ruling(not used, "; ".join(used) or fine, "not in use")
        wrong = [name for name, unit in units.items() if unit["active"] != "active" or unit["replaced"]]
        if state == "enabled":
            wrong += [name for name, unit in units.items() if not starts_at_boot(unit)]
        shown = "; ".join(self._shown(name, unit) for name, unit in units.items())
        return ruling(not wrong, shown, "enabled and active" if state == "enabled" else "active")

    @staticmethod
    def _shown(name: str, unit: Unit) -> str:
        pulled = [one for one in unit["wanted_by"] if one.endswith(".target")]
        wanted_by = f" (wanted by {pulled[0]})" if pulled and unit["file"] in ON_DEMAND else ""
        program = f", runs {' '.join(unit['exec'])} by {' '.join(unit['drop_ins'])}" if unit["replaced"] else ""
        return f"{name} {unit['file'] or 'no unit file'}{wanted_by}, {unit['active']}{program}"

    def obstacle(self, demand: Demand, evidence: Evidence) -> str:
        if demand.rule.spec["state"] == "unused":
            return ""
        units = evidence.platform.unit_names(demand.key)
        refused = [name for name in units if evidence["service"][name].get("refused")]
        return (
            f"{refused[0]} does not start here: a condition of its own does not hold (systemctl status {refused[0]})"
            if refused
            else ""
        )

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        units = evidence.platform.unit_names(demand.key)
        states = evidence["service"]
        if demand.rule.spec["state"] == "unused":
            # Masked, not removed: nothing is lost, and the operator can undo it with one command.
            desired.add("units_masked", [unit for unit in units if states[unit]["load"] != "not-found"])
        else:
            off = [u for u in units if states[u]["active"] != "active" or not starts_at_boot(states[u])]
            desired.add("units_enabled", off)

    def winner(self, demand: Demand, evidence: Evidence) -> str:
        units = (evidence["service"][name] for name in evidence.platform.unit_names(demand.key))
        return next((" ".join(unit["drop_ins"]) for unit in units if unit["replaced"]), "")

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        state, made = demand.rule.spec["state"], []
        for unit in evidence.platform.unit_names(demand.key):
            active, file = as_text("service", unit, "active"), as_text("service", unit, "file")
            targets = as_json("service", unit, "wanted_by")
            facts = evidence["service"][unit]
            if state == "unused":
                made.append(matching(active, {"match-regexp": "^(inactive|failed|deactivating|maintenance)?$"}))
                if facts["load"] != "masked":
                    made.append(matching(file, {"not": {"match-regexp": "^enabled"}}))
                if facts["file"] in ON_DEMAND and facts["load"] != "masked":
                    made.append(matching(targets, {"not": {"contain-element": {"match-regexp": r"\.target$"}}}))
                continue
            made.append(matching(active, {"match-regexp": "^active$"}))
            made.append(matching(as_json("service", unit, "replaced"), False))
            if state == "enabled":
                made.append(matching(file, {"match-regexp": f"^(enabled|{'|'.join(ON_DEMAND)})$"}))
                if facts["file"] in ON_DEMAND:
                    made.append(matching(targets, {"contain-element": {"match-regexp": r"\.target$"}}))
        return made


KINDS = (Service(),)
