# SPDX-License-Identifier: GPL-3.0-or-later
"""Kinds `limits`, `shell`, `rsyslog` and `manual`."""

from __future__ import annotations

import typing as t

from .._constraint import text
from .base import Check, Demand, Desired, Evidence, Kind, Rule, Ruling, offenders, ruling
from .goss import as_json, checks, checks_on_default, literal, matching
from .settings import MARK, put_line

LIMITS = "/etc/security/limits.d/zz-unified.conf"
PROFILE = "/etc/profile.d/zz-unified.sh"
RSYSLOG = "/etc/rsyslog.d/00-unified.conf"


def set_umask(content: str, value: str) -> str:
    """The text of our profile script with this umask."""
    return put_line(content, r"^umask\s", f"umask {value}")


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


class Shell(Kind):
    """A setting of login shells: every place that sets it must satisfy the rule, and one must set it."""

    name = "shell"
    sections = ("config", "texts")

    def request(self, rule: Rule) -> dict[str, t.Any]:
        return {"texts": [PROFILE]}

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        places = evidence["config"]["shell"][demand.key]
        bad = [f"{place['value']} in {place['source']}" for place in places if not demand.value.holds(place["value"])]
        if bad or not places:
            return Ruling("fail", "; ".join(bad) or "not set", demand.value.describe())
        return ruling(True, places[-1]["value"], demand.value.describe())

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        content, value = desired.text(PROFILE, evidence), text(demand.value.target())
        if demand.key == "umask":
            content = set_umask(content, value)
        else:
            content = put_line(content, r"^readonly TMOUT=", f"readonly TMOUT={value}; export TMOUT")
        desired.file(PROFILE, content)

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        places = evidence["config"]["shell"][demand.key]
        if not places:
            return [matching(as_json("config", "shell", demand.key), {"not": {"have-len": 0}})]
        found = []
        for index, place in enumerate(places):
            found += checks(demand.value, "config", "shell", demand.key, index, "value")
            separator = "\\s+" if demand.key == "umask" else "="
            line = f"/\\b{literal(demand.key)}{separator}{literal(place['value'])}\\b/"
            found.append(Check("file", {"path": place["source"], "exists": True, "contents": [line]}))
        return found


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
