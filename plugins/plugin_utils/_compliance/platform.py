# SPDX-License-Identifier: GPL-3.0-or-later
"""Platforms: what a family of systems calls its units, programs, packages, groups and paths, and which tools it has."""

from __future__ import annotations

import fnmatch
import typing as t
from dataclasses import dataclass
from pathlib import Path

from .._errors import CatalogueError, EvidenceError
from .checked import checked_documents

NAMED = ("group", "path")
"""What a rule's value may name instead of writing it out: ``{group: shadow}`` is what the platform calls it."""
TABLES = ("units", "programs", "packages", "groups", "paths", "tools")


@dataclass(frozen=True)
class Platform:
    """One distribution and its derivatives.

    Attributes:
        family: debian or redhat, as a rule's values for each family name it.
        systems: os-release ID to patterns of VERSION_ID, each with the platform's own release that it is ("9.4" of
            AlmaLinux is 9; Linux Mint 22 is Ubuntu 24.04).
        goss: releases whose archive has a Goss that is new enough.
        units, programs, packages: by the name that rules use; an empty tuple where the platform has no such thing.
        groups, paths: by the name that rules and kinds use; empty where the platform has no such thing.
        tools: who does a job here: ``packages``, ``firewall``, ``pam``, ``boot``, ``mac``.
    """

    id: str
    family: str
    systems: t.Mapping[str, t.Mapping[str, str]]
    goss: tuple[str, ...]
    units: t.Mapping[str, tuple[str, ...]]
    programs: t.Mapping[str, tuple[str, ...]]
    packages: t.Mapping[str, tuple[str, ...]]
    groups: t.Mapping[str, str]
    paths: t.Mapping[str, str]
    tools: t.Mapping[str, str]

    def release(self, system: str, version: str) -> str:
        """The platform's release that a host with this os-release ID and VERSION_ID is; empty where it is not ours."""
        for pattern, release in self.systems.get(system, {}).items():
            if is_version(version, pattern):
                return release
        return ""

    def choose(self, raw: t.Any) -> t.Any:
        """What RAW says for this platform: its own entry or its family's, where RAW says it by platform or family."""
        if isinstance(raw, dict):
            for name in (self.id, self.family):
                if name in raw:
                    return raw[name]
        return raw

    def named(self, raw: t.Any) -> t.Any:
        """RAW with ``{group: name}`` and ``{path: name}`` replaced by what they are here.

        In a list, what the platform does not have is left out; elsewhere it is empty.
        """
        if isinstance(raw, dict) and len(raw) == 1 and next(iter(raw)) in NAMED:
            table, name = next(iter(raw.items()))
            return getattr(self, table)(name)
        if isinstance(raw, dict):
            return {key: self.named(value) for key, value in raw.items()}
        if isinstance(raw, list):
            return [value for item in raw if (value := self.named(item)) != "" or item == ""]
        return raw

    def unit(self, name: str) -> str:
        """The first unit of NAME: what is restarted for it. Empty where there is none."""
        return next(iter(self._named("units", name)), "")

    def unit_names(self, name: str) -> tuple[str, ...]:
        return t.cast("tuple[str, ...]", self._named("units", name))

    def program_names(self, name: str) -> tuple[str, ...]:
        """What the daemons of the service NAME are called as files, whichever unit starts them."""
        return t.cast("tuple[str, ...]", self._named("programs", name))

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
                fix=f"Add it to {table}, empty if there is no such thing",
            ) from None


def is_version(version: str, pattern: str) -> bool:
    """Whether a version is, or is part of, the one that PATTERN names: "9.4" is "9", "10" is not "1"."""
    return fnmatch.fnmatchcase(version, pattern) or fnmatch.fnmatchcase(version, f"{pattern}.*")


def load_platforms(directory: Path, schema: Path) -> dict[str, Platform]:
    """Every platform by its id.

    Raises:
        CatalogueError: a file is not what the schema allows, or a platform says nothing of a name that another has.
    """
    raw = {}
    for path in sorted(directory.glob("*.yml")):
        raw[path.stem] = checked_documents(path, schema)[0]
    platforms = {name: _platform(directory / f"{name}.yml", name, raw) for name in raw}
    for table in TABLES:
        names = {name: platform.id for platform in platforms.values() for name in getattr(platform, table)}
        for platform in platforms.values():
            for name in sorted(names.keys() - getattr(platform, table).keys()):
                raise CatalogueError(
                    f"{table} lacks '{name}', which platform '{names[name]}' has",
                    where=str(directory / f"{platform.id}.yml"),
                    fix=f"Add it to {table}, empty if {platform.id} has no such thing",
                )
    return platforms


def _platform(path: Path, name: str, raw: t.Mapping[str, t.Any]) -> Platform:
    own = raw[name]
    base = raw.get(own.get("based_on", name))
    if own["platform"] != name or base is None:
        wrong = f"platform: must be '{name}', as the file" if base else f"based_on: there is no '{own['based_on']}'"
        raise CatalogueError(wrong, where=f"{path}:1")
    table = {one: {**base.get(one, {}), **own.get(one, {})} for one in TABLES}
    return Platform(
        id=name,
        family=own["family"],
        systems={
            system: versions if isinstance(versions, dict) else {version: version for version in versions}
            for system, versions in own["systems"].items()
        },
        goss=tuple(own["goss"]),
        units={one: tuple(values) for one, values in table["units"].items()},
        programs={one: tuple(values) for one, values in table["programs"].items()},
        packages={one: tuple(values) for one, values in table["packages"].items()},
        groups=table["groups"],
        paths=table["paths"],
        tools=table["tools"],
    )


def platform_of(platforms: t.Mapping[str, Platform], host: t.Mapping[str, t.Any]) -> tuple[Platform, str]:
    """The platform of a host, and its release.

    Args:
        host: the items of the section ``host``.

    Raises:
        EvidenceError: no platform covers this system.
    """
    for platform in platforms.values():
        if release := platform.release(host["os"], host["version"]):
            return platform, release
    have = "; ".join(f"{os} {', '.join(v)}" for p in platforms.values() for os, v in p.systems.items())
    like = [platform for name in host.get("like", "").split() for platform in platforms.values() if name == platform.id]
    near = (
        f". It calls itself like {like[0].id}: if it is, add it to systems of platforms/{like[0].id}.yml"
        if like
        else ""
    )
    raise EvidenceError(f"system '{host['os']} {host['version']}' is not supported", fix=f"Supported are {have}{near}")
