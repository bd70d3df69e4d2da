# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `manual`."""

from __future__ import annotations

import typing as t

from .base import (
    TEXT,
    Check,
    Demand,
    Desired,
    Evidence,
    Kind,
    Ruling,
)


class Manual(Kind):
    """A question only people can answer; an attestation in the overlay answers it."""

    name = "manual"
    constrained = ()
    required = ("question",)
    fields: t.ClassVar = {"question": TEXT}

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        return Ruling("not_checked", "to be answered by an attestation", demand.rule.spec["question"])

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        raise AssertionError("a manual rule never fails")

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        return []


KINDS = (Manual(),)
