# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON Schemas of the catalogue's files and of the overlay, made from what kinds and platforms declare.

`make golden` writes them to ``catalogue/schema``, for editors and for the loader, which only reads them.
"""

from __future__ import annotations

import typing as t

from .constraint import OPERATORS
from .kinds.base import LINE, TEXT, TEXTS, Kind, Schema
from .platform import NAMED, TABLES

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCALAR: Schema = {"oneOf": [TEXT, {"type": ["integer", "boolean"]}]}
OPERAND: Schema = {"oneOf": [TEXT, {"type": ["integer", "boolean"]}, {"$ref": "#/$defs/named"}]}
OPERANDS: Schema = {"type": "array", "minItems": 1, "items": OPERAND}
BOUND: Schema = {"oneOf": [TEXT, {"type": "integer"}]}
OPERATOR_OPERANDS: dict[str, Schema] = {
    "eq": OPERAND,
    "ge": BOUND,
    "le": BOUND,
    "in": OPERANDS,
    "set": {"oneOf": [OPERAND, OPERANDS]},
    "at_most": {"type": "string", "pattern": "^[0-7]{4}$"},
    "subset_of": OPERANDS,
    "none_of": OPERANDS,
    "some_of": OPERANDS,
    "absent": {"const": True},
}
DATE: Schema = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", **LINE}
TITLE: Schema = {"type": "string", "pattern": "^.{3,100}$", **LINE}
SPOKEN: Schema = {"type": "string", "pattern": "\\S"}
CCI: Schema = {"type": "array", "minItems": 1, "items": {"type": "string", "pattern": "^CCI-[0-9]{6}$", **LINE}}
# What an operator may answer or a rule may depend on; `plan.py` has what each asks of the evidence.
CONDITIONS: dict[str, Schema] = {
    "package": TEXTS,
    "purpose": TEXTS,
    "architecture": TEXTS,
    "family": TEXTS,
    "platform": TEXTS,
    "container": {"type": "boolean"},
}
COMMON: dict[str, Schema] = {
    "title": TITLE,
    "why": {"type": "string", "pattern": "^.{10,200}$", **LINE},
    "severity": {"enum": ["low", "medium", "high"]},
    "cci": CCI,
    "when": {"$ref": "#/$defs/condition"},
    "unless": {"$ref": "#/$defs/condition"},
    "risk": {"enum": ["lockout", "reboot", "data", "boot"]},
    "remediate": {"enum": ["automatic", "manual"]},
    "reason": TEXT,
}
"""Fields that rules of every kind may have."""


def closed(properties: t.Mapping[str, Schema], required: t.Sequence[str] = ()) -> Schema:
    """An object with these properties and no others."""
    made: Schema = {"type": "object", "additionalProperties": False, "properties": dict(properties)}
    return {**made, "required": list(required)} if required else made


def mapping(values: Schema, *, least: int = 1) -> Schema:
    """An object of any names, all with such values."""
    return {"type": "object", "minProperties": least, "additionalProperties": values}


def by_platform(values: Schema, names: t.Sequence[str]) -> Schema:
    return {**mapping(values), "propertyNames": {"enum": list(names)}}


def document(title: str, body: Schema, **defs: Schema) -> Schema:
    return {"$schema": DIALECT, "title": title, **_shared(body), "$defs": {**_shared(defs), "text": TEXT}}


def _shared(part: t.Any) -> t.Any:
    """The same schema with texts by reference: they are most of it."""
    if part == TEXT:
        return {"$ref": "#/$defs/text"}
    if isinstance(part, dict):
        return {name: _shared(value) for name, value in part.items()}
    return [_shared(item) for item in part] if isinstance(part, list) else part


def named() -> Schema:
    """A value by the platform's name for it."""
    return {**closed({name: TEXT for name in NAMED}), "minProperties": 1, "maxProperties": 1}


def operators() -> Schema:
    return {**closed({name: OPERATOR_OPERANDS[name] for name in OPERATORS}), "minProperties": 1}


def condition() -> Schema:
    return {**closed(CONDITIONS), "minProperties": 1}


def constraint_forms() -> list[Schema]:
    return [*OPERAND["oneOf"], {"$ref": "#/$defs/operators"}]


def fields(kinds: t.Mapping[str, Kind]) -> Schema:
    """Values for the constrained fields of a rule that has several."""
    names = sorted({name for kind in kinds.values() for name in kind.constrained} - {"value"})
    return {**closed({name: {"oneOf": constraint_forms()} for name in names}), "minProperties": 1}


def value() -> Schema:
    """What a control or an overlay gives to a rule. A name of the platform's stands below a field here, or below ``eq``:
    alone, ``{group: adm}`` would be a field too.
    """
    return {"oneOf": [*SCALAR["oneOf"], {"$ref": "#/$defs/operators"}, {"$ref": "#/$defs/fields"}]}


def rules(kinds: t.Mapping[str, Kind], platforms: t.Sequence[str]) -> Schema:
    """Schema of ``rules/<kind>.yml``.

    Args:
        platforms: ids of platforms and families, by which a rule may give different values.
    """
    defs: dict[str, Schema] = {
        "named": named(),
        "operators": operators(),
        "constraint": {
            "oneOf": [*constraint_forms(), by_platform({"oneOf": constraint_forms()}, platforms)],
        },
        "condition": condition(),
    }
    for kind in kinds.values():
        own = {name: {"oneOf": [schema, by_platform(schema, platforms)]} for name, schema in kind.fields.items()}
        rule = {**COMMON, **own, **{name: {"$ref": "#/$defs/constraint"} for name in kind.constrained}}
        defs[f"{kind.name}_rule"] = closed(dict(sorted(rule.items())))
        reference = {"$ref": f"#/$defs/{kind.name}_rule"}
        properties = {"kind": {"const": kind.name}, "defaults": reference, "rules": mapping(reference)}
        defs[kind.name] = closed(properties, ["kind", "rules"])
    forms = [{"$ref": f"#/$defs/{name}"} for name in sorted(kinds)]
    return document("Rules of one kind", {"oneOf": forms}, **defs)


def benchmark(kinds: t.Mapping[str, Kind]) -> Schema:
    """Schema of ``benchmarks/<series>/<id>.yml``."""
    level = {"title": TITLE, "inherits": TEXT, "severity": COMMON["severity"]}
    control = {
        "title": TITLE,
        "levels": TEXTS,
        "assess": {"enum": ["automated", "manual"]},
        "rules": TEXTS,
        "values": mapping({"$ref": "#/$defs/value"}),
        "when": {"$ref": "#/$defs/condition"},
        "unless": {"$ref": "#/$defs/condition"},
        "cci": CCI,
        "srg": {"type": "array", "minItems": 1, "items": {"type": "string", "pattern": "^SRG-[A-Z0-9-]+$", **LINE}},
        "vuln": {"type": "string", "pattern": "^V-[0-9]+$", **LINE},
        "reason": {"type": "string", "pattern": "^.{10,200}$", **LINE},
    }
    body = closed(
        {
            "benchmark": {"type": "string", "pattern": "^[a-z]+_[a-z0-9_]+$", **LINE},
            "title": TEXT,
            "version": TEXT,
            "based_on": TEXT,
            "platforms": mapping(TEXTS),
            "levels": mapping(closed(level, ["title"])),
            "sections": mapping(TEXT, least=0),
            "controls": {
                **mapping({"$ref": "#/$defs/control"}, least=0),
                "propertyNames": {"pattern": "^[A-Za-z0-9.-]+$"},
            },
        },
        ["benchmark", "title", "version", "platforms", "controls"],
    )
    return document(
        "One version of a benchmark",
        body,
        named=named(),
        operators=operators(),
        fields=fields(kinds),
        value=value(),
        condition=condition(),
        control=closed(control, ["title", "levels", "assess"]),
    )


def port() -> Schema:
    return closed(
        {
            "port": {"oneOf": [{"type": "integer"}, {"type": "string", "pattern": "^[0-9]{1,5}-[0-9]{1,5}$", **LINE}]},
            "protocol": {"enum": ["tcp", "udp"]},
            "from": TEXT,
            "why": TEXT,
        },
        ["port", "protocol"],
    )


def overlay(kinds: t.Mapping[str, Kind]) -> Schema:
    """Schema of a site's overlay."""

    def entry(**own: Schema) -> Schema:
        """About a rule or about a control; the rest is the same."""
        return {
            "oneOf": [
                closed({what: TEXT, **own}, [what, *(n for n in own if n != "note")]) for what in ("rule", "control")
            ]
        }

    body = closed(
        {
            "purposes": {"type": "array", "items": TEXT},
            "ports": {"type": "array", "items": port()},
            "banner": {"type": "string"},
            "values": mapping({"$ref": "#/$defs/value"}, least=0),
            "waivers": {"type": "array", "items": {"$ref": "#/$defs/waiver"}},
            "attestations": {"type": "array", "items": {"$ref": "#/$defs/attestation"}},
        }
    )
    return document(
        "What a site adds to the benchmarks",
        {**body, "type": ["object", "null"]},
        named=named(),
        operators=operators(),
        fields=fields(kinds),
        value=value(),
        waiver=entry(reason=SPOKEN, owner=SPOKEN, until=DATE),
        attestation=entry(answer={"enum": ["pass", "fail", "not_applicable"]}, by=SPOKEN, until=DATE, note=TEXT),
    )


def platform() -> Schema:
    """Schema of ``platforms/<id>.yml``; what one is based on has all tables, so that none of them is required."""
    lists: Schema = mapping({"type": "array", "items": TEXT}, least=0)
    tables = {name: mapping(TEXT, least=0) for name in TABLES}
    body = closed(
        {
            "platform": {"type": "string", "pattern": "^[a-z]+$", **LINE},
            "family": {"enum": ["debian", "redhat"]},
            "based_on": TEXT,
            "systems": mapping({"oneOf": [TEXTS, mapping(TEXT)]}),
            "goss": {"type": "array", "items": TEXT},
            **tables,
            "units": lists,
            "programs": lists,
            "packages": lists,
        },
        ["platform", "family", "systems", "goss"],
    )
    return document("A distribution and its derivatives", body)


def purposes() -> Schema:
    body = mapping(closed({"title": TITLE, "ports": {"type": "array", "minItems": 1, "items": port()}}, ["title"]))
    return document("What a host can be for", body)


def every(kinds: t.Mapping[str, Kind], platforms: t.Sequence[str]) -> dict[str, Schema]:
    """Each schema by the name of its file below ``catalogue/schema``."""
    return {
        "benchmark": benchmark(kinds),
        "overlay": overlay(kinds),
        "platform": platform(),
        "purposes": purposes(),
        "rules": rules(kinds, platforms),
    }
