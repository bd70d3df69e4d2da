# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables that files for a shell assign in the plain ways; they are read, never run."""

from __future__ import annotations

import re
import typing as t

from .configuration import text

_REFERENCE = re.compile(r"\$([A-Za-z_]\w*)|\$\{([A-Za-z_]\w*)(?::?-([^}]*))?\}")


def assigned(paths: t.Sequence[str], names: t.Sequence[str], left_out: dict[str, str]) -> dict[str, str]:
    """The values of the variables NAMES after the files PATHS were sourced in order.

    Args:
        left_out: gets each file that assigns one in a way that only a shell can follow.
    """
    variables: dict[str, str] = {}
    line_of = re.compile(rf"^\s*(?:export\s+)?({'|'.join(names)})(\+?)=(.*)$")
    for path in paths:
        content = (text(path, left_out) or "").replace("\\\n", "")
        for line in content.splitlines():
            match = line_of.match(line)
            if not match:
                continue
            value = _value(match[3].strip(), variables)
            if value is None:
                left_out[path] = f'it sets {match[1]} in a way that only a shell can follow: write VARIABLE="words"'
                continue
            variables[match[1]] = variables.get(match[1], "") + value if match[2] else value
    return variables


def _value(written: str, variables: t.Mapping[str, str]) -> str | None:
    """The value of the right side of an assignment; None where more than quotes and variables would have to be followed."""
    quoted = re.fullmatch(r'"((?:[^"\\`]|\\.)*)"\s*(?:#.*)?', written)
    if quoted:
        return _expanded(quoted[1], variables)
    single = re.fullmatch(r"'([^']*)'\s*(?:#.*)?", written)
    if single:
        return single[1]
    bare = re.fullmatch(r"([^\s;&|`\"'()<>]*)\s*(?:\s#.*)?", written)
    return _expanded(bare[1], variables) if bare else None


def _expanded(written: str, variables: t.Mapping[str, str]) -> str | None:
    value = _REFERENCE.sub(lambda m: variables.get(m[1] or m[2], "") or m[3] or "", written)
    return None if "$" in value.replace("\\$", "") else value.replace('\\"', '"').replace("\\$", "$")
