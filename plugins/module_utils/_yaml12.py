# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML as sops reads it: version 1.2 as go-yaml has it (https://github.com/yaml/go-yaml/blob/v3/resolve.go).

PyYAML follows version 1.1, where ``yes`` is true, ``12:30`` is 750 and ``0o17`` is a text.
"""

from __future__ import annotations

import datetime
import functools
import re
import typing as t

try:
    import yaml
except ImportError:
    yaml = None  # type: ignore[assignment]  # modules say that it is missing

TAG = "tag:yaml.org,2002:"
# In this order: what looks like a date is one, and what is no whole number may be a broken one.
PATTERNS = {
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "merge": (r"<<", "<"),
    "timestamp": (
        r"\d{4}-\d{1,2}-\d{1,2}(?:[Tt ]\d{1,2}:\d{1,2}:\d{1,2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})?)?",
        "0123456789",
    ),
    "int": (
        r"[-+]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO]?[0-7_]+|0|[1-9][0-9_]*)",
        "-+0123456789",
    ),
    "float": (
        r"[-+]?(?:\.[0-9][0-9_]*|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+0123456789.",
    ),
}
BASES = {"x": 16, "b": 2, "o": 8}


class MalformedYamlError(ValueError):
    """The message names line and cause, and never quotes the text."""


def load(text: str) -> t.Any:
    """The values of a text; points in time are aware ``datetime`` objects.

    Raises:
        MalformedYamlError: it is no YAML, has a key twice, or holds what sops cannot keep.
    """
    return _guarded(lambda: yaml.load(text, Loader=_loader()))  # a loader of plain values only


def compose(text: str) -> t.Any:
    """The root node, for those who need a value as it is written.

    Raises:
        MalformedYamlError: it is no YAML.
    """
    return _guarded(lambda: yaml.compose(text, Loader=_loader()))


def construct(node: t.Any) -> t.Any:
    """The values of a node of `compose`."""
    return _guarded(lambda: _loader()("").construct_document(node))


def _guarded(read: t.Callable[[], t.Any]) -> t.Any:
    try:
        return read()
    except MalformedYamlError:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        mark = getattr(exc, "problem_mark", None)
        if "single document" in str(getattr(exc, "context", "")):
            raise MalformedYamlError("holds several documents, where one is read") from None
        raise MalformedYamlError(f"line {mark.line + 1} cannot be read" if mark else "cannot be read") from None


@functools.lru_cache(maxsize=1)
def _loader() -> t.Any:
    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # one of two classes
        yaml_implicit_resolvers: t.ClassVar[dict[str, t.Any]] = {}

    for name, (pattern, first) in PATTERNS.items():
        Loader.add_implicit_resolver(TAG + name, re.compile(f"(?:{pattern})\\Z"), list(first))
    for name, construct_one in {
        "int": _int, "float": _float, "timestamp": _timestamp, "map": _mapping, "set": _mapping, "binary": _binary,
    }.items():  # fmt: skip
        Loader.add_constructor(TAG + name, construct_one)
    return Loader


def _line(node: t.Any) -> str:
    return f"line {node.start_mark.line + 1}"


def _int(_loader: t.Any, node: t.Any) -> int:
    text = node.value.replace("_", "").lower()
    digits = text.lstrip("+-")
    base = BASES.get(digits[1:2], 8 if len(digits) > 1 and digits[0] == "0" else 10)
    number = int(digits[2:] if digits[1:2] in BASES else digits, base) * (-1 if text[0] == "-" else 1)
    if not -(2**63) <= number < 2**63:
        raise MalformedYamlError(f"{_line(node)} has a number of more than 64 bits: write it in quotes")
    return number


def _float(_loader: t.Any, node: t.Any) -> float:
    text = node.value.replace("_", "").lower()
    return float(text.replace(".inf", "inf").replace(".nan", "nan"))


def _timestamp(loader: t.Any, node: t.Any) -> datetime.datetime:
    value = loader.construct_yaml_timestamp(node)
    if not isinstance(value, datetime.datetime):
        value = datetime.datetime(value.year, value.month, value.day)
    return value.replace(tzinfo=value.tzinfo or datetime.timezone.utc)


def _binary(loader: t.Any, node: t.Any) -> str:
    """A text, as go-yaml has it."""
    return str(loader.construct_yaml_binary(node).decode(errors="surrogateescape"))


def _mapping(loader: t.Any, node: t.Any) -> t.Iterator[dict[str, t.Any]]:
    seen: set[str] = set()
    for key, _value in node.value:
        if key.tag == TAG + "merge":
            continue
        if key.tag != TAG + "str":
            raise MalformedYamlError(f"{_line(key)} has a key that is no text: write it in quotes")
        if key.value in seen:
            raise MalformedYamlError(f"{_line(key)} has a key that stands above already")
        seen.add(key.value)
    mapping: dict[str, t.Any] = {}
    yield mapping
    mapping.update(loader.construct_mapping(node))
