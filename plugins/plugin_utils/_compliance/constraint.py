# SPDX-License-Identifier: GPL-3.0-or-later
"""Constraints: what a value must satisfy, how two benchmarks' demands meet, and what to set.

A constraint is written as a scalar (equal) or as a mapping of operators::

    0   {ge: 14}   {ge: 1, le: 300, set: 300}   {in: [1, 2]}   {at_most: "0640"}
    {subset_of: [..]}   {none_of: [..]}   {some_of: [..]}   {absent: true}
"""

from __future__ import annotations

import operator
import re
import typing as t
from dataclasses import dataclass, replace

Scalar = t.Union[str, int, bool]
OPERATORS = ("eq", "ge", "le", "in", "set", "at_most", "subset_of", "none_of", "some_of", "absent")
"""Every operator; `schemas.py` says which operands each takes, and a test holds the two together."""


# No "nan", "1_000" or blanks, which Python would take, and no more digits than it converts.
_NUMBER = re.compile(r"-?[0-9]{1,300}(\.[0-9]{1,300})?")


class EmptyMeetError(Exception):
    """No value satisfies both constraints."""


def text(value: object) -> str:
    """A value as configuration files write it: booleans as yes/no, lists joined by commas."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ",".join(text(item) for item in value)
    return str(value)


def number(value: object) -> tuple[float, ...] | None:
    """A number, or a colon-separated list of them (sshd's MaxStartups), comparable part by part."""
    if isinstance(value, bool):
        return None
    parts = str(value).split(":")
    if not all(_NUMBER.fullmatch(part) for part in parts):
        return None
    return tuple(float(part) if "." in part else int(part) for part in parts)


def items(value: object) -> list[str]:
    """A list value: a list as it is, a string split at commas and blanks, as sshd and timesyncd write them."""
    if isinstance(value, (list, tuple)):
        return [text(item) for item in value]
    return text(value).replace(",", " ").split()


def same(left: object, right: object) -> bool:
    """Equality as configuration files mean it: numbers by value, words without regard to case."""
    one, other = number(left), number(right)
    if one is not None and other is not None:
        return one == other
    return text(left).casefold() == text(right).casefold()


def bounded(value: object, bound: object, *, lower: bool) -> bool:
    one, other = number(value), number(bound)
    if one is None or other is None or len(one) != len(other):
        return False
    return all(a >= b if lower else a <= b for a, b in zip(one, other))


def mode(value: object) -> int | None:
    """A file mode in octal digits; None for what is none."""
    try:
        return int(text(value), 8)
    except ValueError:
        return None


def within(value: object, mask: str) -> bool:
    """Whether a file mode grants nothing beyond MASK."""
    bits, allowed = mode(value), mode(mask)
    return bits is not None and allowed is not None and bits | allowed == allowed


@dataclass(frozen=True)
class Constraint:
    """Operators and their operands; an operator that is None does not apply.

    Attributes:
        some_of: lists of which each must have at least one item in the value. One is written; meeting others adds theirs.
    """

    eq: Scalar | None = None
    ge: Scalar | None = None
    le: Scalar | None = None
    in_: tuple[Scalar, ...] | None = None
    set_: t.Any = None
    at_most: str | None = None
    subset_of: tuple[str, ...] | None = None
    none_of: tuple[str, ...] | None = None
    some_of: tuple[tuple[str, ...], ...] | None = None
    absent: bool = False

    @classmethod
    def parse(cls, raw: object) -> Constraint:
        """Read a constraint from catalogue data that its schema has accepted.

        Raises:
            ValueError: an unknown operator, a bound that is no number, operators that contradict each other, or a `set`
                that the rest refuses.
        """
        if not isinstance(raw, dict):
            return cls(eq=t.cast("Scalar", raw))
        unknown = sorted(set(raw) - set(OPERATORS))
        if unknown:
            raise ValueError(f"unknown operator '{unknown[0]}' (one of {', '.join(OPERATORS)})")

        def sequence(key: str) -> t.Any:
            return tuple(raw[key]) if key in raw else None

        made = cls(
            eq=raw.get("eq"),
            ge=raw.get("ge"),
            le=raw.get("le"),
            in_=sequence("in"),
            set_=raw.get("set"),
            at_most=raw.get("at_most"),
            subset_of=sequence("subset_of"),
            none_of=sequence("none_of"),
            some_of=(tuple(raw["some_of"]),) if "some_of" in raw else None,
            absent=bool(raw.get("absent", False)),
        )
        for name, bound in (("ge", made.ge), ("le", made.le)):
            if bound is not None and number(bound) is None:
                raise ValueError(f"'{name}: {text(bound)}' is no number")
        try:
            made._refuse_empty()
        except EmptyMeetError:
            raise ValueError(f"nothing satisfies {made.describe()}") from None
        if made.set_ is not None and not made.holds(made.set_):
            raise ValueError(f"'set: {text(made.set_)}' does not satisfy {made.describe()}")
        return made

    def holds(self, actual: object) -> bool:
        """Whether ACTUAL (None when the setting is absent) satisfies every operator."""
        if actual is None:
            return self.absent
        return not self.absent and all(
            (
                self.eq is None or same(actual, self.eq),
                self.ge is None or bounded(actual, self.ge, lower=True),
                self.le is None or bounded(actual, self.le, lower=False),
                self.in_ is None or any(same(actual, one) for one in self.in_),
                self.at_most is None or within(actual, self.at_most),
                # An empty list satisfies nothing that is asked of a list.
                self.subset_of is None or set() < set(items(actual)) <= set(self.subset_of),
                self.none_of is None or (bool(items(actual)) and not set(items(actual)) & set(self.none_of)),
                self.some_of is None or all(set(items(actual)) & set(one) for one in self.some_of),
            )
        )

    def target(self, actual: object = None) -> object:
        """The value to set; None to remove. A list keeps what is allowed of ACTUAL."""
        if self.absent:
            return None
        if self.set_ is not None:
            return self.set_
        if self.eq is not None:
            return self.eq
        if self.in_ is not None:
            return next(one for one in self.in_ if self.holds(one))
        if self.le is not None:
            return self.le
        if self.ge is not None:
            return self.ge
        if self.at_most is not None:
            return f"{(0o7777 if actual is None else mode(actual) or 0) & int(self.at_most, 8):04o}"
        return self._list(actual)

    def _list(self, actual: object) -> list[str]:
        """ACTUAL without what is refused, and with what each of `some_of` still lacks."""
        allowed = list(self.subset_of) if self.subset_of is not None else []
        kept = [one for one in items(actual or "") if self.subset_of is None or one in allowed]
        kept = [one for one in kept or allowed if one not in (self.none_of or ())]
        for choices in self.some_of or ():
            if not set(kept) & set(choices):
                kept = [next(one for one in choices if self._may_hold(one)), *kept]
        return kept

    def _may_hold(self, item: str) -> bool:
        """Whether a list may have this item."""
        return (self.subset_of is None or item in self.subset_of) and item not in (self.none_of or ())

    def meet(self, other: Constraint) -> Constraint:
        """The constraint that holds exactly where both hold.

        Raises:
            EmptyMeetError: nothing satisfies both.
        """
        if self.absent or other.absent:
            if self.absent and other.absent:
                return self
            raise EmptyMeetError
        if self.eq is not None and other.eq is not None and not same(self.eq, other.eq):
            raise EmptyMeetError
        met = Constraint(
            eq=self.eq if self.eq is not None else other.eq,
            ge=_tighter(self.ge, other.ge, max),
            le=_tighter(self.le, other.le, min),
            in_=_common(self.in_, other.in_, same),
            at_most=_mask(self.at_most, other.at_most),
            subset_of=_common(self.subset_of, other.subset_of, operator.eq),
            none_of=_all(self.none_of, other.none_of),
            some_of=_all(self.some_of, other.some_of),
        )
        met._refuse_empty()
        for wish in (self.set_, other.set_):
            if wish is not None and met.holds(wish):
                return Constraint(**{**met.__dict__, "set_": wish})
        return met

    def implies(self, other: Constraint) -> bool:
        """Whether every value that satisfies this one satisfies OTHER too."""
        try:
            met = self.meet(other)
        except EmptyMeetError:
            return False
        if self.eq is not None:
            return other.holds(self.eq)
        if self.in_ is not None:
            return all(other.holds(one) for one in self.in_)
        return replace(met, set_=self.set_) == self

    def _refuse_empty(self) -> None:
        if self.ge is not None and self.le is not None and not bounded(self.ge, self.le, lower=False):
            raise EmptyMeetError
        if self.eq is not None and not self.holds(self.eq):
            raise EmptyMeetError
        if self.in_ is not None and not any(self.holds(one) for one in self.in_):
            raise EmptyMeetError
        if self.subset_of is not None and not any(self._may_hold(one) for one in self.subset_of):
            raise EmptyMeetError
        if not all(any(self._may_hold(one) for one in choices) for choices in self.some_of or ()):
            raise EmptyMeetError

    def describe(self) -> str:
        """The constraint in a few words, for tables and messages."""
        if self.absent:
            return "absent"
        parts = [
            text(self.eq) if self.eq is not None else "",
            f">= {text(self.ge)}" if self.ge is not None else "",
            f"<= {text(self.le)}" if self.le is not None else "",
            " or ".join(text(one) for one in self.in_) if self.in_ is not None else "",
            f"{self.at_most} or stricter" if self.at_most is not None else "",
            f"only {','.join(self.subset_of)}" if self.subset_of is not None else "",
            f"none of {','.join(self.none_of)}" if self.none_of is not None else "",
            *(f"at least one of {','.join(choices)}" for choices in self.some_of or ()),
        ]
        return ", ".join(part for part in parts if part) or "set"

    def raw(self) -> dict[str, object]:
        """The constraint as catalogue data, operators that apply only."""
        pairs = {name: getattr(self, {"in": "in_", "set": "set_"}.get(name, name)) for name in OPERATORS}
        if self.some_of is not None and len(self.some_of) == 1:
            pairs["some_of"] = self.some_of[0]
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in pairs.items()
            if value is not None and value is not False
        }


def _tighter(one: Scalar | None, other: Scalar | None, choose: t.Callable[[float, float], float]) -> Scalar | None:
    """The bound that both bounds make: of "10:30:60" and "5:60:100" part by part."""
    if one is None or other is None:
        return other if one is None else one
    left, right = number(one) or (), number(other) or ()
    if len(left) != len(right):
        raise EmptyMeetError
    parts = tuple(choose(a, b) for a, b in zip(left, right))
    if parts in (left, right):
        return one if parts == left else other
    return ":".join(text(part) for part in parts)


def _mask(one: str | None, other: str | None) -> str | None:
    if one is None or other is None:
        return other if one is None else one
    return f"{int(one, 8) & int(other, 8):04o}"


def _common(
    one: tuple[t.Any, ...] | None, other: tuple[t.Any, ...] | None, alike: t.Callable[[t.Any, t.Any], bool]
) -> tuple[t.Any, ...] | None:
    if one is None or other is None:
        return other if one is None else one
    common = tuple(item for item in one if any(alike(item, another) for another in other))
    if not common:
        raise EmptyMeetError
    return common


def _all(one: tuple[t.Any, ...] | None, other: tuple[t.Any, ...] | None) -> tuple[t.Any, ...] | None:
    if one is None or other is None:
        return other if one is None else one
    return tuple(dict.fromkeys((*one, *other)))
