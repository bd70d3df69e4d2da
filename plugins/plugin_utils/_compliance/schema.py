# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML with line numbers, checked against a subset of JSON Schema (2020-12).

Own code because a controller has no JSON Schema library without an extra install, and because an error
must name file, line and key. The tests run the same documents through ``jsonschema`` and compare.
Supported: type, enum, const, pattern, properties, patternProperties, additionalProperties, propertyNames,
required, items, minItems, minProperties, maxProperties, minimum, oneOf, $ref into $defs. Anything else is an error.
"""

from __future__ import annotations

import json
import re
import typing as t
from pathlib import Path

import yaml

from .._errors import CatalogueError

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # PyYAML built without libyaml: slower, same result
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

Schema = dict[str, t.Any]
Path_ = tuple[t.Union[str, int], ...]
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}
_KEYWORDS = frozenset(
    [
        "$schema",
        "$id",
        "$ref",
        "$defs",
        "title",
        "description",
        "type",
        "enum",
        "const",
        "pattern",
        "properties",
        "patternProperties",
        "additionalProperties",
        "propertyNames",
        "required",
        "items",
        "minItems",
        "minProperties",
        "maxProperties",
        "minimum",
        "oneOf",
    ]
)


class Problem(t.NamedTuple):
    """One violation: where in the document (keys and indexes) and what is wrong."""

    path: Path_
    message: str


class _LoaderNoDuplicates(_Loader):
    """YAML that refuses a key given twice (the second would silently win) and keeps dates as text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[t.Any, t.Any]:
        mapping = super().construct_mapping(node, deep=deep)
        if len(mapping) != len(node.value):
            seen = set()
            for key_node, _value in node.value:
                key = self.construct_object(key_node)
                if key in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"key '{key}' stands twice", key_node.start_mark
                    )
                seen.add(key)
        return t.cast("dict[t.Any, t.Any]", mapping)


_LoaderNoDuplicates.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}


def load_documents(path: Path) -> list[t.Any]:
    """Every YAML document of a file.

    Raises:
        CatalogueError: unreadable or not YAML, with the line.
    """
    try:
        return list(yaml.load_all(path.read_text(encoding="utf-8"), Loader=_LoaderNoDuplicates))
    except OSError as exc:
        raise CatalogueError(f"cannot be read: {exc.strerror}", where=str(path)) from exc
    except UnicodeDecodeError as exc:
        raise CatalogueError("is not UTF-8 text", where=str(path)) from exc
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark
        line = mark.line + 1 if mark else 1
        raise CatalogueError(f"is not valid YAML: {exc.problem}", where=f"{path}:{line}") from exc


def line_of(path: Path, document: int, keys: t.Sequence[str | int]) -> int:
    """The 1-based line of a key in a YAML file. Composing again is slow, and only done to report an error."""
    nodes = list(yaml.compose_all(path.read_text(encoding="utf-8"), Loader=_Loader))
    node = nodes[document]
    line = node.start_mark.line
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == str(key)), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
            line = node.start_mark.line
    return int(line) + 1


def check_file(path: Path, documents: list[t.Any], schema: Schema) -> None:
    """Raise CatalogueError for the first violation in DOCUMENTS, which were read from PATH."""
    for index, document in enumerate(documents):
        problem = next(violations(document, schema), None)
        if problem:
            where = ".".join(str(part) for part in problem.path) or "the document"
            line = line_of(path, index, problem.path)
            raise CatalogueError(f"{where}: {problem.message}", where=f"{path}:{line}")


def load_schema(path: Path) -> Schema:
    return t.cast("Schema", json.loads(path.read_text(encoding="utf-8")))


def violations(value: t.Any, schema: Schema, root: Schema | None = None, path: Path_ = ()) -> t.Iterator[Problem]:
    """Yield what VALUE breaks of SCHEMA, depth first."""
    root = schema if root is None else root
    if not schema.keys() <= _KEYWORDS:
        raise ValueError(f"schema keyword not supported: {sorted(schema.keys() - _KEYWORDS)}")
    if "$ref" in schema:
        yield from violations(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root, path)
        return
    if "type" in schema and not _is_type(value, schema["type"]):
        wanted = schema["type"] if isinstance(schema["type"], str) else " or ".join(schema["type"])
        yield Problem(path, f"must be {_article(wanted)}, not {_name(value)}")
        return
    if "enum" in schema and value not in schema["enum"]:
        yield Problem(path, f"'{value}' is not one of {', '.join(str(one) for one in schema['enum'])}")
    if "const" in schema and value != schema["const"]:
        yield Problem(path, f"must be '{schema['const']}'")
    if "pattern" in schema and isinstance(value, str) and not re.search(schema["pattern"], value):
        yield Problem(path, f"'{value}' does not match {schema['pattern']}")
    if "minimum" in schema and isinstance(value, int) and value < schema["minimum"]:
        yield Problem(path, f"must be at least {schema['minimum']}")
    if isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            yield Problem(path, "must not be empty")
        for index, item in enumerate(value):
            yield from violations(item, schema.get("items", {}), root, (*path, index))
    if isinstance(value, dict):
        yield from _object(value, schema, root, path)
    if "oneOf" in schema:
        yield from _one_of(value, schema["oneOf"], root, path)


def _object(value: dict[t.Any, t.Any], schema: Schema, root: Schema, path: Path_) -> t.Iterator[Problem]:
    for name in schema.get("required", ()):
        if name not in value:
            yield Problem(path, f"lacks the key '{name}'")
    if len(value) < schema.get("minProperties", 0):
        yield Problem(path, "must not be empty")
    if len(value) > schema.get("maxProperties", len(value)):
        yield Problem(path, f"must have at most {schema['maxProperties']} keys")
    properties, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    extra = schema.get("additionalProperties", True)
    for key, item in value.items():
        here = (*path, key)
        if not isinstance(key, str):
            yield Problem(here, f"key '{key}' must be text: put it in quotes")
            continue
        if "propertyNames" in schema:
            yield from violations(key, schema["propertyNames"], root, here)
        matched = [properties[key]] if key in properties else []
        matched += [sub for pattern, sub in patterns.items() if re.search(pattern, key)]
        if not matched and extra is False:
            known = ", ".join(sorted(properties)) or ", ".join(patterns)
            yield Problem(here, f"unknown key '{key}' (known: {known})")
        elif not matched and isinstance(extra, dict):
            matched = [extra]
        for sub in matched:
            yield from violations(item, sub, root, here)


def _one_of(value: t.Any, options: list[Schema], root: Schema, path: Path_) -> t.Iterator[Problem]:
    tried = [list(violations(value, option, root, path)) for option in options]
    if sum(not problems for problems in tried) == 1:
        return
    # The branch whose violation lies deepest is the one that was meant.
    closest = max((problems for problems in tried if problems), key=lambda found: len(found[0].path), default=None)
    yield closest[0] if closest else Problem(path, "matches more than one form")


def _is_type(value: t.Any, wanted: str | list[str]) -> bool:
    names = [wanted] if isinstance(wanted, str) else wanted
    if isinstance(value, bool):
        return "boolean" in names
    return any(isinstance(value, _TYPES[name]) for name in names)


def _name(value: t.Any) -> str:
    kinds = {
        dict: "a mapping",
        list: "a list",
        str: "text",
        bool: "true/false",
        int: "a number",
        float: "a number with a point",
        type(None): "empty",
    }
    return f"{kinds.get(type(value), type(value).__name__)} ({value!r})"[:80]


def _article(wanted: str) -> str:
    names = {
        "object": "a mapping",
        "array": "a list",
        "string": "text (in quotes)",
        "integer": "a number",
        "boolean": "true or false",
        "null": "empty",
    }
    return " or ".join(names[name] for name in wanted.split(" or "))
