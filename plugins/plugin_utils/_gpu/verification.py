# SPDX-License-Identifier: GPL-3.0-or-later
"""By which ways programs must see the GPUs, once the driver is loaded."""

from __future__ import annotations

import typing as t

from .model import Decision
from .tables import Tables


def verification(tables: Tables, decided: t.Iterable[tuple[str, Decision, str]]) -> dict[str, t.Any]:
    """The arguments of gpu_smoke_info.

    Args:
        decided: where the device is, what was decided, and for what purpose.
    """
    policy = tables.policy["smoke"]
    ways: dict[str, list[str]] = {}
    software: set[str] = set()
    for where, decision, purpose in decided:
        driver = "software" if decision.action == "software" else decision.driver
        for way in policy["ways"].get(driver, {}).get(purpose, ()):
            # NVIDIA's driver brings its libraries; of others a way needs the package that leads to it.
            providers = tuple(policy["providers"].get(way, ()))
            if not decision.branch and providers and not any(name.startswith(providers) for name in decision.packages):
                continue
            if driver == "software":
                software.add(way)
            elif decision.action in ("install", "vendor", "kernel"):
                # A node of the device tree has no slot.
                ways.setdefault(way, []).extend([where] if where.count(":") > 1 else [])
    return {"ways": ways or {way: [] for way in sorted(software)}, "software": bool(software and not ways)}


def programs(tables: Tables, ways: t.Iterable[str], system: str, architecture: str) -> list[str]:
    """Packages of the programs that ask."""
    names = (tables.policy["smoke"]["programs"].get(way, "") for way in ways)
    return [name for name in names if name and tables.has(system, architecture, name)]
