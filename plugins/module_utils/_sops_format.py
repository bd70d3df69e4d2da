# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain texts of SOPS files as sops reads them, and what each format can hold.

Sources: https://github.com/getsops/sops/tree/main/stores; INI files are read by https://github.com/go-ini/ini/blob/main/parser.go
"""

from __future__ import annotations

import json
import math
import re
import typing as t

from ansible_collections.unified.deploy.plugins.module_utils import _sops, _yaml12
from ansible_collections.unified.deploy.plugins.module_utils._sops import SopsError

# Texts around a value of an INI file that go-ini takes off.
QUOTES = ("`", '"""', "'", '"')


def parse(text: str, kind: str) -> t.Any:
    """The values of a plain text.

    Raises:
        SopsError: it is none of this kind, or means something else to sops than to those who wrote it.
    """
    try:
        if kind == "yaml":
            return _yaml12.load(text)
        if kind == "json":
            return json.loads(text, object_pairs_hook=_once)
        if kind == "dotenv":
            return _dotenv(text)
        if kind == "ini":
            return _ini(text)
    except Exception as exc:
        # The parser's message quotes the text, but for that of our own readers.
        line = f" ({exc})" if isinstance(exc, (_yaml12.MalformedYamlError, SopsError)) else ""
        raise SopsError(f"the content is no valid {kind}{line}", kind="malformed", fix="Check its syntax") from None
    return {"data": text}


def _once(pairs: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
    """A JSON object; of a name that stands in it twice sops keeps both values, and readers take one or the other."""
    values = dict(pairs)
    if len(values) < len(pairs):
        raise SopsError("an object has a name twice")
    return values


def _dotenv(text: str) -> dict[str, str]:
    """Lines end with a newline and nothing else; the two characters ``\\n`` in a value are one."""
    lines = [line for line in text.split("\n") if line and not line.startswith("#")]
    return {name: value.replace("\\n", "\n") for name, value in (line.split("=", 1) for line in lines)}


def _ini(text: str) -> dict[str, dict[str, str]]:
    sections: dict[str, dict[str, str]] = {}
    values: dict[str, str] = {}
    for number, line in enumerate(map(str.strip, text.removeprefix("\ufeff").split("\n")), 1):
        if not line or line[0] in "#;":
            continue
        if line[0] == "[":
            name = line[1 : line.rindex("]")]
            if name in sections:
                raise SopsError(f"line {number} has a section that stands above already")
            values = sections.setdefault(name, {})
        elif not sections:
            raise SopsError(f"line {number} is in no section")
        elif not re.search("[=:]", line):
            raise SopsError(f"line {number} has no '='")
        else:
            name, value = re.split("[=:]", line, maxsplit=1)
            if line[0] in '"`' or name.strip() in ("", "-"):
                raise SopsError(f"line {number} has a name that sops takes for another: write it without quotes")
            values[name.strip()] = _ini_value(value.strip(), number)
    return sections


def _ini_value(value: str, number: int) -> str:
    """A value without its quotes and without the comment behind it."""
    for quote in QUOTES[:2]:
        if len(value) >= 2 * len(quote) and value.startswith(quote) and value.endswith(quote):
            return value[len(quote) : -len(quote)]
    if value.startswith(QUOTES[:2]) or value.endswith("\\"):
        raise SopsError(f"line {number} has a value of several lines: give it as data")
    cut = re.search("[#;]", value)
    if cut and (value.startswith(QUOTES) or not value[: cut.start()].endswith((" ", "\t"))):
        what = f"line {number}: sops takes '{cut[0]}' for the beginning of a comment, and cuts the value off there"
        raise SopsError(f"{what}; write the value in backquotes")
    bare = value[: cut.start()].strip() if cut else value
    quoted = bare[:1] in ("'", '"') and bare.count(bare[0]) == 2 and bare.endswith(bare[0])
    return bare[1:-1] if quoted else bare


def check_shape(values: t.Any, kind: str) -> None:
    """Refuse what no file of this kind can hold: SopsError names it."""
    if not isinstance(values, dict):
        raise SopsError(f"data of a {kind} file is a mapping", fix="Give names and values")
    sections = values if kind == "ini" else {"": values} if kind == "dotenv" else {}
    for section, below in sections.items():
        if not isinstance(below, dict):
            raise SopsError(f"{section} of an ini file is a section, a mapping", fix="Give names and values")
        for name, value in below.items():
            if value is None or isinstance(value, (dict, list)):
                raise SopsError(f"{name} is no text, and {kind} files hold nothing else", fix="Write YAML or JSON")
            _check_name(str(name), kind)
    for name in map(str, values):
        if name == "sops" or (kind == "dotenv" and name.startswith("sops_")):
            what = f"{name} is where sops keeps its own entries: the content is encrypted already, or has a name that it cannot have"
            raise SopsError(what, fix="Give it in plain, or another name")
        if kind == "ini" and (not name or name != name.strip() or re.search(r"[\r\n]", name)):
            raise SopsError(f"{name!r} is no name of a section that an ini file can hold", fix="Write YAML or JSON")
    for path, value in _sops.leaves(values):
        _check_value(path, value, kind)


def _check_name(name: str, kind: str) -> None:
    """A name that the file would have another meaning for: its reader would miss it, and the authentication code would not match."""
    broken = {
        "dotenv": "=" in name or "\n" in name or name.startswith("#"),
        "ini": not name or name != name.strip() or name == "-" or name[0] in "#;[" or re.search(r"[=\r\n]", name),
    }[kind]
    if broken:
        raise SopsError(f"{name!r} is no name that {kind} files can hold", fix="Write YAML or JSON")


def _check_value(path: _sops.Path, value: t.Any, kind: str) -> None:
    what = ""
    try:
        "".join(map(str, (*path, value))).encode()
    except UnicodeEncodeError:
        what = "holds half a character (a lone surrogate), which sops would replace"
    large = isinstance(value, int) and not -(2**63) <= value < 2**63
    if large or (isinstance(value, float) and not math.isfinite(value) and kind != "yaml"):
        what = f"is a number that sops cannot keep in {kind}"
    if kind == "yaml" and "<<" in (*path, value):
        what = "is or holds the mark <<, which sops writes so that it cannot be read again"
    if what:
        name = _sops.written(path).encode(errors="backslashreplace").decode()
        raise SopsError(f"{name} {what}", kind="malformed", fix="Write it as another text")


def shown(values: t.Any, kind: str) -> t.Any:
    """Values as they come back from a file of this kind: dotenv and INI keep texts only."""
    if kind == "dotenv":
        return {name: _text(value) for name, value in values.items()}
    if kind == "ini":
        sections = {name: {key: _text(value) for key, value in below.items()} for name, below in values.items()}
        return {name: below for name, below in sections.items() if below or name != "DEFAULT"}
    return values


def _text(value: t.Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
