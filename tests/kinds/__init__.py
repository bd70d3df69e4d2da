"""Scenarios of each kind: what breaks a rule on a real host, what only looks as if it did, and who else can tell."""

from __future__ import annotations

import importlib
import pkgutil

from .scenario import Scenario

_MODULES = [
    importlib.import_module(f"{__name__}.{module.name}")
    for module in pkgutil.iter_modules(__path__)
    if module.name not in ("ask", "scenario")
]
SCENARIOS: tuple[Scenario, ...] = tuple(one for module in _MODULES for one in module.SCENARIOS)
WITHOUT: dict[str, str] = {rule: reason for module in _MODULES for rule, reason in module.WITHOUT.items()}
"""Rules that no test host can be broken on, with the reason."""
OBSERVERS: dict[str, str] = {rule: script for module in _MODULES for rule, script in module.OBSERVERS.items()}
"""A third opinion on rules that Goss cannot see for itself: bash that ends with 0 where the rule holds."""


def rounds(scenarios: list[Scenario]) -> list[list[Scenario]]:
    """Scenarios that can be judged side by side: one a rule; of those that break more than their own rule, one a family.

    Each rule's first break comes before what only looks like one, so that the first rounds break the most rules.
    """
    made: list[list[Scenario]] = []
    for scenario in sorted(scenarios, key=lambda one: one.verdict != "fail"):
        place = next((r for r in made if _fits(scenario, r)), None)
        if place is None:
            made.append([scenario])
        else:
            place.append(scenario)
    # What is mounted at a directory hides what was mounted below it before.
    return [sorted(scenarios, key=lambda one: _mount_point(one).count("/")) for scenarios in made]


# Kinds whose rules speak of the same files, or whose scenarios restart the same daemon.
_FAMILIES = {"faillock": "pam", "audit": "auditd", "privileged": "auditd", "scan": "sshd"}


def _families(scenario: Scenario) -> set[str]:
    kinds = (scenario.rule.split("/")[0], *scenario.also)
    # What is mounted at one directory says nothing of another.
    return {_mount_point(scenario)} - {""} or {_FAMILIES.get(kind, kind) for kind in kinds}


def _mount_point(scenario: Scenario) -> str:
    kind, key = scenario.rule.split("/", 1)
    return key.partition(":")[0] if kind in ("mount", "partition") else ""


def _fits(scenario: Scenario, beside: list[Scenario]) -> bool:
    if any(other.rule == scenario.rule or other.alone != scenario.alone for other in beside):
        return False
    return not scenario.alone or not _families(scenario) & {name for other in beside for name in _families(other)}
