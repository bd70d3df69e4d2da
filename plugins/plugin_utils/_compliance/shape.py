# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of what a host answers: a host is not trusted, and one odd type would end a whole run's report in a traceback."""

from __future__ import annotations

import math
import typing as t
from dataclasses import dataclass

DEEPEST = 16
MOST_VALUES = 2_000_000


@dataclass(frozen=True)
class Shape:
    """What a value must be.

    Attributes:
        name: how an operator reads it.
        types: accepted types; a bool is accepted only where it is named.
        items: shape of each item of a list, or of each value of a mapping whose keys are names.
        keys: shapes of known keys of a mapping; a key that is not there, or not known, is no mismatch.
        optional: whether null is accepted too.
    """

    name: str
    types: tuple[type, ...]
    items: Shape | None = None
    keys: t.Mapping[str, Shape] | None = None
    optional: bool = False


TEXT = Shape("text", (str,))
FLAG = Shape("true or false", (bool,))
COUNT = Shape("a whole number", (int,))
NUMBER = Shape("a number", (int, float))
ANYTHING = Shape("anything", (object,))


def each(shape: Shape) -> Shape:
    return Shape("a list", (list,), items=shape)


def by_name(shape: Shape) -> Shape:
    return Shape("a mapping", (dict,), items=shape)


def record(**keys: Shape) -> Shape:
    return Shape("a mapping", (dict,), keys=keys)


def maybe(shape: Shape) -> Shape:
    return Shape(shape.name, shape.types, shape.items, shape.keys, optional=True)


def mismatch(value: t.Any, shape: Shape, where: str = "") -> str:
    """The first place where VALUE is not of SHAPE, with what stands there; empty where it is."""
    first = _mismatch(value, shape)
    return f"{where + first[0] or 'it'} {first[1]}" if first else ""


def _mismatch(value: t.Any, shape: Shape) -> tuple[str, str] | None:
    """The place below VALUE, and what it must be: put together on the way out, for nearly every value is right."""
    if shape is ANYTHING or (value is None and shape.optional):
        return None
    fits = isinstance(value, shape.types) and (not isinstance(value, bool) or bool in shape.types)
    if not fits or (isinstance(value, float) and not math.isfinite(value)):
        return "", f"must be {shape.name}, not {_named(value)}"
    if isinstance(value, dict):
        keys = dict.fromkeys(value, shape.items) if shape.items else shape.keys or {}
        for key, one in keys.items():
            if key in value and (first := _mismatch(value[key], one)):
                return f".{key}{first[0]}", first[1]
    elif isinstance(value, list) and shape.items:
        for index, item in enumerate(value):
            if first := _mismatch(item, shape.items):
                return f"[{index}]{first[0]}", first[1]
    return None


def too_much(value: t.Any) -> str:
    """Why VALUE (from JSON) is deeper or holds more values than anything that is read here; empty where it does not."""
    level, seen = [value], 0
    for _depth in range(DEEPEST + 1):
        level = [
            item
            for one in level
            if isinstance(one, (dict, list))
            for item in (one.values() if isinstance(one, dict) else one)
        ]
        seen += len(level)
        if seen > MOST_VALUES:
            return f"it holds more than {MOST_VALUES:,} values"
        if not level:
            return ""
    return f"it is nested more than {DEEPEST} deep"


def _named(value: t.Any) -> str:
    names = {dict: "a mapping", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
    return f"{names.get(type(value), 'nothing')} ({str(value)[:60]!r})" if value is not None else "nothing"
