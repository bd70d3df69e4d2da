# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue: rules, benchmarks and tables, read and checked. Nothing else opens these files."""

from __future__ import annotations

import csv
import typing as t
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from .._errors import CatalogueError, EvidenceError
from .constraint import Constraint
from .kinds.base import Kind, Rule
from .kinds.registry import KINDS
from .platform import Platform
from .schema import Schema, check_file, line_of, load_documents, load_schema

ROOT = Path(__file__).resolve().parents[3] / "roles" / "compliance" / "files" / "catalogue"
FAMILIES = ("debian", "redhat")
COMMON = frozenset({"title", "why", "severity", "cci", "when", "unless", "risk", "remediate", "reason"})


@dataclass(frozen=True)
class Control:
    """One recommendation of a benchmark. VALUES maps a rule to constraints that replace the rule's own."""

    id: str
    title: str
    levels: tuple[str, ...]
    assess: str
    rules: tuple[str, ...]
    values: t.Mapping[str, t.Mapping[str, Constraint]]
    when: t.Mapping[str, t.Any]
    unless: t.Mapping[str, t.Any]


@dataclass(frozen=True)
class Benchmark:
    id: str
    title: str
    version: str
    os: str
    os_version: str
    family: str
    levels: t.Mapping[str, t.Mapping[str, t.Any]]
    sections: t.Mapping[str, str]
    controls: t.Mapping[str, Control]

    def included_levels(self, level: str) -> set[str]:
        """LEVEL and every level it inherits.

        Raises:
            CatalogueError: the levels inherit in a circle.
        """
        included: set[str] = set()
        step: str | None = level
        while step:
            if step in included:
                raise CatalogueError(f"level '{level}' of {self.id} inherits from itself")
            included.add(step)
            step = self.levels[step].get("inherits")
        return included

    def section(self, control: str) -> str:
        """Title of the section a control stands in."""
        return self.sections.get(control.split(".")[0], control.split(".")[0])


def constraints(kind: Kind, raw: t.Any, where: str) -> dict[str, Constraint]:
    """The constrained fields of a rule's or control's data. A value that is no mapping of fields is the field `value`."""
    named = isinstance(raw, dict) and kind.constrained != ("value",)
    fields = raw if named else {"value": raw}
    made = {}
    for name, value in fields.items():
        if name not in kind.constrained:
            raise CatalogueError(
                f"a {kind.name} rule has no '{name}' to give a value to",
                where=where,
                fix=f"Use one of {', '.join(kind.constrained) or 'none'}",
            )
        try:
            made[name] = Constraint.parse(value)
        except ValueError as exc:
            raise CatalogueError(f"{name}: {exc}", where=where) from exc
    return made


class Catalogue:
    """Everything below ROOT.

    Raises:
        CatalogueError: a file is not what its schema or its kind allows; names file, line and key.
    """

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root
        self.platforms: dict[str, Platform] = {}
        for path in sorted((root / "platforms").glob("*.yml")):
            self._load_platform(path)
        self.rules: dict[str, Rule] = {}
        self.own_values: dict[str, dict[str, t.Any]] = {}
        schema = load_schema(root / "schema" / "rules.json")
        for path in sorted((root / "rules").glob("*.yml")):
            self._load_rules(path, schema)
        for rule in self.rules.values():
            for platform in self.platforms.values():
                KINDS[rule.kind].resolve(rule, platform)
        self.benchmarks: dict[str, Benchmark] = {}
        schema = load_schema(root / "schema" / "benchmark.json")
        for path in sorted((root / "benchmarks").glob("*.yml")):
            self._load_benchmark(path, schema)

    @cached_property
    def nist(self) -> dict[str, str]:
        """CCI to NIST SP 800-53 revision 5 (DISA's CCI list)."""
        with (self.root / "tables" / "cci_nist_800_53_r5.csv").open(encoding="utf-8", newline="") as handle:
            return {row["cci"]: row["nist_800_53_r5"] for row in csv.DictReader(handle)}

    def _load_platform(self, path: Path) -> None:
        data = load_documents(path)[0]

        def named(table: str) -> dict[str, tuple[str, ...]]:
            return {name: tuple(values) for name, values in data[table].items()}

        self.platforms[data["platform"]] = Platform(
            id=data["platform"],
            family=data["family"],
            systems=named("systems"),
            units=named("units"),
            packages=named("packages"),
            groups=data["groups"],
            paths=data["paths"],
            tools=data["tools"],
        )

    def platform_of(self, host: t.Mapping[str, t.Any]) -> Platform:
        """The platform of a host.

        Args:
            host: the items of the section ``host``.

        Raises:
            EvidenceError: no platform covers this system.
        """
        for platform in self.platforms.values():
            if platform.covers(host["os"], host["version"]):
                return platform
        have = "; ".join(f"{os} {', '.join(v)}" for p in self.platforms.values() for os, v in p.systems.items())
        raise EvidenceError(f"system '{host['os']} {host['version']}' is not supported", fix=f"Supported are {have}")

    def _load_rules(self, path: Path, schema: Schema) -> None:
        documents = load_documents(path)
        check_file(path, documents, schema)
        for index, document in enumerate(documents):
            kind = KINDS.get(document["kind"])
            if kind is None:
                known = ", ".join(sorted(KINDS))
                raise CatalogueError(
                    f"kind: '{document['kind']}' is not one of {known}",
                    where=f"{path}:{line_of(path, index, ['kind'])}",
                )
            for key, given in document["rules"].items():
                merged = {**document.get("defaults", {}), **given}
                self._add_rule(kind, key, merged, partial(self._at, path, index, key))

    @staticmethod
    def _at(path: Path, document: int, key: str) -> str:
        return f"{path}:{line_of(path, document, ['rules', key])}"

    def _add_rule(self, kind: Kind, key: str, data: dict[str, t.Any], where: t.Callable[[], str]) -> None:
        identifier = f"{kind.name}/{key}"
        unknown = sorted(set(data) - COMMON - set(kind.fields) - set(kind.constrained))
        if unknown:
            raise CatalogueError(f"unknown key '{unknown[0]}' for a rule of kind {kind.name}", where=where())
        if identifier in self.rules:
            raise CatalogueError(f"rule '{identifier}' stands twice", where=where())
        if "title" not in data:
            raise CatalogueError(f"rule '{identifier}' lacks a title", where=where())
        if data.get("remediate") == "manual" and not data.get("reason"):
            raise CatalogueError(f"rule '{identifier}' is 'remediate: manual' without a reason", where=where())
        own = {name: data[name] for name in kind.constrained if name in data}
        for name, raw in own.items():
            for value in raw.values() if per_family(raw) else [raw]:
                try:
                    Constraint.parse(value)
                except ValueError as exc:
                    raise CatalogueError(f"{name}: {exc}", where=where()) from exc
            if per_family(raw) and set(raw) != set(FAMILIES):
                lacking = ", ".join(sorted(set(FAMILIES) - set(raw)))
                raise CatalogueError(f"{name} of '{identifier}' has no value for family {lacking}", where=where())
        self.own_values[identifier] = own
        self.rules[identifier] = Rule(
            id=identifier,
            kind=kind.name,
            key=key,
            title=data["title"],
            severity=data.get("severity", "medium"),
            spec={name: data[name] for name in kind.fields if name in data},
            cci=tuple(data.get("cci", ())),
            when=data.get("when", {}),
            unless=data.get("unless", {}),
            why=data.get("why", ""),
            risk=data.get("risk", ""),
            remediate=data.get("remediate", "automatic"),
            reason=data.get("reason", ""),
        )

    def rule_constraints(self, identifier: str, family: str) -> dict[str, Constraint]:
        """A rule's own constraints for a family of systems."""
        own = self.own_values[identifier]
        return {name: Constraint.parse(raw[family] if per_family(raw) else raw) for name, raw in own.items()}

    def _load_benchmark(self, path: Path, schema: Schema) -> None:
        documents = load_documents(path)
        check_file(path, documents, schema)
        data = documents[0]
        controls = {}
        for identifier, given in data["controls"].items():
            # Finding the line means reading the file again: only for a message.
            def where(*keys: str, identifier: str = identifier) -> str:
                return f"{path}:{line_of(path, 0, ['controls', identifier, *keys])}"

            for rule in given.get("rules", ()):
                if rule not in self.rules:
                    raise CatalogueError(f"control {identifier} names the unknown rule '{rule}'", where=where("rules"))
            for level in given["levels"]:
                if level not in data["levels"]:
                    raise CatalogueError(f"control {identifier} has the unknown level '{level}'", where=where("levels"))
            values = {}
            for rule, raw in given.get("values", {}).items():
                if rule not in given.get("rules", ()):
                    raise CatalogueError(
                        f"control {identifier} gives a value to '{rule}', which it does not name", where=where("values")
                    )
                values[rule] = constraints(KINDS[self.rules[rule].kind], raw, f"{path}, control {identifier}")
            controls[identifier] = Control(
                id=identifier,
                title=given["title"],
                levels=tuple(given["levels"]),
                assess=given["assess"],
                rules=tuple(given.get("rules", ())),
                values=values,
                when=given.get("when", {}),
                unless=given.get("unless", {}),
            )
        platform = data["platform"]
        self.benchmarks[data["benchmark"]] = Benchmark(
            id=data["benchmark"],
            title=data["title"],
            version=data["version"],
            os=platform["id"],
            os_version=platform["version"],
            family=platform["family"],
            levels=data["levels"],
            sections=data["sections"],
            controls=controls,
        )

    def request(self, *, walk: bool) -> dict[str, t.Any]:
        """What the collector must look at so that every rule of the catalogue can be judged, now or later."""
        request: dict[str, t.Any] = {"goss": None, "host": None, "package": None}
        for rule in self.rules.values():
            kind = KINDS[rule.kind]
            for section in kind.sections:
                request.setdefault(section, None)
            for platform in self.platforms.values():
                for section, wanted in kind.request(rule, platform).items():
                    request[section] = _merged(request.get(section), wanted)
        if not walk:
            del request["scan"]
        return {
            section: list(wanted) if isinstance(wanted, dict) and section != "file" else wanted
            for section, wanted in request.items()
        }


def per_family(raw: t.Any) -> bool:
    return isinstance(raw, dict) and bool(raw) and set(raw) <= set(FAMILIES)


def _merged(known: t.Any, wanted: t.Any) -> t.Any:
    """What two rules ask of one section. A pattern's exclusions are those of the rule that has some."""
    if wanted is None:
        return known
    entries = wanted if isinstance(wanted, dict) else dict.fromkeys(wanted)
    known = {} if known is None else known
    known.update({key: value for key, value in entries.items() if key not in known or value})
    return known
