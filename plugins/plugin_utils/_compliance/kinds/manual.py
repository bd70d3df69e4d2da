# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `manual`."""

from __future__ import annotations

import collections
import datetime
import re
import typing as t

from ..constraint import items, text
from .base import Check, Demand, Desired, Evidence, Kind, Rule, Ruling, offenders, ruling
from .matchers import Template, as_json, as_text, checks, checks_on_default, literal, lookup, matching, mode_pattern
from .settings import MARK, add_lines, put_line, set_key

class Manual(Kind):
    """A question only people can answer; an attestation in the overlay answers it."""

    name = "manual"
    constrained = ()
    fields = frozenset({"question"})

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        return Ruling("not_checked", "to be answered by an attestation", demand.rule.spec["question"])

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        raise AssertionError("a manual rule never fails")

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        return []



KINDS = (Manual(),)
