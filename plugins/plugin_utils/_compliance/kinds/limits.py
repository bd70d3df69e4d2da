# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `limits`."""

from __future__ import annotations

import json
import typing as t

from ....module_utils._collect.limits import DIRECTORY
from ..constraint import text
from ..pam_stack import Line, avoidable, of_type
from .base import Check, Demand, Desired, Evidence, Kind, Platform, Rule, Ruling
from .matchers import Template, as_json, checks_on, literal, lookup, matching
from .settings import put_line

LIMITS = f"{DIRECTORY}/zz-unified.conf"
EVERYBODY = "*"
MODULE = "pam_limits.so"
# Services that begin a person's session.
LOGINS = ("login", "sshd", "su")
# "group and wildcard limits are not applied to the root user" (limits.conf(5)): what names root changes nothing for people.
ROOT = ("root", "0", ":0", "0:0")
Entry = t.Mapping[str, str]


class Limits(Kind):
    """A hard limit for all users. Of lines of one domain the last counts; one for a user or a group wins over ``*``."""

    name = "limits"
    sections = ("limits", "pam", "text")

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        return {"text": [LIMITS]}

    @staticmethod
    def deciding(demand: Demand, evidence: Evidence) -> list[Entry]:
        """The last line of each domain, that of everybody first (None is missing)."""
        entries = [e for e in evidence["limits"]["entries"] if e["item"] == demand.key and e["domain"] not in ROOT]
        last = {entry["domain"]: entry for entry in entries}
        return [*([last[EVERYBODY]] if EVERYBODY in last else []), *(e for d, e in last.items() if d != EVERYBODY)]

    def bad(self, demand: Demand, evidence: Evidence) -> list[str]:
        deciding = self.deciding(demand, evidence)
        wrong = [
            f"{entry['domain']} {entry['value']} in {entry['source']}"
            for entry in deciding
            if not demand.value.holds(entry["value"])
        ]
        return wrong + [f"{one['domain']} is exempt in {one['source']}" for one in evidence["limits"]["exempt"]]

    @staticmethod
    def unlimited(evidence: Evidence) -> list[str]:
        """Services of `LOGINS` that set no limits, may pass by the module that does, or have it read another file (pam_limits(8))."""
        wrong = []
        for service in (one for one in LOGINS if one in evidence["pam"]):
            stack = of_type(evidence["pam"][service], "session")
            lines = [line for line in stack if _is_mine(line)]
            wrong += [] if lines else [f"/etc/pam.d/{service} (session without {MODULE})"]
            wrong += (
                [f"/etc/pam.d/{service} (session can pass by {MODULE})"] if lines and avoidable(stack, _is_mine) else []
            )
            others = [argument for line in lines for argument in line["args"] if argument.startswith("conf=")]
            wrong += [f"{lines[0]['source']} ({MODULE} {argument})" for argument in others]
        return wrong

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        deciding, wrong = self.deciding(demand, evidence), self.bad(demand, evidence) + self.unlimited(evidence)
        if not deciding or deciding[0]["domain"] != EVERYBODY:
            wrong.insert(0, "not set for everybody")
        return Ruling("fail" if wrong else "pass", "; ".join(wrong) or deciding[0]["value"], demand.value.describe())

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        line = f"{EVERYBODY} hard {demand.key} {text(demand.value.target())}"
        desired.file(LIMITS, put_line(desired.text(LIMITS, evidence), rf"^\S+\s+\S+\s+{demand.key}(\s|$)", line))

    def winner(self, demand: Demand, evidence: Evidence) -> str:
        return next(iter(self.bad(demand, evidence) + self.unlimited(evidence)), "")

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        deciding = self.deciding(demand, evidence)
        made: list[Check] = [matching(as_json("limits", "exempt"), {"have-len": 0})]
        for service in (one for one in LOGINS if one in evidence["pam"]):
            stack = of_type(evidence["pam"][service], "session")
            lines = [line for line in stack if _is_mine(line)]
            # libpam's dispatch is followed by the planner alone; this repeats its answer.
            made.append(matching(Template(f'"{"passed by" if avoidable(stack, _is_mine) else "called"}"'), "called"))
            source = lines[0]["source"] if lines else f"/etc/pam.d/{service}"
            contents = [f"/^\\s*-?session\\s+[^#]*{literal(MODULE)}/", f"!/^[^#]*{literal(MODULE)}\\s[^#]*conf=/"]
            made.append(Check("file", {"path": source, "exists": True, "contents": contents}))
        if not deciding or deciding[0]["domain"] != EVERYBODY:
            made.append(matching(Template(f"{{{{ {lookup('limits', 'everybody')} | toString | toJson }}}}"), "set"))
        for entry in deciding:
            made += checks_on(demand.value, json.dumps(entry["value"]))
            words = (literal(entry["domain"]), "(hard|-)", literal(entry["item"]), literal(entry["value"]))
            line = r"/^\s*" + r"\s+".join(words) + r"\s*(#.*)?$/"
            made.append(Check("file", {"path": entry["source"], "exists": True, "contents": [line]}))
        return made


def _is_mine(line: Line) -> bool:
    return bool(line["module"] == MODULE)


KINDS = (Limits(),)
