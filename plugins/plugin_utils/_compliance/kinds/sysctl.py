# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `sysctl`."""

from __future__ import annotations

import typing as t

from ....module_utils._collect.sysctl import UFW_SYSCTL
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
from .matchers import Template, literal, lookup, matching
from .settings import MARK, set_key

# Files of one name order decide: nothing may come after ours (sysctl.d(5)).
SYSCTL_PATH = "/etc/sysctl.d/zz-unified.conf"


class Sysctl(Kind):
    name = "sysctl"
    sections = ("sysctl", "text")

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        return {"sysctl": [rule.key], "text": [SYSCTL_PATH, UFW_SYSCTL]}

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        found = evidence["sysctl"][demand.key]
        if found["live"] is None and demand.key.startswith("net.ipv6."):
            return Ruling("not_applicable", "the kernel has no IPv6")
        holds = demand.value.holds(found["live"]) and demand.value.holds(found["disk"])
        shown = f"{text(found['live'] or 'absent')} live, {text(found['disk'] or 'not')} stored"
        return ruling(holds, shown, demand.value.describe())

    def obstacle(self, demand: Demand, evidence: Evidence) -> str:
        return "this kernel has no such parameter" if evidence["sysctl"][demand.key]["live"] is None else ""

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        found = evidence["sysctl"][demand.key]
        live = found["live"]
        # A live value that is stricter than asked is kept, and only stored.
        target = text(live if demand.value.holds(live) else demand.value.target(live))
        content = desired.text(SYSCTL_PATH, evidence) or f"{MARK}\n"
        desired.file(SYSCTL_PATH, set_key(content, demand.key, target, separator=" = "))
        if found["source"] == UFW_SYSCTL:
            desired.file(
                UFW_SYSCTL, set_key(desired.text(UFW_SYSCTL, evidence), found["written"], target, separator="=")
            )
        if not demand.value.holds(live):
            desired.run("/usr/lib/systemd/systemd-sysctl", SYSCTL_PATH)

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        found = evidence["sysctl"][demand.key]
        constraint = demand.value
        allowed = constraint.in_ if constraint.in_ is not None else (constraint.eq,)
        values: list[t.Any] = [text(one) for one in allowed if one is not None]
        if constraint.ge is not None or constraint.le is not None:
            # kernel-param compares text; bounds are rare here and checked by what the planner accepts.
            values = [text(found["live"])] if constraint.holds(found["live"]) else ["in bounds"]
        matcher: t.Any = values[0] if len(values) == 1 else {"or": values}
        checks = [Check("kernel-param", {"name": demand.key, "value": matcher})]
        if found["source"]:
            pattern = "|".join(literal(value) for value in values)
            key = literal(found["written"])
            line = f"/^\\s*-?{key}\\s*=\\s*({pattern})\\s*$/"
            return [*checks, Check("file", {"path": found["source"], "exists": True, "contents": [line]})]
        return [
            *checks,
            matching(Template(f"{{{{ {lookup('sysctl', demand.key, 'source')} | toJson }}}}"), {"match-regexp": "^/"}),
        ]


KINDS = (Sysctl(),)
