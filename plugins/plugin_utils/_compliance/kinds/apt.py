# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `apt`: options of apt (apt.conf(5))."""

from __future__ import annotations

import re
import typing as t

from ..constraint import text
from ..shape import TEXT, by_name, each, record
from .base import Check, Demand, Desired, Evidence, Kind, Platform, Rule, Ruling, ruling
from .matchers import as_json, as_text, literal, matching
from .settings import put_line

SIGNED = "APT::Get::AllowUnauthenticated"
# Read after its neighbours, whose names begin with a number.
PATH = "/etc/apt/apt.conf.d/zz-unified"
# What apt takes for true and for false (apt-pkg/contrib/strutl.cc, StringToBool).
WORDS = {"yes": ("1", "yes", "true", "with", "on", "enable"), "no": ("0", "no", "false", "without", "off", "disable")}


def word(value: str | None) -> str | None:
    """An option's value, with one word for each way to say yes or no."""
    return next((name for name, words in WORDS.items() if value is not None and value.lower() in words), value)


class Apt(Kind):
    """An option's value. One that is not set has only apt's default, which is no choice of the host's."""

    name = "apt"
    sections = ("apt", "text")

    def resolve(self, rule: Rule, platform: Platform) -> bool:
        return platform.tool("packages") == self.name and super().resolve(rule, platform)

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        return {"text": [PATH]}

    @staticmethod
    def actual(demand: Demand, evidence: Evidence) -> str | None:
        return word(evidence["apt"]["options"].get(demand.key.lower()))

    @staticmethod
    def scoped(demand: Demand, evidence: Evidence) -> dict[str, str]:
        """The option's values for some program of apt's only (apt.conf(5), Binary), by the whole name."""
        pattern = re.compile(rf"binary::[^:]+::{re.escape(demand.key.lower())}")
        return {name: value for name, value in evidence["apt"]["options"].items() if pattern.fullmatch(name)}

    def weaker(self, demand: Demand, evidence: Evidence) -> list[str]:
        scoped = self.scoped(demand, evidence)
        return [f"{name} {value}" for name, value in scoped.items() if not demand.value.holds(word(value))]

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        value = self.actual(demand, evidence)
        contrary = [*self.weaker(demand, evidence), *self.unverified(demand, evidence)]
        if demand.value.holds(value) and contrary:
            return Ruling("fail", f"{value}, but {'; '.join(contrary)}", demand.value.describe())
        return ruling(demand.value.holds(value), value, demand.value.describe())

    @staticmethod
    def unverified(demand: Demand, evidence: Evidence) -> list[str]:
        """Sources that the rule's option does not hold for: apt believes them unsigned."""
        return list(evidence["apt"]["unverified"]) if demand.key == SIGNED else []

    def obstacle(self, demand: Demand, evidence: Evidence) -> str:
        if weaker := self.weaker(demand, evidence):
            return f"'{weaker[0]}' overrides it for one program: take that out of the files that apt-config(8) reads"
        listed = self.unverified(demand, evidence) if demand.value.holds(self.actual(demand, evidence)) else []
        return (
            f"{listed[0].partition(': ')[0]} tells apt to believe an archive that nobody signed: mend it there"
            if listed
            else ""
        )

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        line = f'{demand.key} "{text(demand.value.target(self.actual(demand, evidence)))}";'
        desired.file(PATH, put_line(desired.text(PATH, evidence), rf"(?i){literal(demand.key)}\s", line))

    def winner(self, demand: Demand, evidence: Evidence) -> str:
        files = evidence["apt"]["files"]
        later = files[files.index(PATH) + 1 :] if PATH in files else []
        return later[-1] if later else ""

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        allowed = demand.value.in_ if demand.value.in_ is not None else (demand.value.eq,)
        words = [literal(one) for value in allowed for one in WORDS.get(text(value), (text(value),))]
        names = [demand.key.lower(), *self.scoped(demand, evidence)]
        answer = {"match-regexp": f"(?i)^({'|'.join(words)})$"}
        made = [matching(as_text("apt", "options", name), answer) for name in names]
        return [*made, matching(as_json("apt", "unverified"), {"have-len": 0})] if demand.key == SIGNED else made


KINDS = (Apt(),)
SHAPES = {"apt": record(options=by_name(TEXT), files=each(TEXT), unverified=each(TEXT))}
