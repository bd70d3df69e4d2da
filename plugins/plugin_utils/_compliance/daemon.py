# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a daemon runs with the configuration that the disk has, told by when it started and when its files changed."""

from __future__ import annotations

import typing as t

from .evidence import Evidence
from .kinds.base import Check, Desired
from .kinds.matchers import Template, lookup, matching


class Daemon:
    """A running daemon and its files.

    Args:
        unit: its unit; empty where the platform has none.
        section, started, changed: where the evidence has the start and the files' changes (`_collect.daemon`).
    """

    def __init__(
        self, unit: str, evidence: Evidence, section: str, started: tuple[str, ...], changed: tuple[str, ...]
    ) -> None:
        self.unit, self.evidence = unit, evidence
        self.started_at, self.changed_at = (section, *started), (section, *changed)
        start = _at(evidence, self.started_at)
        # One that does not run reads its files when it starts.
        self.started: float | None = start if isinstance(start, (int, float)) else None
        self.changed: dict[str, float] = _at(evidence, self.changed_at) or {}

    @property
    def stale(self) -> list[str]:
        """Files and directories that changed after the daemon started."""
        return [path for path, moment in self.changed.items() if self.started is not None and moment > self.started]

    def complaint(self) -> str:
        """What is wrong, in a few words; empty when nothing is."""
        return f"{self.unit} started before {self.stale[0]} changed" if self.stale else ""

    def refresh(self, desired: Desired) -> None:
        """Plan the restart. A file from the future would look changed after every restart, so it is dated now."""
        if not self.stale:
            return
        collected = self.evidence.collected.timestamp()
        for path in self.stale:
            if self.changed[path] > collected + 60:
                desired.run("touch", "--", path)
        desired.add("stale", [self.unit])

    def asserts(self) -> list[Check]:
        if self.started is None:
            return []
        start = f"({lookup(*self.started_at)} | float64)"
        return [
            matching(Template(f"{{{{ le ({lookup(*self.changed_at, path)} | float64) {start} }}}}"), True)
            for path in self.changed
        ]


def _at(evidence: Evidence, path: tuple[str, ...]) -> t.Any:
    value = evidence[path[0]]
    for key in path[1:]:
        value = value.get(key) if isinstance(value, dict) else None
    return value
