# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `service`."""

from __future__ import annotations

import typing as t

from ....module_utils._collect.settings import SHELL
from ..shape import TEXT, by_name, each
from .base import Check, Demand, Desired, Evidence, Kind, Platform, Rule, Ruling, ruling
from .matchers import Template, as_json, as_text, lookup, matching
from .settings import put_line

Unit = t.Mapping[str, t.Any]
RUNNING = ("active", "activating", "reloading", "refreshing")
# systemctl(1), "is-enabled": states in which a unit is never started, or only by hand.
OFF = ("disabled", "masked", "masked-runtime")
# Those in which it is started where something that is started wants it.
ON_DEMAND = ("alias", "generated", "indirect", "linked", "static", "transient")


# A day, and the hour by which the clock is put back.
DAY = 25 * 3600
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
            return f"{unit} runs {' '.join(facts['exec']) or 'nothing'} by {overriding(facts)}"
        if facts["conditions"]:
            return f"{unit} starts only on the conditions of {' '.join(facts['conditions'])}"
    return ""


def overriding(unit: Unit) -> str:
    """What wins over a unit's own file."""
    return " ".join(unit["drop_ins"]) or str(unit["fragment"])


def loads_at_boot(name: str, evidence: Evidence) -> list[Check]:
    """The same for Goss."""
    made = []
    for unit in evidence.platform.unit_names(name):
        made.append(matching(as_text("service", unit, "load"), {"not": {"match-regexp": "^masked$"}}))
        made.append(matching(as_json("service", unit, "replaced"), False))
        made.append(matching(as_json("service", unit, "conditions"), {"have-len": 0}))
    return made


def names_of(key: str, evidence: Evidence) -> list[str]:
    """The platform's units of a rule, and the instances of them that the host has."""
    units = evidence.platform.unit_names(key)
    stems = tuple(f"{name.partition('.')[0]}@" for name in units)
    return [*units, *(name for name in evidence["service"] if name.startswith(stems) and name not in units)]


def run_by(key: str, evidence: Evidence) -> dict[str, list[str]]:
    """The units, its own or others, in which programs of a service run, each with those programs."""
    units: dict[str, list[str]] = {}
    for program in evidence.platform.program_names(key):
        for unit in evidence["process"].get(program, ()):
            units.setdefault(unit or "no unit", []).append(program)
    return units


class Service(Kind):
    """Rules on units: ``unused`` (neither enabled nor active, nor does another unit run the program), ``masked`` (whatever asks for it),
    ``enabled`` (and active), ``running`` (active).

    A timer with ``daily`` must elapse once a day. ``switch`` names a program and its setting (`_collect.settings`): where that is
    not ``yes``, what the unit starts ends without having done anything.
    """

    name = "service"
    sections = ("service", "package", "process")
    constrained = ()
    required = ("state",)
    fields: t.ClassVar = {
        "state": {"enum": ["unused", "masked", "enabled", "running"]},
        "daily": {"type": "boolean"},
        "switch": {"type": "string", "pattern": "^[a-z_]+ [A-Z_]+$"},
    }

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        programs = platform.program_names(rule.key) if rule.spec["state"] == "unused" else ()
        made: dict[str, t.Any] = {"service": list(platform.unit_names(rule.key)), "process": list(programs)}
        if "switch" in rule.spec:
            made.update(settings=[], text=[SHELL[rule.spec["switch"].split()[0]]])
        return made

    def resolve(self, rule: Rule, platform: Platform) -> bool:
        return bool(platform.unit_names(rule.key)) and super().resolve(rule, platform)

    def concerns(self, demand: Demand, section: str, item: str) -> bool:
        return section == "service" or (section == "process" and demand.rule.spec["state"] == "unused")

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
            in_use = {name: unit for name, unit in units.items() if self.in_use(unit)}
            used = [self._shown(name, unit) for name, unit in in_use.items()]
            runs = run_by(demand.key, evidence)
            used += [f"{name} runs {' and '.join(programs)}" for name, programs in runs.items() if name not in in_use]
            gone = all(unit["load"] == "not-found" for unit in units.values())
            fine = "not installed" if gone else "masked or disabled"
            return ruling(not used, "; ".join(used) or fine, "not in use")
        if state == "masked":
            open_ = [self._shown(name, unit) for name, unit in units.items() if unit["file"] != "masked"]
            return ruling(not open_, "; ".join(open_) or "masked", "masked")
        off = ""
        if "switch" in demand.rule.spec:
            program = demand.rule.spec["switch"].split()[0]
            if unread := evidence.unreadable("settings") or evidence.left_out("settings").get(
                f"{program} {SHELL[program]}"
            ):
                return Ruling("error", f"{SHELL[program]}: {unread}", "readable")
            off = switched_off(demand, evidence)
        wrong = {name: self._problems(demand, unit, evidence) for name, unit in units.items()}
        shown = [
            self._shown(name, unit) + (f": {', '.join(wrong[name])}" if wrong[name] else "")
            for name, unit in units.items()
        ]
        shown += [f"{off} keeps it from its work"] if off else []
        good = not off and not any(wrong.values())
        return ruling(good, "; ".join(shown), "enabled and active" if state == "enabled" else "active")

    @staticmethod
    def _problems(demand: Demand, unit: Unit, evidence: Evidence) -> list[str]:
        """What keeps a unit that must run from doing its work, now or after the next boot."""
        wrong = ["not active"] if unit["active"] != "active" else []
        wrong += ["another program"] if unit["replaced"] else []
        wrong += [f"starts only on the conditions of {' '.join(unit['conditions'])}"] if unit["conditions"] else []
        if demand.rule.spec["state"] == "enabled" and not starts_at_boot(unit):
            wrong.append("not started at boot")
        if not unit.get("elapses", True):
            wrong.append("never elapses")
        elif demand.rule.spec.get("daily") and not 0 < (unit["gap"] or 0) <= DAY:
            wrong.append("does not elapse every day")
        started = evidence["service"].get(unit.get("triggers", ""))
        if started and (state := _hindered(started)):
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
        for unit in (evidence["service"].get(evidence["service"][name].get("triggers", ""), {}) for name in units):
            if unit.get("active") == "failed":
                return (
                    f"what {units[0]} starts has failed: journalctl -u {units[0].partition('.')[0]}.service tells why"
                )
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
            there = [
                unit
                for unit in names_of(demand.key, evidence)
                if states[unit]["load"] not in ("not-found", "masked") or states[unit]["active"] in RUNNING
            ]
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
        if "switch" in demand.rule.spec and switched_off(demand, evidence):
            program, key = demand.rule.spec["switch"].split()
            path = SHELL[program]
            desired.file(path, put_line(desired.text(path, evidence), rf"\s*(export\s+)?{key}=", f"{key}=yes"))

    def winner(self, demand: Demand, evidence: Evidence) -> str:
        if demand.rule.spec["state"] == "unused":
            return " and ".join(run_by(demand.key, evidence))
        for name in evidence.platform.unit_names(demand.key):
            unit = evidence["service"][name]
            started = evidence["service"].get(unit.get("triggers", ""))
            for one in (unit, started) if started else (unit,):
                if one["conditions"]:
                    return " ".join(one["conditions"])
                late = demand.rule.spec.get("daily") and one is unit and not 0 < (unit.get("gap") or 0) <= DAY
                if one["replaced"] or late or (one is unit and not unit.get("elapses", True)):
                    return overriding(one)
            if started and started["load"] != "loaded":
                return f"{unit['triggers']} ({started['load']})"
            if unit["file"] == "enabled" and not unit["reached"]:
                return f"{' '.join(unit['wanted_by']) or 'no target'} in {unit['fragment']}"
        return ""

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        state, made = demand.rule.spec["state"], []
        units = names_of(demand.key, evidence) if state == "unused" else evidence.platform.unit_names(demand.key)
        if state == "unused":
            programs = evidence.platform.program_names(demand.key)
            made += [matching(as_json("process", program), {"have-len": 0}) for program in programs]
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
            made.append(matching(as_json("service", unit, "conditions"), {"have-len": 0}))
            if "elapses" in facts:
                made.append(matching(as_json("service", unit, "elapses"), True))
            if demand.rule.spec.get("daily"):
                seconds = Template(f"{{{{ {lookup('service', unit, 'gap')} | default 0 | int64 }}}}")
                made += [matching(seconds, {"gt": 0}), matching(seconds, {"le": DAY})]
            if started := facts.get("triggers"):
                made.append(matching(as_text("service", started, "load"), {"match-regexp": "^loaded$"}))
                made.append(matching(as_text("service", started, "active"), {"not": {"match-regexp": "^failed$"}}))
                made.append(matching(as_json("service", started, "replaced"), False))
                made.append(matching(as_json("service", started, "conditions"), {"have-len": 0}))
            if state == "enabled":
                made.append(matching(file, {"match-regexp": STARTED}))
                made.append(matching(as_json("service", unit, "reached"), True))
        if "switch" in demand.rule.spec:
            program, key = demand.rule.spec["switch"].split()
            shown = Template(f'"{{{{ {lookup("settings", program, key, "value")} | default "yes" }}}}"')
            made.append(matching(shown, {"match-regexp": "^yes$"}))
        return made


def switched_off(demand: Demand, evidence: Evidence) -> str:
    """The setting that keeps a unit from its work, and where it stands; empty where it works."""
    program, key = demand.rule.spec["switch"].split()
    setting = evidence["settings"][program].get(key)
    return f"{key}={setting['value']} in {setting['source']}" if setting and setting["value"] != "yes" else ""


def _hindered(unit: Unit) -> str:
    """Why a unit that a timer starts does not do its work."""
    if unit["replaced"]:
        return "runs another program"
    if unit["conditions"]:
        return f"starts only on the conditions of {' '.join(unit['conditions'])}"
    if unit["active"] == "failed":
        return "has failed"
    return f"is {unit['load']}" if unit["load"] != "loaded" else ""


KINDS = (Service(),)
SHAPES = {"process": by_name(each(TEXT))}
