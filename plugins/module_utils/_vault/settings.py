# SPDX-License-Identifier: GPL-3.0-or-later
"""Wanted settings against those a server shows: what differs, whatever the notation."""

from __future__ import annotations

import re
import typing as t

from .errors import VaultError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def seconds(value: t.Any) -> int | None:
    """Seconds of a duration (``90``, ``"90s"``, ``"1h30m"``, ``"30d"``); None where it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    text = str(value).strip()
    if re.fullmatch(r"\d+", text):
        return int(text)
    if not re.fullmatch(r"(\d+[smhdw])+", text):
        return None
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([smhdw])", text))


def span(text: str, option: str, *, less_than: str | None = None) -> int:
    """Seconds of a duration that an option gives.

    Raises:
        VaultError: it is none, or not less than another.
    """
    length = seconds(text)
    if length is None:
        raise VaultError(f"{option}: '{text}' is no duration", kind="invalid", fix="Write 90s, 15m, 24h or 30d")
    if less_than is not None and length >= (seconds(less_than) or 0):
        raise VaultError(
            f"{option}: {text} is not less than the ttl {less_than}",
            kind="invalid",
            fix="It would be renewed every time",
        )
    return length


def equal(desired: t.Any, current: t.Any) -> bool:
    """Whether a server shows what was asked for: lists in any order, durations in any unit, numbers as text."""
    if desired == current:
        return True
    if isinstance(current, dict) and isinstance(desired, dict) and desired:
        return set(desired) == set(current) and all(equal(value, current[key]) for key, value in desired.items())
    if isinstance(current, list) or isinstance(desired, list):
        return sorted(map(_address, _listed(desired))) == sorted(map(_address, _listed(current)))
    if isinstance(current, bool) or isinstance(desired, bool):
        return str(desired).lower() in (
            {"true", "yes", "1"} if current in (True, "true") else {"false", "no", "0", "none", ""}
        )
    if current is None or desired is None or desired == {}:
        return desired in ("", None, {}) and current in ("", None, {})
    length, other = seconds(desired), seconds(current)
    if length is not None and other is not None:
        return length == other
    return str(desired).strip() == str(current).strip()


def same(one: t.Any, other: t.Any) -> bool:
    """Whether two values are the same in JSON, where 1 is not true."""
    if isinstance(one, dict) and isinstance(other, dict):
        return set(one) == set(other) and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _address(item: t.Any) -> str:
    """A list's item as text; the network of a single address is that address."""
    return re.sub(r"^([0-9.]+)/32$|^([0-9a-fA-F:]+)/128$", r"\1\2", str(item))


def _listed(value: t.Any) -> list[t.Any]:
    if value in (None, ""):
        return []
    return value if isinstance(value, list) else [part.strip() for part in str(value).split(",")]


def differing(desired: t.Mapping[str, t.Any], current: t.Mapping[str, t.Any] | None) -> list[str]:
    """Names of settings whose value is not the wanted one. Settings that are not named stay as they are."""
    if current is None:
        return sorted(desired)
    # What a server does not show is empty.
    return sorted(name for name, value in desired.items() if not equal(value, current.get(name)))


def names_diff(
    changed: t.Iterable[str], before: t.Mapping[str, t.Any] | None, desired: t.Mapping[str, t.Any] | None
) -> dict[str, str]:
    """A diff of names, never of values."""
    changed = set(changed)

    def side(values: t.Mapping[str, t.Any] | None, changed_word: str) -> str:
        if values is None:
            return ""
        names = sorted(set(values) & (set(desired or {}) | changed) if desired is not None else set(values))
        return "".join(f"{name}: {changed_word if name in changed else 'unchanged'}\n" for name in names)

    return {"before": side(before, "before"), "after": side(desired, "changed")}
