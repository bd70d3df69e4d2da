# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `limits`."""

from __future__ import annotations

import collections
import datetime
import re
import typing as t

from ..constraint import items, text
from .base import Check, Demand, Desired, Evidence, Kind, Rule, Ruling, offenders, ruling
from .matchers import Template, as_json, as_text, checks, checks_on_default, literal, lookup, matching, mode_pattern
from .settings import MARK, add_lines, put_line, set_key

LIMITS = "/etc/security/limits.d/zz-unified.conf"


class Limits(Kind):
    """A hard limit for all users; the last one read holds (limits.conf(5))."""

    name = "limits"
    sections = ("config", "texts")

    def request(self, rule: Rule) -> dict[str, t.Any]:
        return {"texts": [LIMITS]}

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        values = evidence["config"]["limits"].get(demand.key, [])
        return ruling(
            demand.value.holds(values[-1] if values else None), values[-1] if values else None, demand.value.describe()
        )

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        line = f"* hard {demand.key} {text(demand.value.target())}"
        desired.file(LIMITS, put_line(desired.text(LIMITS, evidence), rf"^\S+\s+\S+\s+{demand.key}(\s|$)", line))

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        values = evidence["config"]["limits"].get(demand.key, [])
        return (
            checks(demand.value, "config", "limits", demand.key, max(len(values) - 1, 0))
            if values
            else [matching(as_json("config", "limits", demand.key), {"have-len": 1})]
        )



KINDS = (Limits(),)
