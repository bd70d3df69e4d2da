# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML with line numbers, checked against a subset of JSON Schema (2020-12).

Own code because a controller has no JSON Schema library without an extra install, and because an error
must name file, line and key. The tests run the same documents through ``jsonschema`` and compare.
Supported: type, enum, const, pattern, properties, patternProperties, additionalProperties, propertyNames,
required, items, minItems, minProperties, maxProperties, minimum, oneOf, not (with a description of what must not be), $ref
into $defs. Anything else is an error.
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
        "not",
    ]
)


class Problem(t.NamedTuple):
    """One violation: where in the document (keys and indexes) and what is wrong."""

    path: Path_
    message: str


class _StrictLoader(_Loader):
    """YAML that says what it looks like: no key twice, dates as text, numbers in plain decimal only."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[t.Any, t.Any]:
        keys = [key for key, _value in node.value if isinstance(key, yaml.ScalarNode)]
        if len({key.value for key in keys}) != len(keys):
            names = [key.value for key in keys]
            twice = next(key for index, key in enumerate(keys) if key.value in names[:index])
            raise yaml.constructor.ConstructorError(None, None, f"key '{twice.value}' stands twice", twice.start_mark)
        return t.cast("dict[t.Any, t.Any]", super().construct_mapping(node, deep=deep))

    def construct_number(self, node: yaml.ScalarNode) -> int:
        # YAML 1.1 reads 027 as 23, 10:30:60 as 37860, 1_0 as 10.
        if not _DECIMAL.fullmatch(node.value):
            shown = node.value if len(node.value) <= 40 else f"{node.value[:40]}..."
            problem = f"{shown} is a number in YAML, but not the one it looks like: put it in quotes"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return int(node.value)


_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_StrictLoader.add_constructor("tag:yaml.org,2002:int", _StrictLoader.construct_number)
_StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}
# The largest file of ours has some 100 kB; reading YAML takes a second a megabyte.
MOST_BYTES = 4 * 1024 * 1024
# libyaml goes down a level a call, and crashes at some ten thousand.
MOST_NESTED = 100


def read_text(path: Path) -> str:
    """The text of a YAML file, without a byte order mark.

    Raises:
        CatalogueError: unreadable, too large or not UTF-8.
    """
    try:
        with path.open("rb") as handle:
            content = handle.read(MOST_BYTES + 1)
    except OSError as exc:
        raise CatalogueError(f"cannot be read: {exc.strerror}", where=str(path)) from exc
    if len(content) > MOST_BYTES:
        raise CatalogueError(f"is larger than {MOST_BYTES // 1024 // 1024} MB", where=str(path), fix="Split it")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = content.count(b"\n", 0, exc.start) + 1
        raise CatalogueError("is not UTF-8 text", where=f"{path}:{line}") from exc


def _refuse_depth(content: str, path: Path) -> None:
    """Raise CatalogueError for brackets, or marks of lists on one line, that are nested past all sense."""
    depth = 0
    for mark in re.finditer(r"[\[{]|[\]}]|(?:[-?][ \t]+){100}", content):
        depth += 1 if mark[0] in "[{" else -1 if mark[0] in "]}" else MOST_NESTED
        if depth >= MOST_NESTED:
            line = content.count("\n", 0, mark.start()) + 1
            raise CatalogueError("is nested too deeply to be meant", where=f"{path}:{line}")


def load_documents(path: Path, *, most: int = 1000) -> list[t.Any]:
    """Every YAML document of a file.

    Args:
        most: how many documents the file may hold.

    Raises:
        CatalogueError: unreadable or not YAML, with the line.
    """
    return load_text(read_text(path), path, most=most)


def load_text(content: str, path: Path, *, most: int = 1000) -> list[t.Any]:
    """The same for the text that was read from PATH."""
    _refuse_depth(content, path)
    try:
        documents = list(yaml.load_all(content, Loader=_StrictLoader))
    except yaml.reader.ReaderError as exc:
        # libyaml counts bytes.
        line = content.encode().count(b"\n", 0, exc.position) + 1
        raise CatalogueError("holds a control character, which YAML does not allow", where=f"{path}:{line}") from exc
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark
        line = mark.line + 1 if mark else 1
        raise CatalogueError(f"is not valid YAML: {exc.problem}", where=f"{path}:{line}") from exc
    if len(documents) > most:
        line = line_of(path, most, ())
        fix = "Leave out the line '---' between them"
        raise CatalogueError(f"holds {len(documents)} documents, only {most} is read", where=f"{path}:{line}", fix=fix)
    return documents


def line_of(path: Path, document: int, keys: t.Sequence[str | int]) -> int:
    """The 1-based line of a key in a YAML file. Composing again is slow, and only done for a message."""
    return lines_of(path, document, [keys])[0]


def lines_of(path: Path, document: int, all_keys: t.Sequence[t.Sequence[str | int]]) -> list[int]:
    """The same for several keys."""
    node = list(yaml.compose_all(read_text(path), Loader=_Loader))[document]
    return [_line(node, keys) for keys in all_keys]


def _line(node: yaml.Node, keys: t.Sequence[str | int]) -> int:
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
        check_document(path, index, document, schema)


def check_document(path: Path, index: int, document: t.Any, schema: Schema, root: Schema | None = None) -> None:
    """The same for document number INDEX of the file; SCHEMA may be a part of ROOT."""
    problem = next(violations(document, schema, root), None)
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
        types = schema["type"] if isinstance(schema["type"], str) else " or ".join(schema["type"])
        yield Problem(path, f"must be {_article(types)}, not {_name(value)}")
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
    if "not" in schema and next(violations(value, schema["not"], root, path), None) is None:
        yield Problem(path, f"must not hold {schema['not']['description']}")


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
    closest = max(
        (problems for problems in tried if problems), key=lambda problems: len(problems[0].path), default=None
    )
    yield closest[0] if closest else Problem(path, "matches more than one form")


def _is_type(value: t.Any, types: str | list[str]) -> bool:
    names = [types] if isinstance(types, str) else types
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


def _article(types: str) -> str:
    names = {
        "object": "a mapping",
        "array": "a list",
        "string": "text (in quotes)",
        "integer": "a number",
        "boolean": "true or false",
        "null": "empty",
    }
    return " or ".join(names[name] for name in types.split(" or "))
