# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `shell`."""

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
from .matchers import as_json, checks, literal, matching
from .settings import put_line

PROFILE = "/etc/profile.d/zz-unified.sh"


def set_umask(content: str, value: str) -> str:
    """The text of our profile script with this umask."""
    return put_line(content, r"^umask\s", f"umask {value}")


class Shell(Kind):
    """A setting of login shells: every place that sets it must satisfy the rule, and one must set it."""

    name = "shell"
    sections = ("shell", "text")

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        return {"text": [PROFILE]}

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        places = evidence["shell"][demand.key]
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
        places = evidence["shell"][demand.key]
        if not places:
            return [matching(as_json("shell", demand.key), {"not": {"have-len": 0}})]
        found = []
        for index, place in enumerate(places):
            found += checks(demand.value, "shell", demand.key, index, "value")
            separator = "\\s+" if demand.key == "umask" else "="
            line = f"/\\b{literal(demand.key)}{separator}{literal(place['value'])}\\b/"
            found.append(Check("file", {"path": place["source"], "exists": True, "contents": [line]}))
        return found


KINDS = (Shell(),)
