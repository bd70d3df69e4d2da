"""Scenarios of each kind: what breaks a rule on a real host, what only looks as if it did, and who else can tell."""

from __future__ import annotations

import importlib
import pkgutil

from .scenario import Scenario

_MODULES = [
    importlib.import_module(f"{__name__}.{module.name}")
    for module in pkgutil.iter_modules(__path__)
    if module.name != "scenario"
]
SCENARIOS: tuple[Scenario, ...] = tuple(one for module in _MODULES for one in module.SCENARIOS)
WITHOUT: dict[str, str] = {rule: reason for module in _MODULES for rule, reason in module.WITHOUT.items()}
"""Rules that no test host can be broken on, with the reason."""
OBSERVERS: dict[str, str] = {rule: script for module in _MODULES for rule, script in module.OBSERVERS.items()}
"""A third opinion on rules that Goss cannot see for itself: bash that ends with 0 where the rule holds."""


def rounds(scenarios: list[Scenario]) -> list[list[Scenario]]:
    """Scenarios that can be judged side by side: one a rule, and those that need a host for themselves alone."""
    made: list[list[Scenario]] = []
    for scenario in scenarios:
        place = next((r for r in made if not scenario.alone and _fits(scenario, r)), None)
        if place is None:
            made.append([scenario])
        else:
            place.append(scenario)
    return made


def _fits(scenario: Scenario, beside: list[Scenario]) -> bool:
    return not any(other.alone or other.rule == scenario.rule for other in beside)
