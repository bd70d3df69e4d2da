# SPDX-License-Identifier: GPL-3.0-or-later
"""Constraints as Goss matchers, and paths into the evidence as Go templates.

Goss: https://goss.readthedocs.io/en/stable/gossfile/ (matchers and templates). Its matchers run on the value that
the template puts into the file, so they are a second implementation of judging.
"""

from __future__ import annotations

import json
import re
import typing as t

from ..constraint import Constraint, number, text
from .base import Check


class Template(str):
    """A Go template, written into the Goss file as it stands."""

    __slots__ = ()


def lookup(*path: str | int) -> str:
    """Go template expression for a value in the evidence; a missing key gives nothing, not an error.

    ``dig`` (sprig) is one call for all keys; it knows no lists, so a path with an index is taken step by step.
    """
    path = ("sections", path[0], "items", *path[1:])
    if all(isinstance(part, str) for part in path):
        return f'(dig {" ".join(json.dumps(part, ensure_ascii=False) for part in path)} "" .Vars)'
    expression = ".Vars"
    for part in path:
        # index of nothing is an error in Go; of an empty mapping it is nothing.
        parent = f"({expression} | default dict)" if isinstance(part, str) and expression != ".Vars" else expression
        expression = f"(index {parent} {json.dumps(part)})"
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
    return checks_on(constraint, lookup(*path))


def checks_on_default(constraint: Constraint, value: str | None) -> list[Check]:
    """The same for a program's own default, which no file states."""
    return checks_on(constraint, json.dumps(value or ""))


def checks_on(constraint: Constraint, expression: str) -> list[Check]:
    """The same for the value of a Go template expression."""
    shown = Template(f'{{{{ {expression} | default "" | toString | toJson }}}}')
    if constraint.absent:
        return [matching(shown, "")]
    made = []
    for operator, bound in (("ge", constraint.ge), ("le", constraint.le)):
        if bound is not None:
            made += _bounds(bound, operator, expression, shown)
    return made + [
        matching(shown, {"not": {"match-regexp": pattern}} if negated else {"match-regexp": pattern})
        for pattern, negated in patterns(constraint)
    ]


def patterns(constraint: Constraint) -> list[tuple[str, bool]]:
    """Regular expressions (RE2) that the text of a value must match, or with True must not, for all operators but bounds."""
    made: list[tuple[str, bool]] = []
    if constraint.eq is not None:
        made.append((f"(?i)^({_number_or_word(constraint.eq)})$", False))
    if constraint.in_ is not None:
        made.append((f"(?i)^({'|'.join(_number_or_word(one) for one in constraint.in_)})$", False))
    if constraint.at_most is not None:
        made.append((mode_pattern(constraint.at_most), False))
    if constraint.subset_of is not None:
        one = _any(constraint.subset_of)
        made.append((f"^{one}([, ]+{one})*$", False))
    if constraint.none_of is not None:
        made += [(".", False), (f"(^|[, ]){_any(constraint.none_of)}([, ]|$)", True)]
    return made + [(f"(^|[, ]){_any(choices)}([, ]|$)", False) for choices in constraint.some_of or ()]


def _any(values: tuple[str, ...]) -> str:
    return f"({'|'.join(literal(value) for value in values)})"


def _number_or_word(value: object) -> str:
    parts = number(value)
    return literal(value) if parts is None or len(parts) > 1 else f"0*{literal(value).lstrip('0') or '0'}"


def _bounds(bound: object, operator: str, expression: str, shown: Template) -> list[Check]:
    parts = number(bound) or ()
    # What is no number at all must not pass as 0.
    made = [matching(shown, {"match-regexp": "^-?[0-9]+" + ":[0-9]+" * (len(parts) - 1) + "$"})]
    # Enough colons that a value with too few parts is compared as empty, not an error of the whole file.
    pieces = f'splitList ":" (printf "%s{":" * len(parts)}" ({expression} | default "" | toString))'
    for index, part in enumerate(parts):
        made.append(matching(Template(f"{{{{ index ({pieces}) {index} | int64 }}}}"), {operator: int(part)}))
    return made
