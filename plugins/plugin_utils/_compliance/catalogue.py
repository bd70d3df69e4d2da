# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue: platforms, purposes, rules, benchmarks and tables, read and checked. Nothing else opens these files."""

from __future__ import annotations

import csv
import ipaddress
import typing as t
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from .._errors import CatalogueError
from .benchmark import Benchmarks, fields
from .checked import checked_documents
from .constraint import Constraint
from .evidence import ARCHITECTURES
from .kinds.base import Kind, Port, Rule
from .kinds.registry import KINDS
from .platform import Platform, load_platforms, platform_of
from .schema import Schema, check_document, line_of, load_schema

ROOT = Path(__file__).resolve().parents[3] / "roles" / "compliance" / "files" / "catalogue"


@dataclass(frozen=True)
class Purpose:
    """What a host can be for, and the ports that must be open for it."""

    title: str
    ports: tuple[Port, ...] = ()


def port(raw: t.Mapping[str, t.Any], why: str = "") -> Port:
    """A port as the overlay and the purposes write it.

    Raises:
        ValueError: no port, or ``from`` is neither an address nor a network.
    """
    first, _mark, last = str(raw["port"]).partition("-")
    made = Port(int(first), int(last or first), raw["protocol"], raw.get("from", ""), raw.get("why", why))
    if not 1 <= made.first <= made.last <= 65535:
        raise ValueError(f"port: '{raw['port']}' is not between 1 and 65535")
    if made.source:
        ipaddress.ip_network(made.source)
    return made


class Catalogue:
    """Everything below ROOT.

    Raises:
        CatalogueError: a file is not what its schema or its kind allows; names file, line and key.
    """

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root
        self.platforms = load_platforms(root / "platforms", self._schema("platform"))
        self.purposes = self._load_purposes(root / "purposes.yml")
        self.rules: dict[str, Rule] = {}
        for path in sorted((root / "rules").glob("*.yml")):
            self._load_rules(path)
        self.benchmarks = Benchmarks(root, self.rules, self.platforms)

    def schema(self, name: str) -> Schema:
        return load_schema(self._schema(name))

    def _schema(self, name: str) -> Path:
        return self.root / "schema" / f"{name}.json"

    @cached_property
    def nist(self) -> dict[str, str]:
        """CCI to NIST SP 800-53 revision 5 (DISA's CCI list)."""
        with (self.root / "tables" / "cci_nist_800_53_r5.csv").open(encoding="utf-8", newline="") as handle:
            return {row["cci"]: row["nist_800_53_r5"] for row in csv.DictReader(handle)}

    def platform_of(self, host: t.Mapping[str, t.Any]) -> Platform:
        """The platform of a host (the items of the section ``host``).

        Raises:
            EvidenceError: no platform covers this system.
        """
        return platform_of(self.platforms, host)[0]

    def _load_purposes(self, path: Path) -> dict[str, Purpose]:
        made = {}
        for name, raw in checked_documents(path, self._schema("purposes"))[0].items():
            try:
                made[name] = Purpose(raw["title"], tuple(port(one, name) for one in raw.get("ports", ())))
            except ValueError as exc:
                raise CatalogueError(f"{name}: {exc}", where=f"{path}:{line_of(path, 0, [name])}") from exc
        return made

    def _load_rules(self, path: Path) -> None:
        for index, document in enumerate(checked_documents(path, self._schema("rules"), _check_rules)):
            kind = KINDS[document["kind"]]
            for key, raw in document["rules"].items():
                merged = {**document.get("defaults", {}), **raw}
                where = partial(self._at, path, index, key)
                try:
                    self._add_rule(kind, key, merged)
                except (ValueError, CatalogueError) as exc:
                    raise CatalogueError(f"rule '{kind.name}/{key}': {exc}", where=where()) from exc

    @staticmethod
    def _at(path: Path, document: int, key: str) -> str:
        return f"{path}:{line_of(path, document, ['rules', key])}"

    def _add_rule(self, kind: Kind, key: str, raw: dict[str, t.Any]) -> None:
        identifier = f"{kind.name}/{key}"
        if identifier in self.rules:
            raise ValueError("stands twice")
        for name in ("title", *kind.required):
            if name not in raw:
                raise ValueError(f"lacks the key '{name}'")
        if raw.get("remediate") == "manual" and not raw.get("reason"):
            raise ValueError("is 'remediate: manual' without a reason")
        for side in ("when", "unless"):
            self._check_condition(raw.get(side, {}))
        rule = Rule(
            id=identifier,
            kind=kind.name,
            key=key,
            title=raw["title"],
            severity=raw.get("severity", "medium"),
            spec={name: raw[name] for name in kind.fields if name in raw},
            cci=tuple(raw.get("cci", ())),
            when=raw.get("when", {}),
            unless=raw.get("unless", {}),
            why=raw.get("why", ""),
            risk=raw.get("risk", ""),
            remediate=raw.get("remediate", "automatic"),
            reason=raw.get("reason", ""),
            values={name: raw[name] for name in kind.constrained if name in raw},
        )
        names = {name for platform in self.platforms.values() for name in (platform.id, platform.family)}
        for name, value in (*rule.spec.items(), *rule.values.items()):
            for platform in self.platforms.values():
                if isinstance(value, dict) and set(value) <= names and platform.choose(value) is value:
                    raise ValueError(f"{name} has no value for platform {platform.id} (or family {platform.family})")
        for platform in self.platforms.values():
            rule.constraints(platform)
            kind.resolve(rule.on(platform), platform)
        self.rules[identifier] = rule

    def _check_condition(self, condition: t.Mapping[str, t.Any]) -> None:
        """Raise ValueError where a condition names what can never hold."""
        known: dict[str, t.Iterable[str]] = {
            "architecture": ARCHITECTURES,
            "family": {platform.family for platform in self.platforms.values()},
            "platform": self.platforms,
            "purpose": self.purposes,
        }
        for subject, names in known.items():
            for name in condition.get(subject, ()):
                if name not in names:
                    more = (
                        ": add it to purposes.yml" if subject == "purpose" else f" (one of {', '.join(sorted(names))})"
                    )
                    raise ValueError(f"'{name}' is no {subject}{more}")

    def request(self, *, walk: bool) -> dict[str, t.Any]:
        """What the collector must look at so that every rule of the catalogue can be judged, now or later."""
        request: dict[str, t.Any] = {"goss": None, "gpu": None, "host": None, "package": None}
        for rule in self.rules.values():
            kind = KINDS[rule.kind]
            for section in kind.sections:
                request.setdefault(section, None)
            for platform in self.platforms.values():
                for section, asked in kind.request(rule.on(platform), platform).items():
                    request[section] = _merged(request.get(section), asked)
        if not walk:
            request.pop("scan", None)
        return {
            section: list(asked) if isinstance(asked, dict) and section != "file" else asked
            for section, asked in request.items()
        }


def _check_rules(path: Path, documents: list[t.Any], schema: Schema) -> None:
    """Raise CatalogueError for the first violation. Its kind first: what else a document must be hangs on that."""
    kinds = {"type": "object", "required": ["kind"], "properties": {"kind": {"enum": sorted(KINDS)}}}
    for index, document in enumerate(documents):
        check_document(path, index, document, kinds)
        check_document(path, index, document, {"$ref": f"#/$defs/{document['kind']}"}, schema)


def constraints(kind: Kind, raw: t.Any, platform: Platform) -> dict[str, Constraint]:
    """The constraints that an overlay gives to a rule of KIND.

    Raises:
        ValueError: a field that such rules do not have, or a value that is no constraint.
    """
    return {name: Constraint.parse(platform.named(value)) for name, value in fields(kind, raw).items()}


def _merged(known: t.Any, asked: t.Any) -> t.Any:
    """What two rules ask of one section. What is said of a pattern is what the rule says that says something."""
    if asked is None:
        return known
    entries = asked if isinstance(asked, dict) else dict.fromkeys(asked)
    known = {} if known is None else known
    known.update({key: value for key, value in entries.items() if key not in known or value})
    return known
