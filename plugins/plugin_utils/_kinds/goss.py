# SPDX-License-Identifier: GPL-3.0-or-later
"""Constraints as Goss matchers, and paths into the evidence as Go templates.

Goss: https://goss.readthedocs.io/en/stable/gossfile/ (matchers and templates). Its matchers run on the value that
the template puts into the file, so they are a second implementation of judging.
"""

from __future__ import annotations

import json
import re
import typing as t

from .._constraint import Constraint, number, text
from .base import Check


class Template(str):
    """A Go template, written into the Goss file as it stands."""

    __slots__ = ()


def lookup(*path: str | int) -> str:
    """Go template expression for a value in the evidence; a missing key gives nothing, not an error."""
    expression = ".Vars"
    for part in path:
        expression = f"(index {expression} {json.dumps(part)})"
    return expression


def as_text(*path: str | int) -> Template:
    return Template(f'{{{{ {lookup(*path)} | default "" | toString | toJson }}}}')


def as_json(*path: str | int) -> Template:
    return Template(f"{{{{ {lookup(*path)} | toJson }}}}")


def matching(content: Template, matches: t.Any) -> Check:
    return Check("matching", {"content": content, "matches": matches})


def literal(value: object) -> str:
    """A regular expression (RE2) that matches VALUE itself."""
    return re.sub(r"([.+*?()\[\]{}|^$\\])", r"\\\1", text(value))


def mode_pattern(mask: str) -> str:
    """All modes that grant nothing beyond MASK: Goss compares modes as strings."""
    digits = []
    for digit in mask.rjust(4, "0"):
        allowed = "".join(str(bits) for bits in range(8) if bits & ~int(digit) == 0)
        digits.append(allowed if len(allowed) == 1 else f"[{allowed}]")
    return f"^{''.join(digits)}$"


def checks(constraint: Constraint, *path: str | int) -> list[Check]:
    """Goss resources that hold exactly where CONSTRAINT holds for the value at PATH of the evidence."""
    if constraint.absent:
        return [matching(as_text(*path), "")]
    shown, found = as_text(*path), []
    for operator, lower in (("ge", True), ("le", False)):
        bound = getattr(constraint, operator)
        if bound is not None:
            found += _bounds(bound, lower, *path)
    patterns: list[t.Any] = []
    if constraint.eq is not None:
        patterns.append({"match-regexp": f"(?i)^({_number_or_word(constraint.eq)})$"})
    if constraint.in_ is not None:
        patterns.append({"match-regexp": f"(?i)^({'|'.join(_number_or_word(one) for one in constraint.in_)})$"})
    if constraint.at_most is not None:
        patterns.append({"match-regexp": mode_pattern(constraint.at_most)})
    if constraint.subset_of is not None:
        one = f"({'|'.join(literal(item) for item in constraint.subset_of)})"
        patterns.append({"match-regexp": f"^{one}([, ]+{one})*$"})
    if constraint.none_of is not None:
        patterns.append({"match-regexp": "."})
        patterns.append({"not": {"match-regexp": f"(^|[, ])({'|'.join(literal(item) for item in constraint.none_of)})([, ]|$)"}})
    if constraint.some_of is not None:
        patterns.append({"match-regexp": f"(^|[, ])({'|'.join(literal(item) for item in constraint.some_of)})([, ]|$)"})
    return found + [matching(shown, pattern) for pattern in patterns]


def _number_or_word(value: object) -> str:
    parts = number(value)
    return literal(value) if parts is None or len(parts) > 1 else f"0*{literal(value).lstrip('0') or '0'}"


def _bounds(bound: object, lower: bool, *path: str | int) -> list[Check]:
    parts = number(bound) or ()
    raw = f"{lookup(*path)} | default \"\" | toString"
    # What is no number at all must not pass as 0.
    found = [matching(as_text(*path), {"match-regexp": "^-?[0-9]+" + ":[0-9]+" * (len(parts) - 1) + "$"})]
    for index, part in enumerate(parts):
        content = Template(f'{{{{ index (splitList ":" (printf "%s" ({raw}))) {index} | int64 }}}}')
        found.append(matching(content, {"ge" if lower else "le": int(part)}))
    return found
