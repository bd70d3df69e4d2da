# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `sudo`."""

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
from .matchers import as_json, checks_on_default, literal, matching
from .settings import put_line

# The last Defaults line wins in sudoers.
SUDO_PATH = "/etc/sudoers.d/zz-unified"


class Sudo(Kind):
    name = "sudo"
    sections = ("sudo", "text")
    # What holds while no Defaults line says otherwise (sudoers(5)).
    defaults: t.ClassVar[dict[str, str]] = {"timestamp_timeout": "15", "use_pty": "yes"}
    listed: t.ClassVar[dict[str, str]] = {"nopasswd": "nopasswd", "authenticate": "no_authenticate"}

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        return {"text": [SUDO_PATH]}

    def actual(self, demand: Demand, evidence: Evidence) -> str | None:
        value = self.defaults.get(demand.key)
        for entry in evidence["sudo"]["defaults"]:
            name, _mark, given = entry["option"].partition("=")
            if name.strip() == demand.key:
                value = given.strip().strip('"') or "yes"
            elif name.strip() == f"!{demand.key}":
                value = "no"
        return value

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        if demand.key in self.listed:
            return offenders(evidence["sudo"][self.listed[demand.key]], "no such rule")
        value = self.actual(demand, evidence)
        return ruling(demand.value.holds(value), value, demand.value.describe())

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        target = text(demand.value.target(self.actual(demand, evidence)))
        option = demand.key if target == "yes" else f"{demand.key}={target}"
        pattern = rf"^Defaults\s+!?{demand.key}\b"
        content = put_line(desired.text(SUDO_PATH, evidence), pattern, f"Defaults {option}")
        desired.file(SUDO_PATH, content, mode="0440", validate=["visudo", "-c", "-f", "%s"])

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        if demand.key in self.listed:
            return [matching(as_json("sudo", self.listed[demand.key]), {"have-len": 0})]
        sources = [
            entry["source"]
            for entry in evidence["sudo"]["defaults"]
            if entry["option"].lstrip("!").split("=")[0] == demand.key
        ]
        value = self.actual(demand, evidence)
        judged = checks_on_default(demand.value, value)
        if not sources:
            return judged
        given = {"yes": "", "no": ""}.get(value or "", f'\\s*=\\s*"?{literal(value)}"?')
        line = f"/^Defaults\\s([^#]*,)?\\s*{'!' if value == 'no' else ''}{literal(demand.key)}{given}\\s*(,|$)/"
        return [*judged, Check("file", {"path": sources[-1], "exists": True, "contents": [line]})]


KINDS = (Sudo(),)
