# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables that files for a shell assign in the plain ways; they are read, never run."""

from __future__ import annotations

import re
import typing as t

from .configuration import text

_REFERENCE = re.compile(r"\$([A-Za-z_]\w*)|\$\{([A-Za-z_]\w*)(?::?-([^}]*))?\}")
_ASSIGNMENT = re.compile(r"^\s*(?:export\s+)?(\w+)(\+?)=(.*)$")
# Where a command begins, and what may or may not be reached.
_COMMAND = r"(?:^|[;&|]|\b(?:then|else|do|if|while|until)\b)\s*"
_OPENS = re.compile(rf"{_COMMAND}(?:(?:if|case|for|while|until)\b|[{{(]\s|[{{(]$|\w+\s*\(\)\s*\{{)")
_CLOSES = re.compile(rf"{_COMMAND}(?:fi|esac|done|[}})])(?=[\s;&|]|$)")
# Other ways to set a variable.
_SETS = re.compile(r"(?:^|[\s;&|({`])(\w+)\+?=|\$\{(\w+):?=")
_NAMES = re.compile(rf"{_COMMAND}(?:unset|read)\s+((?:[\w-]+\s*)+)")
_ANYTHING = re.compile(rf"{_COMMAND}(?:eval|source|\.)\s")


def assigned(paths: t.Sequence[str], names: t.Sequence[str], left_out: dict[str, str]) -> dict[str, str]:
    """The values of the variables NAMES after the files PATHS were sourced in order.

    Args:
        left_out: gets each file after which only a shell can tell what one of them is.
    """
    variables: dict[str, str] = {}
    unknown: dict[str, str] = {}  # by variable, where
    for path in paths:
        depth = 0
        for line in joined(text(path, left_out) or "").splitlines():
            if line.lstrip().startswith("#"):
                continue
            match = _ASSIGNMENT.match(line)
            value = None
            if match and not depth and not (match[2] and match[1] in unknown):
                value = _value(match[3].strip(), variables, unknown)
            if match and value is not None:
                unknown.pop(match[1], None)
                variables[match[1]] = variables.get(match[1], "") + value if match[2] else value
                continue
            code = re.sub(r"(^|\s)#.*", "", line)
            unknown.update(dict.fromkeys(names if _ANYTHING.search(code) else _set(code), path))
            depth = max(depth + len(_OPENS.findall(code)) - len(_CLOSES.findall(code)), 0)
    for name in (name for name in names if name in unknown):
        left_out[unknown[name]] = f'it sets {name} in a way that only a shell can follow: write VARIABLE="words"'
    return {name: variables[name] for name in names if name in variables}


def joined(content: str) -> str:
    """A script with each line that goes on with the next put together. A comment does not go on."""
    return re.sub(r"((?:^|[ \t;])#.*?)\\+$", r"\1", content, flags=re.MULTILINE).replace("\\\n", "")


def _set(code: str) -> list[str]:
    """Variables that a line sets, whether or not it is reached."""
    names = [one or other for one, other in _SETS.findall(code)]
    return names + [name for listed in _NAMES.findall(code) for name in listed.split()]


def _value(written: str, variables: t.Mapping[str, str], unknown: t.Container[str]) -> str | None:
    """The value of the right side of an assignment; None where more than quotes and variables would have to be followed."""
    quoted = re.fullmatch(r'"((?:[^"\\`]|\\.)*)"\s*(?:#.*)?', written)
    if quoted:
        return _expanded(quoted[1], variables, unknown)
    single = re.fullmatch(r"'([^']*)'\s*(?:#.*)?", written)
    if single:
        return single[1]
    bare = re.fullmatch(r"([^\s;&|`\"'()<>]*)\s*(?:\s#.*)?", written)
    return _expanded(bare[1], variables, unknown) if bare else None


def _expanded(written: str, variables: t.Mapping[str, str], unknown: t.Container[str]) -> str | None:
    if any((one or other) in unknown for one, other, _default in _REFERENCE.findall(written)):
        return None
    value = _REFERENCE.sub(lambda m: variables.get(m[1] or m[2], "") or m[3] or "", written)
    return None if "$" in value.replace("\\$", "") else value.replace('\\"', '"').replace("\\$", "$")
