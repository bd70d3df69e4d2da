# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `limits`."""

from __future__ import annotations

import typing as t

from ..constraint import text
from .base import (
    Check,
    Demand,
    Desired,
    Evidence,
    Kind,
    Platform,
    Rule,
    Ruling,
    ruling,
)
from .matchers import as_json, checks, matching
from .settings import put_line

LIMITS = "/etc/security/limits.d/zz-unified.conf"


class Limits(Kind):
    """A hard limit for all users; the last one read holds (limits.conf(5))."""

    name = "limits"
    sections = ("limits", "text")

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        return {"text": [LIMITS]}

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        values = evidence["limits"].get(demand.key, [])
        return ruling(
            demand.value.holds(values[-1] if values else None), values[-1] if values else None, demand.value.describe()
        )

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        line = f"* hard {demand.key} {text(demand.value.target())}"
        desired.file(LIMITS, put_line(desired.text(LIMITS, evidence), rf"^\S+\s+\S+\s+{demand.key}(\s|$)", line))

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        values = evidence["limits"].get(demand.key, [])
        return (
            checks(demand.value, "limits", demand.key, max(len(values) - 1, 0))
            if values
            else [matching(as_json("limits", demand.key), {"have-len": 1})]
        )


KINDS = (Limits(),)
