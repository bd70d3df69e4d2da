# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `rsyslog`."""

from __future__ import annotations

import collections
import datetime
import re
import typing as t

from ..constraint import items, text
from .base import Check, Demand, Desired, Evidence, Kind, Rule, Ruling, offenders, ruling
from .matchers import Template, as_json, as_text, checks, checks_on_default, literal, lookup, matching, mode_pattern
from .settings import MARK, add_lines, put_line, set_key

RSYSLOG = "/etc/rsyslog.d/00-unified.conf"


class Rsyslog(Kind):
    name = "rsyslog"
    sections = ("config", "texts")

    def request(self, rule: Rule) -> dict[str, t.Any]:
        return {"texts": [RSYSLOG]}

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        found = evidence["config"]["rsyslog"][demand.key]
        if demand.key == "listen":
            return offenders(found, "no listening socket")
        value = found["value"] if found else None
        return ruling(demand.value.holds(value), value, demand.value.describe())

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        found = evidence["config"]["rsyslog"][demand.key]
        target = text(demand.value.target(found["value"] if found else None))
        validate = ["rsyslogd", "-N", "1", "-f", "%s"]
        desired.file(RSYSLOG, f"{MARK}\n$FileCreateMode {target}\n", validate=validate)
        desired.add("units_restarted", ["rsyslog.service"])

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        if demand.key == "listen":
            return [matching(as_json("config", "rsyslog", "listen"), {"have-len": 0})]
        found = evidence["config"]["rsyslog"][demand.key]
        if not found:
            return checks_on_default(demand.value, None)
        line = f'/(?i)FileCreateMode[ ="]+{literal(found["value"])}/'
        tests = checks(demand.value, "config", "rsyslog", demand.key, "value")
        return [*tests, Check("file", {"path": found["source"], "exists": True, "contents": [line]})]



KINDS = (Rsyslog(),)
