# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `banner`."""

from __future__ import annotations

import re
import typing as t

from ....module_utils._collect.banner import BESIDE, SCRIPTS
from .base import Check, Demand, Desired, Evidence, Kind, Platform, Rule, Ruling, offenders
from .matchers import literal

DYNAMIC = "/run/motd.dynamic"
EXPECTED = "a warning that does not name the system"


class Banner(Kind):
    """A banner warns, and names neither the system nor its version. The text comes from the overlay."""

    name = "banner"
    sections = ("banner", "host")
    constrained = ()

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        return {"banner": [rule.key], "text": [rule.key]}

    def concerns(self, demand: Demand, section: str, item: str) -> bool:
        if section != "banner":
            return super().concerns(demand, section, item)
        # What a login shows by another name (`_collect.banner.NAMED`) may be either's.
        other = {"/etc/issue": "motd", "/etc/motd": "issue"}.get(demand.key)
        return item == demand.key or (other is not None and f"/{other}" not in item)

    @staticmethod
    def leak(evidence: Evidence) -> str:
        # agetty(8): the escapes that agetty fills in with what the system is.
        names = "|".join(literal(evidence["host"][name]) for name in ("os", "kernel"))
        return rf"(?i)(\\[mrsv]|\b({names})\b)"

    @staticmethod
    def optional(demand: Demand) -> bool:
        return demand.key == "/etc/motd"

    def problems(self, demand: Demand, evidence: Evidence) -> dict[str, str]:
        """What is wrong, by file."""
        shown = evidence["banner"][demand.key]
        wrong = {path: f"{path} names the system: '{leak[0]}'" for path, text in shown.items()
                 if (leak := re.search(self.leak(evidence), text))}  # fmt: skip
        if not shown.get(demand.key, "").strip() and not self.optional(demand):
            wrong[demand.key] = f"{demand.key} has no text"
        return wrong

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        wrong = offenders(list(self.problems(demand, evidence).values()), EXPECTED)
        return wrong if wrong.verdict == "fail" else Ruling("pass", "nothing names the system", EXPECTED)

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        if demand.key in self.problems(demand, evidence):
            desired.file(demand.key, desired.banner)
        if DYNAMIC in self.problems(demand, evidence) and evidence["banner"][SCRIPTS]:
            for path in evidence["banner"][SCRIPTS]:
                desired.attributes.setdefault(path, {"path": path}).setdefault("mode", "0600")
            # The next login writes it anew.
            desired.run("rm", "-f", "--", DYNAMIC)

    def winner(self, demand: Demand, evidence: Evidence) -> str:
        others = [path for path in self.problems(demand, evidence) if path != demand.key]
        return ", ".join(others)

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        shown = evidence["banner"][demand.key]
        # What else is shown beside it, Goss has from the evidence.
        alone = demand.key not in BESIDE
        made = [
            Check("file", {"path": path, "exists": True, "contents": [f"!/{self.leak(evidence)}/"]}, decides=alone)
            for path in shown
        ]
        if not self.optional(demand):
            return [*made, Check("file", {"path": demand.key, "exists": True, "contents": ["/\\S/"]})]
        return made or [Check("file", {"path": demand.key, "exists": False})]


KINDS = (Banner(),)
