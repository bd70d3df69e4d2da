# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `audit`."""

from __future__ import annotations

import typing as t

from ....module_utils._collect.audit import canonical
from .base import (
    TEXT,
    TEXTS,
    Check,
    Demand,
    Desired,
    Evidence,
    Kind,
    Platform,
    Rule,
    Ruling,
)
from .matchers import as_json, matching
from .settings import add_lines

RULES = "/etc/audit/rules.d/50-unified.rules"


# augenrules(8) reads files in order of their names: what makes the rules immutable must come last.
FINAL = "/etc/audit/rules.d/zz-unified-final.rules"


class Audit(Kind):
    """``rules`` are lines as auditctl(8) takes them; ``control`` is one of its options (``-e 2``, ``-c``)."""

    name = "audit"
    sections = ("audit", "text", "host")
    constrained = ()
    fields: t.ClassVar = {"rules": TEXTS, "control": TEXT}

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        return {"text": [RULES, FINAL]}

    @staticmethod
    def lines(demand: Demand, evidence: Evidence) -> list[str]:
        if "control" in demand.rule.spec:
            return [demand.rule.spec["control"]]
        # Only x86-64 kernels run 32-bit programs by a second system call table.
        two = evidence["host"]["architecture"] == "x86_64"
        return [line for line in demand.rule.spec["rules"] if two or "arch=b32" not in line]

    def missing(self, demand: Demand, evidence: Evidence) -> tuple[list[str], list[str]]:
        """Lines that are not stored, and lines that are not loaded."""
        audit, lines = evidence["audit"], self.lines(demand, evidence)
        stored = [line for line in lines if canonical(line) not in audit["disk"]]
        if audit["live"] is None:
            return stored, []
        if demand.rule.spec.get("control") == "-e 2":
            return stored, [] if audit["enabled"] == "2" else lines
        if "control" in demand.rule.spec:
            return stored, []
        return stored, [line for line in lines if canonical(line) not in audit["live"]]

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        stored, loaded = self.missing(demand, evidence)
        parts = [f"{len(stored)} not stored"] if stored else []
        parts += [f"{len(loaded)} not loaded"] if loaded else []
        fine = "stored" if evidence["audit"]["live"] is None else "stored and loaded"
        shown = f"{', '.join(parts)}: {(stored or loaded)[0]}" if parts else fine
        return Ruling(
            "fail" if parts else "pass", shown, f"{len(self.lines(demand, evidence))} rules stored and loaded"
        )

    def pending(self, demand: Demand, evidence: Evidence) -> str:
        stored, _loaded = self.missing(demand, evidence)
        locked = evidence["audit"]["enabled"] == "2"
        return "the loaded audit rules are immutable until the next boot" if locked and not stored else ""

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        path = FINAL if demand.rule.spec.get("control") == "-e 2" else RULES
        content = add_lines(desired.text(path, evidence), self.missing(demand, evidence)[0])
        desired.file(path, content, mode="0640")
        if evidence["audit"]["enabled"] == "2" or evidence["audit"].get("unavailable"):
            # They cannot be loaded now: compiled, they wait for the next boot.
            desired.run("augenrules")
        else:
            desired.run("augenrules", "--load")

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        lines = [canonical(line) for line in self.lines(demand, evidence)]
        found = [matching(as_json("audit", "disk"), {"contain-elements": lines})]
        if evidence["audit"]["live"] is not None and "control" not in demand.rule.spec:
            found.append(matching(as_json("audit", "live"), {"contain-elements": lines}))
        if evidence["audit"]["live"] is not None and demand.rule.spec.get("control") == "-e 2":
            found.append(matching(as_json("audit", "enabled"), "2"))
        return found


KINDS = (Audit(),)
