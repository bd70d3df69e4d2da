# SPDX-License-Identifier: GPL-3.0-or-later
"""Platforms: what a family of systems calls its units, packages, groups and paths, and which tools it has."""

from __future__ import annotations

import fnmatch
import typing as t
from dataclasses import dataclass

from .._errors import CatalogueError


@dataclass(frozen=True)
class Platform:
    """One distribution and its derivatives.

    Attributes:
        family: debian or redhat, as a rule's per-family values name it.
        systems: os-release ID to patterns of VERSION_ID that belong to this platform.
        units, packages: by the name that rules use; an empty tuple where the platform has no such thing.
        groups, paths: by the name that rules and kinds use; empty where the platform has no such thing.
        tools: who does a job here: ``packages``, ``firewall``, ``pam``, ``boot``, ``mac``.
    """

    id: str
    family: str
    systems: t.Mapping[str, tuple[str, ...]]
    units: t.Mapping[str, tuple[str, ...]]
    packages: t.Mapping[str, tuple[str, ...]]
    groups: t.Mapping[str, str]
    paths: t.Mapping[str, str]
    tools: t.Mapping[str, str]

    def covers(self, system: str, version: str) -> bool:
        """Whether a host with this os-release ID and VERSION_ID is of this platform ("9.4" is covered by "9")."""
        patterns = self.systems.get(system, ())
        return any(fnmatch.fnmatch(version, one) or fnmatch.fnmatch(version, f"{one}.*") for one in patterns)

    def unit(self, name: str) -> str:
        """The first unit of NAME: what is restarted for it. Empty where there is none."""
        return next(iter(self._named("units", name)), "")

    def unit_names(self, name: str) -> tuple[str, ...]:
        return t.cast("tuple[str, ...]", self._named("units", name))

    def package_names(self, name: str) -> tuple[str, ...]:
        return t.cast("tuple[str, ...]", self._named("packages", name))

    def group(self, name: str) -> str:
        return str(self._named("groups", name))

    def path(self, name: str) -> str:
        return str(self._named("paths", name))

    def tool(self, job: str) -> str:
        return str(self._named("tools", job))

    def _named(self, table: str, name: str) -> t.Any:
        try:
            return getattr(self, table)[name]
        except KeyError:
            raise CatalogueError(
                f"platform '{self.id}' says nothing of '{name}'",
                where=f"platforms/{self.id}.yml",
                fix=f"Add it to {table}",
            ) from None
