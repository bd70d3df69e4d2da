# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `shell`."""

from __future__ import annotations

import typing as t

from ..constraint import text
from .base import Check, Demand, Desired, Evidence, Kind, Platform, Rule, Ruling
from .matchers import as_json, checks, literal, matching
from .settings import put_line

PROFILE = "/etc/profile.d/zz-unified.sh"
TMOUT = "TMOUT"


def set_umask(content: str, value: str) -> str:
    """The text of our profile script with this umask."""
    return put_line(content, r"^umask\s", f"umask {value}")


FIELDS = {TMOUT: "timeout", "umask": "umask"}
"""What a login shell tells of each setting (`_collect.shell`)."""


class Shell(Kind):
    """A setting of shells: every place that may set it must satisfy the rule, one must set it, and a login shell must have it.

    TMOUT must be read-only somewhere, too: else whoever it holds for takes it back.
    """

    name = "shell"
    sections = ("shell", "root_shell", "text")

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        return {"text": [PROFILE], "root_shell": None}

    @staticmethod
    def bad(demand: Demand, evidence: Evidence) -> list[str]:
        return [
            f"{place['value'] or 'unset'} in {place['source']}"
            for place in evidence["shell"][demand.key]
            if not demand.value.holds(place["value"])
        ]

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        places, wrong = evidence["shell"][demand.key], self.bad(demand, evidence)
        login = evidence["shell"]["login"]
        if not places:
            wrong.append("not set")
        elif demand.key == TMOUT and not evidence["shell"]["readonly"]:
            wrong.append("not read-only")
        elif demand.key == TMOUT and not demand.value.holds(evidence["root_shell"]["timeout"]):
            wrong.append(f"root's login shell gets {evidence['root_shell']['timeout'] or 'none'}")
        elif login["umask"] and not demand.value.holds(login[FIELDS[demand.key]]):
            wrong.append(f"people's login shells get {login[FIELDS[demand.key]] or 'none'}")
        elif login["umask"] and demand.key == TMOUT and not login["fixed"]:
            wrong.append("not read-only in people's login shells")
        return Ruling("fail" if wrong else "pass", "; ".join(wrong) or places[-1]["value"], demand.value.describe())

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        ours = [place["value"] for place in evidence["shell"][demand.key] if place["source"] == PROFILE]
        # What is stricter than asked stays; where another script sets the value, nothing here is left to change.
        kept = ours[-1] if ours and demand.value.holds(ours[-1]) else demand.value.target()
        content, value = desired.text(PROFILE, evidence), text(kept)
        if demand.key == TMOUT:
            content = put_line(content, r"^(readonly )?TMOUT=", f"readonly TMOUT={value}; export TMOUT")
        else:
            content = set_umask(content, value)
        desired.file(PROFILE, content)

    def winner(self, demand: Demand, evidence: Evidence) -> str:
        wrong = self.bad(demand, evidence)
        others = "a condition that does not hold for everybody, or what a script reads in"
        return wrong[0].rpartition(" in ")[2] if wrong else others

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        places = evidence["shell"][demand.key]
        if not places:
            return [matching(as_json("shell", demand.key), {"not": {"have-len": 0}})]
        made = []
        for index, place in enumerate(places):
            made += checks(demand.value, "shell", demand.key, index, "value")
            if place["value"].isdigit():
                made.append(
                    Check("file", {"path": place["source"], "exists": True, "contents": [f"/\\b{demand.key}\\b/"]})
                )
        if demand.key == TMOUT:
            made.append(matching(as_json("shell", "readonly"), {"not": {"have-len": 0}}))
            made += checks(demand.value, "root_shell", "timeout")
        if evidence["shell"]["login"]["umask"]:
            made += checks(demand.value, "shell", "login", FIELDS[demand.key])
            made += [matching(as_json("shell", "login", "fixed"), True)] if demand.key == TMOUT else []
        # Where ours is the only place, its value is looked for; a symbolic umask says the same in another way.
        if {place["source"] for place in places} == {PROFILE}:
            value = f"0*{literal(places[-1]['value'].lstrip('0'))}\\b"
            line = f"{TMOUT}:?=[\"']?{value}" if demand.key == TMOUT else f"umask\\s+(-S\\s+)?[\"']?({value}|[ugoa]*=)"
            made.append(Check("file", {"path": PROFILE, "exists": True, "contents": [f"/\\b{line}/"]}))
        return made


KINDS = (Shell(),)
