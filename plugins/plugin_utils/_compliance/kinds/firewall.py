# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `firewall`."""

from __future__ import annotations

import typing as t

from ..constraint import text
from .base import (
    Check,
    Demand,
    Desired,
    Evidence,
    Kind,
    Ruling,
    ruling,
)
from .matchers import as_text, matching


class Firewall(Kind):
    """ufw's settings, and the policies that the kernel's base chains really have."""

    name = "firewall"
    sections = ("settings", "firewall", "sshd")
    variables: t.ClassVar[dict[str, tuple[str, str]]] = {
        "default_incoming": ("DEFAULT_INPUT_POLICY", "input"),
        "default_outgoing": ("DEFAULT_OUTPUT_POLICY", "output"),
        "default_routed": ("DEFAULT_FORWARD_POLICY", "forward"),
    }
    policies: t.ClassVar[dict[str, str]] = {"DROP": "deny", "REJECT": "reject", "ACCEPT": "allow"}

    @staticmethod
    def live(evidence: Evidence, hook: str) -> list[str]:
        return [
            chain["policy"]
            for chain in evidence["firewall"]["chains"]
            if chain["hook"] == hook and chain["name"].isupper()
        ]

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        enabled = evidence["settings"]["ufw_main"].get("ENABLED", {}).get("value", "no")
        if demand.key == "enabled":
            holds = demand.value.holds(enabled) and bool(self.live(evidence, "input"))
            chains = "chains loaded" if self.live(evidence, "input") else "no chains loaded"
            return ruling(holds, f"{enabled}, {chains}", "yes, chains loaded")
        variable, _hook = self.variables[demand.key]
        value = self.policies.get(evidence["settings"]["ufw"].get(variable, {}).get("value", ""))
        return ruling(demand.value.holds(value), value, demand.value.describe())

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        if demand.key == "enabled":
            # First, and before the firewall is up: the port this very connection came through.
            for port in evidence["sshd"]["effective"].get("port", "22").split():
                desired.run("ufw", "allow", f"{port}/tcp")
            desired.run("ufw", "--force", "enable")
            desired.add("units_enabled", ["ufw.service"])
        else:
            direction = demand.key.removeprefix("default_")
            desired.run("ufw", "default", text(demand.value.target()), direction)

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        if demand.key == "enabled":
            content = Check("file", {"path": "/etc/ufw/ufw.conf", "exists": True, "contents": ["/^ENABLED=yes\\s*$/"]})
            return [content, matching(as_text("firewall", "chains"), {"match-regexp": "hook:input"})]
        variable, hook = self.variables[demand.key]
        values = [policy for policy, word in self.policies.items() if demand.value.holds(word)]
        line = f'/^{variable}="?({"|".join(values)})"?\\s*$/'
        found = [Check("file", {"path": "/etc/default/ufw", "exists": True, "contents": [line]})]
        if hook == "input" and "ACCEPT" not in values:
            found.append(
                matching(
                    as_text("firewall", "chains"), {"not": {"match-regexp": "hook:input name:INPUT policy:accept"}}
                )
            )
        return found


KINDS = (Firewall(),)
