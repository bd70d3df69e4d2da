# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `shell`."""

from __future__ import annotations

import collections
import datetime
import re
import typing as t

from ..constraint import items, text
from .base import Check, Demand, Desired, Evidence, Kind, Rule, Ruling, offenders, ruling
from .matchers import Template, as_json, as_text, checks, checks_on_default, literal, lookup, matching, mode_pattern
from .settings import MARK, add_lines, put_line, set_key

PROFILE = "/etc/profile.d/zz-unified.sh"


def set_umask(content: str, value: str) -> str:
    """The text of our profile script with this umask."""
    return put_line(content, r"^umask\s", f"umask {value}")


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



KINDS = (Shell(),)
