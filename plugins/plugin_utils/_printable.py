# SPDX-License-Identifier: GPL-3.0-or-later
"""Text of hosts and people as it may reach a terminal, a page or a spreadsheet."""

from __future__ import annotations

import typing as t
import unicodedata

# Control, format (bidirectional overrides, zero width), surrogate, private and unassigned characters, and the two
# separators that some programs take for a line's end. See https://www.unicode.org/reports/tr44/#General_Category_Values
_UNSEEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))


def printable(text: str) -> str:
    """TEXT with every character that does not show as itself written as an escape (``\\n``, ``\\x1b``, ``\\u202e``)."""
    if text.isascii() and text.isprintable():  # nearly every one is
        return text
    return "".join(
        char.encode("unicode_escape").decode() if unicodedata.category(char) in _UNSEEN else char for char in text
    )


def printable_all(value: t.Any) -> t.Any:
    """VALUE (as JSON has it) with every text and every key made printable."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {printable(str(key)): printable_all(item) for key, item in value.items()}
    if isinstance(value, list):
        return [printable_all(item) for item in value]
    return value
