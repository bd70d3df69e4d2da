# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `cron`."""

from __future__ import annotations

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


class Cron(Kind):
    """cron and at are open to listed users only: the allow file exists, the deny file does not (crontab(1), at(1))."""

    name = "cron"
    sections = ("file", "text")
    constrained = ()

    @staticmethod
    def paths(key: str) -> tuple[str, str]:
        return f"/etc/{key}.allow", f"/etc/{key}.deny"

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        paths = self.paths(rule.key)
        return {"file": {path: {} for path in paths}, "text": list(paths)}

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        allow, deny = self.paths(demand.key)
        files = evidence["file"][allow].values()
        wrong = [f"{allow} is a {facts['type']}" for facts in files if facts["type"] != "file"]
        wrong += [] if files else [f"{allow} is missing"]
        wrong += [f"{deny} exists"] if evidence["file"][deny] else []
        return ruling(not wrong, ", ".join(wrong) or f"only {allow}", f"{allow} and no {deny}")

    def obstacle(self, demand: Demand, evidence: Evidence) -> str:
        allow, _deny = self.paths(demand.key)
        others = [facts["type"] for facts in evidence["file"][allow].values() if facts["type"] != "file"]
        return f"{allow} is a {others[0]}: remove it" if others else ""

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        allow, deny = self.paths(demand.key)
        if not evidence["file"][allow]:
            # The files' kind, `file`, wants this very mode and group.
            desired.file(allow, "root\n", mode="0640", group=evidence.platform.group(demand.key))
        if evidence["file"][deny]:
            desired.file(deny, None)

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        allow, deny = self.paths(demand.key)
        return [
            Check("file", {"path": allow, "exists": True, "filetype": "file"}, decides=True),
            Check("file", {"path": deny, "exists": False}, decides=True),
        ]


KINDS = (Cron(),)
