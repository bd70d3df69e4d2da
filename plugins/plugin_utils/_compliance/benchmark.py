# SPDX-License-Identifier: GPL-3.0-or-later
"""Benchmarks: one published version of controls each, read when it is asked for."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .._errors import CatalogueError
from .checked import checked_documents
from .constraint import Constraint
from .kinds.base import Kind, Rule
from .kinds.registry import KINDS
from .platform import Platform, is_version
from .schema import line_of, load_text, read_text

SEVERITIES = ("high", "medium", "low")


@dataclass(frozen=True)
class Control:
    """One recommendation of a benchmark.

    Attributes:
        levels: at which levels it is asked for, or its severity (CAT I) as a level.
        severity: high, medium or low where the benchmark rates its controls; else empty.
        values: for a rule, fields whose values replace the rule's own, as they are written.
        cci, srg, vuln: DISA's references.
        reason: why no rule judges it, where that is known.
    """

    id: str
    title: str
    levels: tuple[str, ...]
    assess: str
    rules: tuple[str, ...]
    values: t.Mapping[str, t.Mapping[str, t.Any]]
    when: t.Mapping[str, t.Any]
    unless: t.Mapping[str, t.Any]
    severity: str = ""
    cci: tuple[str, ...] = ()
    srg: tuple[str, ...] = ()
    vuln: str = ""
    reason: str = ""

    def constraints(self, rule: Rule, platform: Platform) -> dict[str, Constraint]:
        """What this control asks of RULE: the rule's own constraints, and in their place its own values."""
        own = {name: Constraint.parse(platform.named(raw)) for name, raw in self.values.get(rule.id, {}).items()}
        return {**rule.constraints(platform), **own}


@dataclass(frozen=True)
class Benchmark:
    """One published version.

    Attributes:
        series: what every version of it is called together: ``cis``.
        platforms: platform to patterns of its releases that the benchmark is for.
        sections: title by prefix of control ids.
    """

    id: str
    series: str
    title: str
    version: str
    platforms: t.Mapping[str, tuple[str, ...]]
    levels: t.Mapping[str, t.Mapping[str, t.Any]]
    sections: t.Mapping[str, str]
    controls: t.Mapping[str, Control]

    def included_levels(self, level: str) -> set[str]:
        """LEVEL and every level it inherits."""
        return inherited(self.id, self.levels, level)

    def section(self, control: str) -> str:
        """Title of the section a control stands in: the one with the longest prefix."""
        fitting = [prefix for prefix in self.sections if in_section(control, prefix)]
        return self.sections[max(fitting, key=len)] if fitting else control


def inherited(benchmark: str, levels: t.Mapping[str, t.Mapping[str, t.Any]], level: str) -> set[str]:
    """LEVEL and every level it inherits.

    Raises:
        CatalogueError: the levels inherit in a circle, or from one that there is not.
    """
    included: set[str] = set()
    step: str | None = level
    while step:
        if step in included:
            raise CatalogueError(f"level '{level}' of {benchmark} inherits from itself")
        if step not in levels:
            raise CatalogueError(f"a level of {benchmark} inherits from '{step}', which it does not have")
        included.add(step)
        step = levels[step].get("inherits")
    return included


def in_section(control: str, section: str) -> bool:
    """Whether a control's id begins with SECTION, whole numbers and words only unless it ends in ``*``.

    5.1 has 5.1 and 5.1.2, not 5.10; UBTU-24-4* has UBTU-24-400320; R3 is not R30.
    """
    if section.endswith("*"):
        return control.startswith(section[:-1])
    following = control[len(section) : len(section) + 1]
    return control.startswith(section) and not (following.isalnum() and following.isascii())


def fields(kind: Kind, raw: t.Any) -> dict[str, t.Any]:
    """A rule's values as a control or an overlay writes them, by field. What is no mapping of fields is the field `value`.

    Raises:
        ValueError: a field that rules of this kind do not have.
    """
    named = raw if isinstance(raw, dict) and kind.constrained != ("value",) else {"value": raw}
    for name in named:
        if name not in kind.constrained:
            known = ", ".join(kind.constrained) or "none"
            raise ValueError(f"a {kind.name} rule has no '{name}' to give a value to (it has {known})")
    return named


class Benchmarks(t.Mapping[str, Benchmark]):
    """Every benchmark below ``benchmarks/<series>/<id>.yml`` by its id. A file is read when its benchmark is asked for."""

    def __init__(self, root: Path, rules: t.Mapping[str, Rule], platforms: t.Mapping[str, Platform]) -> None:
        self._rules, self._platforms = rules, platforms
        self._schema = root / "schema" / "benchmark.json"
        self._files = {path.stem: path for path in sorted((root / "benchmarks").glob("*/*.yml"))}
        self._loaded: dict[str, Benchmark] = {}
        self._raw: dict[str, t.Any] = {}

    def __iter__(self) -> t.Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def __contains__(self, name: object) -> bool:
        return name in self._files

    def __getitem__(self, name: str) -> Benchmark:
        if name not in self._loaded:
            self._loaded[name] = self._load(self._files[name])
        return self._loaded[name]

    @property
    def series(self) -> dict[str, list[str]]:
        """The benchmarks of each series."""
        made: dict[str, list[str]] = {}
        for name, path in self._files.items():
            made.setdefault(path.parent.name, []).append(name)
        return made

    def platforms(self, name: str) -> dict[str, tuple[str, ...]]:
        """The releases that a benchmark is for, by platform. Of its file only what stands before the controls is read."""
        if name in self._loaded:
            return dict(self._loaded[name].platforms)
        path = self._files[name]
        head = load_text(read_text(path).partition("\ncontrols:")[0], path)[0]
        return {platform: tuple(releases) for platform, releases in head.get("platforms", {}).items()}

    def fits(self, name: str, platform: Platform, release: str) -> bool:
        return any(is_version(release, pattern) for pattern in self.platforms(name).get(platform.id, ()))

    def _read(self, path: Path) -> dict[str, t.Any]:
        """A benchmark's document, with that of the one it is based on: same controls, but for those that it has itself."""
        if path.stem not in self._raw:
            document = checked_documents(path, self._schema)[0]
            if (base := document.get("based_on")) is not None:
                if base not in self._files or base == path.stem:
                    raise CatalogueError(f"based_on: there is no benchmark '{base}'", where=_line(path, "based_on"))
                below = self._read(self._files[base])
                document = {**below, **document, "controls": {**below["controls"], **document["controls"]}}
            self._raw[path.stem] = document
        return t.cast("dict[str, t.Any]", self._raw[path.stem])

    def _load(self, path: Path) -> Benchmark:
        document = self._read(path)
        series = path.parent.name
        if document["benchmark"] != path.stem or not path.stem.startswith(f"{series}_"):
            fix = f"Call it {series}_<platform><version>, as its file and folder"
            raise CatalogueError(f"benchmark: '{document['benchmark']}'", where=_line(path, "benchmark"), fix=fix)
        for platform in document["platforms"]:
            if platform not in self._platforms:
                known = ", ".join(self._platforms)
                raise CatalogueError(
                    f"platforms: '{platform}' is not one of {known}", where=_line(path, "platforms", platform)
                )
        lacking = [key for key in ("levels", "sections") if key not in document]
        if lacking:
            raise CatalogueError(f"lacks the key '{lacking[0]}'", where=f"{path}:1")
        for level in document["levels"]:
            inherited(path.stem, document["levels"], level)
        controls = {
            name: self._control(name, raw, document, partial(_line, path, "controls", name))
            for name, raw in document["controls"].items()
        }
        return Benchmark(
            id=path.stem,
            series=series,
            title=document["title"],
            version=document["version"],
            platforms={platform: tuple(releases) for platform, releases in document["platforms"].items()},
            levels=document["levels"],
            sections=document["sections"],
            controls=controls,
        )

    def _control(
        self, name: str, raw: dict[str, t.Any], document: dict[str, t.Any], where: t.Callable[..., str]
    ) -> Control:
        for rule in raw.get("rules", ()):
            if rule not in self._rules:
                raise CatalogueError(f"control {name} names the unknown rule '{rule}'", where=where("rules"))
        for level in raw["levels"]:
            if level not in document["levels"]:
                raise CatalogueError(f"control {name} has the unknown level '{level}'", where=where("levels"))
        values = {}
        for rule, written in raw.get("values", {}).items():
            if rule not in raw.get("rules", ()):
                wrong = f"control {name} gives a value to '{rule}', which it does not name"
                raise CatalogueError(wrong, where=where("values"))
            try:
                values[rule] = fields(KINDS[self._rules[rule].kind], written)
                for value in values[rule].values():
                    Constraint.parse(self._any_platform(document).named(value))
            except ValueError as exc:
                raise CatalogueError(f"{rule}: {exc}", where=where("values", rule)) from exc
        rated = {severity for level in raw["levels"] if (severity := document["levels"][level].get("severity"))}
        return Control(
            id=name,
            title=raw["title"],
            levels=tuple(raw["levels"]),
            assess=raw["assess"],
            rules=tuple(raw.get("rules", ())),
            values=values,
            when=raw.get("when", {}),
            unless=raw.get("unless", {}),
            severity=next((severity for severity in SEVERITIES if severity in rated), ""),
            cci=tuple(raw.get("cci", ())),
            srg=tuple(raw.get("srg", ())),
            vuln=raw.get("vuln", ""),
            reason=raw.get("reason", ""),
        )

    def _any_platform(self, document: dict[str, t.Any]) -> Platform:
        return self._platforms[next(iter(document["platforms"]))]


def _line(path: Path, *keys: str) -> str:
    """``file:line`` of a key. Finding the line means reading the file again: only for a message."""
    return f"{path}:{line_of(path, 0, keys)}"
