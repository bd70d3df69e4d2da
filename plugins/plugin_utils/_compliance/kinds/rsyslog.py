# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `rsyslog`."""

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
    offenders,
    ruling,
)
from .matchers import as_json, checks, checks_on_default, literal, matching
from .settings import MARK

RSYSLOG = "/etc/rsyslog.d/00-unified.conf"


class Rsyslog(Kind):
    name = "rsyslog"
    sections = ("rsyslog", "text")

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        return {"text": [RSYSLOG]}

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        found = evidence["rsyslog"][demand.key]
        if demand.key == "listen":
            return offenders(found, "no listening socket")
        value = found["value"] if found else None
        return ruling(demand.value.holds(value), value, demand.value.describe())

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        found = evidence["rsyslog"][demand.key]
        target = text(demand.value.target(found["value"] if found else None))
        validate = ["rsyslogd", "-N", "1", "-f", "%s"]
        desired.file(
            RSYSLOG,
            f"{MARK}\n$FileCreateMode {target}\n",
            validate=validate,
            restart=[evidence.platform.unit("rsyslog")],
        )

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        if demand.key == "listen":
            return [matching(as_json("rsyslog", "listen"), {"have-len": 0})]
        found = evidence["rsyslog"][demand.key]
        if not found:
            return checks_on_default(demand.value, None)
        line = f'/(?i)FileCreateMode[ ="]+{literal(found["value"])}/'
        tests = checks(demand.value, "rsyslog", demand.key, "value")
        return [*tests, Check("file", {"path": found["source"], "exists": True, "contents": [line]})]


KINDS = (Rsyslog(),)
