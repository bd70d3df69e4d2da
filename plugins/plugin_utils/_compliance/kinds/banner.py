# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `banner`."""

from __future__ import annotations

import re
import typing as t

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


class Banner(Kind):
    """A banner warns, and names neither the system nor its version. The text comes from the overlay."""

    name = "banner"
    sections = ("text", "host")
    constrained = ()

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        return {"text": [rule.key]}

    @staticmethod
    def leak(evidence: Evidence) -> str:
        # issue(5), agetty(8): the escapes that agetty fills in with what the system is.
        return rf"(?i)(\\[vrms]|\b{re.escape(evidence['host']['os'])}\b)"

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        content = evidence["text"].get(demand.key)
        if not content or not content.strip():
            optional = demand.key == "/etc/motd"
            return ruling(optional, "no text", "a warning that does not name the system")
        found = re.search(self.leak(evidence), content)
        shown = f"names the system: '{found[0]}'" if found else "a text that does not name the system"
        return ruling(not found, shown, "a warning that does not name the system")

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        desired.file(demand.key, desired.banner)

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        if demand.key == "/etc/motd" and evidence["text"].get(demand.key) is None:
            return [Check("file", {"path": demand.key, "exists": False})]
        pattern = self.leak(evidence)
        attributes: dict[str, t.Any] = {"path": demand.key, "exists": True, "contents": [f"!/{pattern}/"]}
        if demand.key != "/etc/motd":
            attributes["contents"].append("/\\S/")
        return [Check("file", attributes)]


KINDS = (Banner(),)
