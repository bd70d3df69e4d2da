# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `privileged`."""

from __future__ import annotations

import re
import typing as t

from ....module_utils._collect.audit import DIRECTORY
from ....module_utils._collect.scan import WALK
from .audit import Audit
from .base import Check, Demand, Desired, Evidence, Ruling
from .matchers import Template, lookup, matching

LINE = "-a always,exit -F path={} -F perm=x -F auid>=1000 -F auid!=unset -k privileged"
# Read after the rules of the catalogue: a line about a directory that has gone ends the loading of those behind it.
RULES = f"{DIRECTORY}/60-unified-privileged.rules"
# augenrules(8) splits lines at blanks, and knows no quotes.
SPEAKABLE = re.compile(r"/[A-Za-z0-9_./+:@-]+")
POWERLESS = {"nosuid", "noexec"}


class Privileged(Audit):
    """Each set-ID program that the walk met is recorded when a person runs it. Where it is mounted nosuid or noexec it has no power."""

    name = "privileged"
    sections = (*Audit.sections, "scan", "mount")
    fields: t.ClassVar = {}
    path = RULES

    def concerns(self, demand: Demand, section: str, item: str) -> bool:
        if section == "scan":
            return item in (WALK, "set_id")
        if section == "mount":
            return False  # what is not known of a mount takes nothing from a program on it
        return super().concerns(demand, section, item)

    @staticmethod
    def programs(evidence: Evidence) -> list[str]:
        options = {point: mount["options"] for point, mount in evidence["mount"]["live"].items()}
        options.update(dict.fromkeys(evidence.left_out("mount"), ()))
        return [path for path in evidence["scan"]["set_id"] if not POWERLESS & set(_above(path, options))]

    def lines(self, demand: Demand, evidence: Evidence) -> list[str]:
        return [LINE.format(path) for path in self.programs(evidence) if SPEAKABLE.fullmatch(path)]

    def unspeakable(self, evidence: Evidence) -> list[str]:
        return [path for path in self.programs(evidence) if not SPEAKABLE.fullmatch(path)]

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        ruling = super().judge(demand, evidence)
        names = self.unspeakable(evidence)
        if not names or ruling.verdict not in ("pass", "fail"):
            return ruling
        return Ruling("fail", f"{names[0]} cannot be named in an audit rule; {ruling.actual}", ruling.expected)

    def obstacle(self, demand: Demand, evidence: Evidence) -> str:
        state = self.state(demand, evidence)
        if (names := self.unspeakable(evidence)) and not (state.stored or state.loaded or state.silenced):
            return f"{names[0]} cannot be named in an audit rule: rename it, or take its set-ID bits away"
        return super().obstacle(demand, evidence)

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        stored = set(self.state(demand, evidence).stored)
        # The file is ours alone: what has no set-ID bit any more goes, what it says already stays.
        lines = [
            line for line in self.lines(demand, evidence) if line in stored | _lines(desired.text(RULES, evidence))
        ]
        super().want(demand, evidence, desired)
        desired.files[RULES]["content"] = "".join(f"{line}\n" for line in ("# Managed by unified.deploy.", *lines))

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        walked = matching(Template(f"{{{{ {lookup('scan', 'inodes')} | int64 }}}}"), {"ge": 100})
        unnamed = [matching(Template('"a name that no audit rule can hold"'), "")] if self.unspeakable(evidence) else []
        return [walked, *unnamed, *super().asserts(demand, evidence)]


def _lines(content: str) -> set[str]:
    return set(content.splitlines())


def _above(path: str, options: t.Mapping[str, t.Sequence[str]]) -> t.Sequence[str]:
    """The options of the file system that a path lies on, by mount point."""
    above = [point for point in options if path.startswith(f"{point.rstrip('/')}/")]
    return options[max(above, key=len)] if above else ()


KINDS = (Privileged(),)
