# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `cron`."""

from __future__ import annotations

import collections
import datetime
import re
import typing as t

from ..constraint import items, text
from .base import Check, Demand, Desired, Evidence, Kind, Rule, Ruling, offenders, ruling
from .matchers import Template, as_json, as_text, checks, checks_on_default, literal, lookup, matching, mode_pattern
from .settings import MARK, add_lines, put_line, set_key

class Cron(Kind):
    """cron and at are open to listed users only: the allow file exists, the deny file does not (crontab(1), at(1))."""

    name = "cron"
    sections = ("files", "texts")
    constrained = ()
    group: t.ClassVar[dict[str, str]] = {"cron": "crontab", "at": "daemon"}

    @staticmethod
    def paths(key: str) -> tuple[str, str]:
        return f"/etc/{key}.allow", f"/etc/{key}.deny"

    def request(self, rule: Rule) -> dict[str, t.Any]:
        paths = self.paths(rule.key)
        return {"files": {path: [] for path in paths}, "texts": list(paths)}

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        allow, deny = self.paths(demand.key)
        wrong = [] if evidence["files"][allow] else [f"{allow} is missing"]
        wrong += [f"{deny} exists"] if evidence["files"][deny] else []
        return ruling(not wrong, ", ".join(wrong) or f"only {allow}", f"{allow} and no {deny}")

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        allow, deny = self.paths(demand.key)
        if not evidence["files"][allow]:
            # The files' kind, `file`, wants this very mode and group.
            desired.file(allow, "root\n", mode="0640")
            desired.files[allow]["group"] = self.group[demand.key]
        if evidence["files"][deny]:
            desired.file(deny, None)

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        allow, deny = self.paths(demand.key)
        return [Check("file", {"path": allow, "exists": True}), Check("file", {"path": deny, "exists": False})]



KINDS = (Cron(),)
