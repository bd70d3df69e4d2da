# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server says of a failure, less what was sent to it: its words help, and may quote a secret."""

from __future__ import annotations

import json
import re
import typing as t
import urllib.parse

HIDDEN = "***"
# The longest reason that is shown.
LONGEST = 400
# A name of the API, or an English word: what was sent may be in it as a part.
_WORD = re.compile(r"[^\s\"'`,;()\[\]{}<>]+")


def reasons(content: bytes) -> tuple[list[str], dict[str, t.Any]]:
    """The errors of an answer, and all of it; both are empty where it is no JSON."""
    try:
        answer = json.loads(content)
    except ValueError:
        return [], {}
    if not isinstance(answer, dict):
        return [], {}
    errors = answer.get("errors")
    return [str(error) for error in errors] if isinstance(errors, list) else [], answer


def without(said: t.Sequence[str], sent: t.Any) -> str:
    """The errors in one line, without any text that was sent, whole or in part.

    Args:
        sent: the body of the request, and other secrets; names of fields and the text of policies are no secrets.
    """
    text = "; ".join(
        line.strip(" *\t")
        for error in said
        for line in error.splitlines()
        if not re.match(r"\d+ errors? occurred", line)
    )
    text = "".join(character if character.isprintable() else " " for character in text).strip(" ;")
    values = sorted(set(_texts(sent)), key=len, reverse=True)
    for value in values:
        if len(value) >= 4:
            text = text.replace(value, HIDDEN)
        elif value:
            text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", HIDDEN, text)

    def part(word: t.Match[str]) -> str:
        bare = word[0].strip(".:")
        quoted = any(len(bare) >= 4 and bare in value for value in values)
        return word[0].replace(bare, HIDDEN) if quoted else word[0]

    text = _WORD.sub(part, text)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _texts(sent: t.Any, field: str = "") -> t.Iterator[str]:
    if isinstance(sent, t.Mapping):
        for name, value in sent.items():
            yield from _texts(value, str(name))
    elif isinstance(sent, (list, tuple)):
        for value in sent:
            yield from _texts(value, field)
    elif isinstance(sent, bool) or sent is None or field == "policy":
        return
    else:
        text = str(sent)
        yield text
        # As a server writes it that quotes it, or has put it into an address.
        yield json.dumps(text)[1:-1]
        yield from (urllib.parse.quote(text, safe=""), urllib.parse.quote_plus(text))
        yield from (line for line in text.splitlines() if len(line) >= 4)
