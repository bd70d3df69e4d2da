# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `sudo`."""

from __future__ import annotations

import re
import typing as t

from ..constraint import Constraint, text
from .base import Check, Demand, Desired, Evidence, Kind, Platform, Rule, Ruling, offenders, ruling
from .matchers import Template, as_text, checks_on_default, literal, matching
from .settings import put_line

# The last Defaults line wins in sudoers.
PATH = "/etc/sudoers.d/zz-unified"
# sudo reads these scopes in one pass, in the order of the lines; the others after them (sudoers(5), SUDOERS OPTIONS).
ORDERED = ("", "host", "user")
# Settings without which another one means nothing: a log file from which what was allowed, or refused, is left out (sudoers(5)).
NEEDED = {"logfile": ("log_allowed", "log_denied")}
Entry = dict[str, t.Any]


class Sudo(Kind):
    """sudo's Defaults, and rules that lift the password.

    A default of the program is not a setting, and what is set for some users, hosts or commands does not hold for all.
    """

    name = "sudo"
    sections = ("sudo", "text")

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        return {"text": [PATH]}

    def concerns(self, demand: Demand, section: str, item: str) -> bool:
        if section != "sudo":
            return super().concerns(demand, section, item)
        return demand.key in ("authenticate", "nopasswd") or item.startswith("Defaults ")

    @staticmethod
    def settings(name: str, evidence: Evidence) -> tuple[Entry | None, list[Entry]]:
        """What holds for everybody, and what other values hold for some."""
        general: Entry | None = None
        scoped: list[Entry] = []
        late: list[Entry] = []
        for entry in (entry for entry in evidence["sudo"]["defaults"] if entry["name"] == name):
            if not entry["scope"]:
                general, scoped = entry, []
            else:
                (scoped if entry["scope"] in ORDERED else late).append(entry)
        return general, scoped + late

    def lifted(self, key: str, evidence: Evidence) -> list[str]:
        """Each rule that asks for no password, or each Defaults that lifts it for somebody (sudoers(5))."""
        if key == "nopasswd":
            return [_rule_text(rule) for rule in evidence["sudo"]["rules"] if rule["authenticate"] is False]
        return [
            _default_text(entry)
            for entry in evidence["sudo"]["defaults"]
            if (entry["name"], entry["value"]) == ("authenticate", "no")
            or (entry["name"] == "exempt_group" and entry["value"] != "no")
        ]

    def spoilers(self, demand: Demand, evidence: Evidence) -> list[Entry]:
        """What switches off, for everybody or some, what the setting of the rule needs."""
        made = []
        for name in NEEDED.get(demand.key, ()):
            general, scoped = self.settings(name, evidence)
            made += [entry for entry in (general, *scoped) if entry is not None and entry["value"] == "no"]
        return made

    @staticmethod
    def keeps_nothing(general: Entry | None, evidence: Evidence) -> bool:
        """Whether what is set for everybody is a log that is a device, a pipe or a directory, or a link to one."""
        return general is not None and evidence["sudo"]["logs"].get(general["value"]) == "no regular file"

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        if demand.key in ("authenticate", "nopasswd"):
            return offenders(self.lifted(demand.key, evidence), "no such rule")
        general, scoped = self.settings(demand.key, evidence)
        value = _meaning(general) if general else None
        weaker = [_default_text(entry) for entry in scoped if not _holds(demand.value, entry)]
        weaker += [_default_text(entry) for entry in self.spoilers(demand, evidence)]
        weaker += [f"{value} is no regular file"] if self.keeps_nothing(general, evidence) else []
        if weaker and demand.value.holds(value):
            return Ruling("fail", "; ".join(weaker), demand.value.describe())
        return ruling(demand.value.holds(value), value, demand.value.describe())

    def obstacle(self, demand: Demand, evidence: Evidence) -> str:
        """A Defaults of target users or of commands: no later line for everybody overrides it."""
        if demand.key in ("authenticate", "nopasswd"):
            return ""
        general, scoped = self.settings(demand.key, evidence)
        if general and demand.value.holds(_meaning(general)) and self.keeps_nothing(general, evidence):
            return f"{general['value']} is no regular file: remove what lies there"
        weaker = [e for e in scoped if e["scope"] not in ORDERED and not _holds(demand.value, e)]
        weaker += [e for e in self.spoilers(demand, evidence) if e["scope"] not in ORDERED]
        return f"'{_default_text(weaker[0])}' overrides what this collection writes: mend it there" if weaker else ""

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        general, _scoped = self.settings(demand.key, evidence)
        target = text(demand.value.target(_meaning(general) if general else None))
        option = {"yes": demand.key, "no": f"!{demand.key}"}.get(target, f"{demand.key}={target}")
        line, pattern = f"Defaults {option}", rf"^\s*Defaults\s+!?{demand.key}\b"
        content = desired.text(PATH, evidence)
        # A line that stands alone stays where it is: moving it would be a change that mends nothing.
        if [old for old in content.splitlines() if re.match(pattern, old)] != [line]:
            content = put_line(content, pattern, line)
        for name in dict.fromkeys(entry["name"] for entry in self.spoilers(demand, evidence)):
            content = put_line(content, rf"^\s*Defaults\s+!?{name}\b", f"Defaults {name}")
        desired.file(PATH, content, mode="0440", validate=["visudo", "-c", "-f", "%s"])

    def winner(self, demand: Demand, evidence: Evidence) -> str:
        general, scoped = self.settings(demand.key, evidence)
        weaker = [f"'{_default_text(entry)}'" for entry in scoped if not _holds(demand.value, entry)]
        weaker += [f"'{_default_text(entry)}'" for entry in self.spoilers(demand, evidence)]
        if general and not _holds(demand.value, general):
            weaker.insert(0, f"'{_default_text(general)}'")
        return weaker[0] if weaker else ""

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        if demand.key == "nopasswd":
            return [_each("rules", 'eq (toString .authenticate) "false"', "^$")]
        if demand.key == "authenticate":
            lifts = (
                'or (and (eq .name "authenticate") (eq .value "no")) (and (eq .name "exempt_group") (ne .value "no"))'
            )
            return [_each("defaults", lifts, "^$")]
        general, scoped = self.settings(demand.key, evidence)
        made = [check for entry in scoped for check in checks_on_default(demand.value, _meaning(entry))]
        if demand.key in NEEDED:
            # Which of several lines wins is followed by the planner alone; this repeats its answer.
            made.append(matching(Template(f'"{len(self.spoilers(demand, evidence))}"'), "0"))
        if general is None:
            return [*made, _each("defaults", f'and (eq .name "{demand.key}") (eq .scope "")', "x")]
        value = general["value"]
        if value in evidence["sudo"]["logs"]:
            made.append(matching(as_text("sudo", "logs", value), {"match-regexp": "^(file|missing)$"}))
        written = {"yes": "", "no": ""}.get(value, f'\\s*=\\s*"?{literal(value)}"?')
        line = f"/^\\s*Defaults\\s+([^#]*[,\\s])?{'!' if value == 'no' else ''}{literal(demand.key)}{written}\\s*(,|$)/"
        made += checks_on_default(demand.value, _meaning(general))
        if general["source"].startswith("/"):
            made.append(Check("file", {"path": general["source"], "exists": True, "contents": [line]}))
        return made


def _meaning(entry: Entry) -> str:
    """An option's value; a timeout that is switched off is one of no time (sudoers(5))."""
    off = entry["name"] == "timestamp_timeout" and entry["value"] == "no"
    return "0" if off else str(entry["value"])


def _holds(constraint: Constraint, entry: Entry) -> bool:
    return constraint.holds(_meaning(entry))


def _each(items: str, condition: str, pattern: str) -> Check:
    """A mark for each entry of the evidence that CONDITION picks, compared with PATTERN."""
    template = f"{{{{ range .Vars.sections.sudo.items.{items} }}}}{{{{ if {condition} }}}}x{{{{ end }}}}{{{{ end }}}}"
    return matching(Template(f'"{template}"'), {"match-regexp": pattern})


def _default_text(entry: Entry) -> str:
    scope = {"": "", "host": "@", "user": ":", "runas": ">", "command": "!"}[entry["scope"]]
    option = {"yes": entry["name"], "no": f"!{entry['name']}"}.get(entry["value"], f"{entry['name']}={entry['value']}")
    return f"Defaults{scope}{','.join(entry['for'])} {option}" + (f" in {entry['source']}" if entry["source"] else "")


def _rule_text(rule: Entry) -> str:
    runas = f"({','.join(rule['runas'])}) " if rule["runas"] else ""
    where = f" in {rule['source']}" if rule["source"] else ""
    return (
        f"{','.join(rule['users'])} {','.join(rule['hosts'])} = {runas}NOPASSWD: {', '.join(rule['commands'])}{where}"
    )


KINDS = (Sudo(),)
