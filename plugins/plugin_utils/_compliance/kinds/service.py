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


STARTED = f"^(enabled|{'|'.join(ON_DEMAND)})$"


def starts_at_boot(unit: Unit) -> bool:
    """Whether a target brings it up that a boot comes to: by its own links, or because a generator or another unit says so.

    ``enabled-runtime`` is a link below /run, which the next boot does not have.
    """
    return (unit["file"] == "enabled" or unit["file"] in ON_DEMAND) and unit["reached"]


def kept_from_boot(name: str, evidence: Evidence) -> str:
    """Why the platform's unit NAME does not do its work at the next boot; empty where it does, or where there is no such unit."""
    for unit in evidence.platform.unit_names(name):
        facts = evidence["service"][unit]
        if facts["load"] == "masked":
            return f"{unit} is masked"
        if facts["replaced"]:
            return f"{unit} runs {' '.join(facts['exec']) or 'nothing'}"
    return ""


def loads_at_boot(name: str, evidence: Evidence) -> list[Check]:
    """The same for Goss."""
    made = []
    for unit in evidence.platform.unit_names(name):
        made.append(matching(as_text("service", unit, "load"), {"not": {"match-regexp": "^masked$"}}))
        made.append(matching(as_json("service", unit, "replaced"), False))
    return made


def names_of(key: str, evidence: Evidence) -> list[str]:
    """The platform's units of a rule, and the instances of them that the host has."""
    units = evidence.platform.unit_names(key)
    stems = tuple(f"{name.partition('.')[0]}@" for name in units)
    return [*units, *(name for name in evidence["service"] if name.startswith(stems) and name not in units)]


class Service(Kind):
    """Rules on units: ``unused`` (neither enabled nor active), ``masked`` (whatever asks for it), ``enabled`` (and active),
    ``running`` (active)."""

    name = "service"
    sections = ("service", "package")
    constrained = ()
    required = ("state",)
    fields: t.ClassVar = {"state": {"enum": ["unused", "masked", "enabled", "running"]}}

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        return {"service": list(platform.unit_names(rule.key))}

    def resolve(self, rule: Rule, platform: Platform) -> bool:
        return bool(platform.unit_names(rule.key)) and super().resolve(rule, platform)

    def concerns(self, demand: Demand, section: str, item: str) -> bool:
        return section != "package"

    @staticmethod
    def in_use(unit: Unit) -> bool:
        pulled = any(name.endswith(".target") for name in unit["wanted_by"])
        enabled = unit["file"].startswith("enabled") or (unit["file"] in ON_DEMAND and pulled)
        return unit["active"] in RUNNING or (enabled and unit["load"] != "masked")

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        state = demand.rule.spec["state"]
        units = {name: evidence["service"][name] for name in evidence.platform.unit_names(demand.key)}
        if state == "unused":
            units = {name: evidence["service"][name] for name in names_of(demand.key, evidence)}
            used = [self._shown(name, unit) for name, unit in units.items() if self.in_use(unit)]
            gone = all(unit["load"] == "not-found" for unit in units.values())
            fine = "not installed" if gone else "masked or disabled"
            return ruling(not used, "; ".join(used) or fine, "not in use")
        if state == "masked":
            open_ = [self._shown(name, unit) for name, unit in units.items() if unit["file"] != "masked"]
            return ruling(not open_, "; ".join(open_) or "masked", "masked")
        wrong = {name: self._problems(demand, unit, evidence) for name, unit in units.items()}
        shown = "; ".join(
            self._shown(name, unit) + (f": {', '.join(wrong[name])}" if wrong[name] else "")
            for name, unit in units.items()
        )
        return ruling(not any(wrong.values()), shown, "enabled and active" if state == "enabled" else "active")

    @staticmethod
    def _problems(demand: Demand, unit: Unit, evidence: Evidence) -> list[str]:
        """What keeps a unit that must run from doing its work, now or after the next boot."""
        wrong = ["not active"] if unit["active"] != "active" else []
        wrong += ["another program"] if unit["replaced"] else []
        if demand.rule.spec["state"] == "enabled" and not starts_at_boot(unit):
            wrong.append("not started at boot")
        if not unit.get("elapses", True):
            wrong.append("never elapses")
        started = evidence["service"].get(unit.get("triggers", ""))
        if started and (started["load"] != "loaded" or started["replaced"]):
            state = "runs another program" if started["replaced"] else f"is {started['load']}"
            wrong.append(f"{unit['triggers']}, which it starts, {state}")
        return wrong

    @staticmethod
    def _shown(name: str, unit: Unit) -> str:
        pulled = [one for one in unit["wanted_by"] if one.endswith(".target")]
        wanted_by = f" (wanted by {pulled[0]})" if pulled and unit["file"] in ON_DEMAND else ""
        program = (
            f", runs {' '.join(unit['exec'])} by {' '.join(unit['drop_ins']) or unit['fragment']}"
            if unit["replaced"]
            else ""
        )
        return f"{name} {unit['file'] or 'no unit file'}{wanted_by}, {unit['active']}{program}"

    def obstacle(self, demand: Demand, evidence: Evidence) -> str:
        if demand.rule.spec["state"] == "unused":
            return ""
        units = evidence.platform.unit_names(demand.key)
        masked = [name for name in units if evidence["service"][name]["file"] == "masked-runtime"]
        if masked:
            return f"{masked[0]} is masked until the next boot: systemctl unmask --runtime {masked[0]}"
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
            there = [unit for unit in names_of(demand.key, evidence) if states[unit]["load"] != "not-found"]
            desired.add("units_masked", there)
        elif demand.rule.spec["state"] == "masked":
            desired.add("units_masked", [unit for unit in units if states[unit]["file"] != "masked"])
        else:
            # One that is enabled and not reached stays as it is: `winner` names what keeps it.
            off = [
                u
                for u in units
                if states[u]["active"] != "active" or (states[u]["file"] != "enabled" and not starts_at_boot(states[u]))
            ]
            desired.add("units_enabled", off)

    def winner(self, demand: Demand, evidence: Evidence) -> str:
        for name in evidence.platform.unit_names(demand.key):
            unit = evidence["service"][name]
            started = evidence["service"].get(unit.get("triggers", ""))
            for one in (unit, started) if started else (unit,):
                if one["replaced"] or (one is unit and not unit.get("elapses", True)):
                    return " ".join(one["drop_ins"]) or one["fragment"]
            if started and started["load"] != "loaded":
                return f"{unit['triggers']} ({started['load']})"
            if unit["file"] == "enabled" and not unit["reached"]:
                return f"{' '.join(unit['wanted_by']) or 'no target'} in {unit['fragment']}"
        return ""

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        state, made = demand.rule.spec["state"], []
        units = names_of(demand.key, evidence) if state == "unused" else evidence.platform.unit_names(demand.key)
        for unit in units:
            active, file = as_text("service", unit, "active"), as_text("service", unit, "file")
            targets = as_json("service", unit, "wanted_by")
            facts = evidence["service"][unit]
            if state == "masked":
                made.append(matching(file, {"match-regexp": "^masked$"}))
                continue
            if state == "unused":
                made.append(matching(active, {"match-regexp": "^(inactive|failed|deactivating|maintenance)?$"}))
                if facts["load"] != "masked":
                    made.append(matching(file, {"not": {"match-regexp": "^enabled"}}))
                if facts["file"] in ON_DEMAND and facts["load"] != "masked":
                    made.append(matching(targets, {"not": {"contain-element": {"match-regexp": r"\.target$"}}}))
                continue
            made.append(matching(active, {"match-regexp": "^active$"}))
            made.append(matching(as_json("service", unit, "replaced"), False))
            if "elapses" in facts:
                made.append(matching(as_json("service", unit, "elapses"), True))
            if started := facts.get("triggers"):
                made.append(matching(as_text("service", started, "load"), {"match-regexp": "^loaded$"}))
                made.append(matching(as_json("service", started, "replaced"), False))
            if state == "enabled":
                made.append(matching(file, {"match-regexp": STARTED}))
                made.append(matching(as_json("service", unit, "reached"), True))
        return made


KINDS = (Service(),)
