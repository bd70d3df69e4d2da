# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking secrets out of what a program says, in the forms in which they travel."""

from __future__ import annotations

import base64
import json
import typing as t
from urllib.parse import quote, quote_plus

MASK = "********"
SHORTEST = 4


def forms(value: str) -> set[str]:
    """A value in plain, base64 (at every offset of a longer text), hexadecimal, URL and JSON form, and its longer lines."""
    content = value.encode(errors="surrogateescape")
    shapes = {
        value,
        content.hex(),
        content.hex().upper(),
        quote(content, safe=""),
        quote_plus(content),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
    }
    for shift in range(3):
        # The characters that depend on what stands before and after are left off.
        encoded = base64.b64encode(b"\0" * shift + content).decode().rstrip("=")
        middle = encoded[(0, 2, 3)[shift] : len(encoded) - (len(content) + shift) % 3]
        shapes |= {middle, middle.replace("+", "-").replace("/", "_")}
    shapes |= {line for line in value.splitlines() if len(line.strip()) >= 8}
    return {form for form in shapes if len(form) >= SHORTEST}


def redact(text: str, secrets: t.Iterable[str]) -> str:
    """The text without the secrets. Where one is too short to be found reliably, nothing of the text is shown."""
    values = [value for value in secrets if value]
    if any(len(value) < SHORTEST for value in values) and text:
        return f"{MASK} (output is not shown: one of the secrets has fewer than {SHORTEST} characters)"
    for form in sorted({form for value in values for form in forms(value)}, key=len, reverse=True):
        text = text.replace(form, MASK)
    return text
