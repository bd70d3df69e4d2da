# SPDX-License-Identifier: GPL-3.0-or-later
"""Transforms of secrets. Their messages never quote a value."""

from __future__ import annotations

import base64
import binascii
import json
import re
import typing as t

import yaml
from ansible_collections.unified.deploy.plugins.module_utils import _yaml12

from .errors import UnsupportedError

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def extract(text: str | t.Mapping[str, t.Any] | t.Sequence[t.Any], path: str) -> t.Any:
    """A value of a JSON or YAML text or structure: ``database.hosts[0].name``."""
    value: t.Any = text
    if isinstance(text, str):
        try:
            value = _yaml12.load(text)
        except _yaml12.MalformedYamlError:
            raise UnsupportedError("the text is neither JSON nor YAML", where=f"extract('{path}')") from None
    for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path):
        if index and isinstance(value, list) and int(index) < len(value):
            value = value[int(index)]
        elif name and isinstance(value, t.Mapping) and name in value:
            value = value[name]
        else:
            raise UnsupportedError(f"there is no '{name or '[' + index + ']'}'", where=f"extract('{path}')")
    return value


def b64url_encode(text: str) -> str:
    """Base64 for URLs, without padding (RFC 4648, section 5)."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def b64url_decode(text: str) -> str:
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return decoded.decode()
    except (binascii.Error, UnicodeDecodeError):
        raise UnsupportedError("the value is no base64url of a text", where="b64url_decode") from None


def multiline(text: str) -> str:
    """Line breaks that were written as backslash and n, as environment variables often hold keys."""
    return text.replace("\\r\\n", "\n").replace("\\n", "\n")


def dotenv_quote(value: t.Any) -> str:
    """A value as bash, systemd (EnvironmentFile=) and dotenv libraries read it back.

    Double quotes with a backslash before ``"``, ``\\``, ``$`` and `````: systemd.exec(5) and bash(1) agree on these.
    """
    text = ("true" if value else "false") if isinstance(value, bool) else str(value)
    if "\0" in text:
        raise UnsupportedError("a value with a NUL byte cannot be in an environment", where="dotenv")
    return '"' + re.sub(r'(["\\$`])', r"\\\1", text) + '"'


def to_dotenv(values: t.Mapping[str, t.Any]) -> str:
    """Lines of NAME="value", sorted by name."""
    for name in values:
        if not NAME.fullmatch(str(name)):
            raise UnsupportedError(
                f"'{name}' is no name of an environment variable", where="dotenv", fix="Use A-Z 0-9 _"
            )
    return "".join(f"{name}={dotenv_quote(values[name])}\n" for name in sorted(values))


def from_dotenv(text: str) -> dict[str, str]:
    """What `to_dotenv` wrote, and simple dotenv files: plain, single quoted and double quoted values, comments, export."""
    values: dict[str, str] = {}
    pattern = re.compile(
        r"""\s*(?:\#[^\n]*|(?:export\s+)?([A-Za-z_]\w*)[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|'[^']*'|[^\n#]*?)[ \t]*(?:\#[^\n]*)?)(?:\n|\Z)""",
        re.DOTALL,
    )
    position = 0
    while text[position:].strip():
        match = pattern.match(text, position)
        if not match or match.end() == position:
            line = text.count("\n", 0, position) + 1
            raise UnsupportedError(f"line {line} is no NAME=value", where="from_dotenv")
        position = match.end()
        if match[1]:
            value = match[2]
            if value[:1] == '"':
                value = re.sub(r'\\(["\\$`])', r"\1", value[1:-1])
            elif value[:1] == "'":
                value = value[1:-1]
            values[match[1]] = value
    return values


def systemd_quote(value: t.Any) -> str:
    """A word of a unit file's command line or Environment= (systemd.syntax(7)): specifiers and variables stay text."""
    text = str(value)
    if "\0" in text:
        raise UnsupportedError("a value with a NUL byte cannot be in a unit file", where="systemd_quote")
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r", "%": "%%", "$": "$$"}
    return '"' + "".join(escapes.get(character, character) for character in text) + '"'


def mask(value: t.Any, visible: int = 0) -> str:
    """Stars in the place of a secret, but for its last VISIBLE characters, of which at most a quarter is shown."""
    text = str(value)
    shown = min(visible, len(text) // 4)
    return "********" + (text[-shown:] if shown else "")


FORMATS: dict[str, t.Callable[[t.Mapping[str, t.Any]], str]] = {
    "dotenv": to_dotenv,
    "json": lambda values: json.dumps(dict(values), indent=2, sort_keys=True) + "\n",
    "yaml": lambda values: yaml.safe_dump(dict(values), default_flow_style=False, allow_unicode=True),
}
