# SPDX-License-Identifier: GPL-3.0-or-later
"""References to secrets: ``<store>[+<engine>]://<path>[#<field>][?<option>=<value>&...]``.

An engine of the store makes the secret when it is asked for, and it ends with the run.

A ``#``, ``?``, ``%``, ``&`` or ``=`` that belongs to a part is percent-encoded (RFC 3986, section 2.1). Control characters, and
anything that could be read in two ways, are errors with a position.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t
from functools import partial
from types import MappingProxyType
from urllib.parse import quote, unquote

from .errors import MalformedReferenceError

STORE = re.compile(r"[a-z][a-z0-9_]*")
ENGINE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
OPTION = re.compile(r"[a-z][a-z0-9_]*")
LONGEST = 8192
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclasses.dataclass(frozen=True)
class Reference:
    """A parsed reference; every part is decoded."""

    store: str
    path: str
    field: str = ""
    options: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    engine: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", MappingProxyType(dict(self.options)))

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        """The one way to write this reference: parsing it gives an equal one."""
        field = f"#{quote(self.field, safe='/:@ ')}" if self.field else ""
        pairs = "&".join(f"{name}={quote(value, safe='/:@ ')}" for name, value in sorted(self.options.items()))
        engine = f"+{self.engine}" if self.engine else ""
        return f"{self.store}{engine}://{quote(self.path, safe='/:@ ')}{field}{'?' + pairs if pairs else ''}"


def parse(text: str) -> Reference:
    """Read a reference.

    Raises:
        MalformedReferenceError: names the position (from 1) and what is wrong there.
    """
    if not isinstance(text, str):
        raise MalformedReferenceError(f"a reference is text, not {type(text).__name__}", fix="Write <store>://<path>")

    def wrong(position: int, what: str) -> MalformedReferenceError:
        fix = "Write <store>://<path>[#<field>][?version=<n>]"
        return MalformedReferenceError(f"position {position + 1}: {what}", where=_shown(text), fix=fix)

    if len(text) > LONGEST:
        raise wrong(LONGEST, f"longer than {LONGEST:,} characters")
    for position, character in enumerate(text):
        if ord(character) < 32 or ord(character) == 127:
            raise wrong(position, "a control character")
    scheme, mark, rest = text.partition("://")
    if not mark:
        raise wrong(len(text), "'://' is missing")
    store, plus, engine = scheme.partition("+")
    name = STORE.match(store)
    if not name or name.end() != len(store):
        raise wrong(name.end() if name else 0, "a store's name has small letters, digits and '_'")
    if plus and not ENGINE.fullmatch(engine):
        raise wrong(
            len(store) + 1, "an engine's name has letters, digits, '_' and '-'; what lies deeper begins the path"
        )
    broken = _ESCAPE.search(text)
    if broken:
        raise wrong(broken.start(), "'%' must be followed by two hexadecimal digits")
    offset = len(scheme) + len(mark)
    body, question, query = rest.partition("?")
    path, hash_mark, field = body.partition("#")
    if not path:
        raise wrong(offset, "the path is empty")
    if hash_mark and not field:
        raise wrong(offset + len(path), "the field after '#' is empty")
    if "#" in field:
        raise wrong(offset + len(path) + 1 + field.index("#"), "a second '#'")
    if "#" in query:
        raise wrong(offset + len(body) + 1 + query.index("#"), "'#' after '?': the field comes first")
    escapes = "escapes that are no UTF-8, or hide a control character"
    options = _options(query, offset + len(body) + 1, wrong, escapes) if question else {}
    return Reference(
        store=store,
        path=_decoded(path, partial(wrong, offset, escapes)),
        field=_decoded(field, partial(wrong, offset + len(path) + 1, escapes)),
        options=options,
        engine=engine,
    )


def _options(
    query: str, position: int, wrong: t.Callable[[int, str], MalformedReferenceError], escapes: str
) -> dict[str, str]:
    options: dict[str, str] = {}
    for pair in query.split("&"):
        option, equals, value = pair.partition("=")
        if not OPTION.fullmatch(option) or not equals or not value or "=" in value or "?" in value:
            raise wrong(position, "an option is written name=value")
        if option in options:
            raise wrong(position, f"option '{option}' stands twice")
        options[option] = _decoded(value, partial(wrong, position, escapes))
        position += len(pair) + 1
    return options


def _decoded(text: str, wrong: t.Callable[[], MalformedReferenceError]) -> str:
    try:
        decoded = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise wrong() from None
    if any(ord(character) < 32 or ord(character) == 127 for character in decoded):
        raise wrong()
    return decoded


def _shown(text: str) -> str:
    """A malformed reference may be a secret that somebody put in the wrong place: only its store is shown."""
    store, mark, _rest = text.partition("://")
    store = store.partition("+")[0]
    return f"{store}://..." if mark and STORE.fullmatch(store) else "reference"
