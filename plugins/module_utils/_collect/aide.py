# SPDX-License-Identifier: GPL-3.0-or-later
"""AIDE's database, without which it finds nothing (aide(1)).

Items: by path of a database that rules speak of ``{size, owner, kind, configured}``; ``kind`` is ``plain`` or ``gzip`` where the file
begins as AIDE writes it, ``absent`` where there is none, else ``unknown``; ``configured`` is the file that AIDE is told to compare with, empty
where its configuration names none. ``entries`` is the number of files that the beginning of the database speaks of.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import re
import stat
import zlib

from .configuration import text
from .paths import user_name
from .section import Reader, Section

CONFIGURATIONS = ("/etc/aide/aide.conf", "/etc/aide.conf")
BEGINNING = 1 << 16
"""Bytes of a database that are looked at."""
BEGINNINGS = {b"@@begin_db": "plain", b"\x1f\x8b": "gzip"}


class Aide(Reader):
    """Args: request: paths of databases."""

    def read(self) -> Section:
        left_out: dict[str, str] = {}
        named = next((name for path in CONFIGURATIONS if (name := configured(text(path, left_out) or ""))), "")
        return Section({path: {**database(path, left_out), "configured": named} for path in self.request}, left_out)


def configured(content: str) -> str:
    """The file of the last ``database_in=`` or ``database=`` line (aide.conf(5)), its macros put in."""
    macros = dict(re.findall(r"^\s*@@define\s+(\w+)\s+(\S+)", content, re.MULTILINE))
    lines = re.findall(r"^\s*database(?:_in)?\s*=\s*(?:file:)?(\S+)", content, re.MULTILINE)
    return re.sub(r"@@\{(\w+)\}", lambda name: macros.get(name[1], ""), lines[-1]) if lines else ""


def database(path: str, left_out: dict[str, str]) -> dict[str, object]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as exc:
        if not isinstance(exc, (FileNotFoundError, NotADirectoryError)):
            left_out[path] = exc.strerror or str(exc)
        return {"size": 0, "owner": "", "kind": "absent", "entries": 0}
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        return {"size": 0, "owner": user_name(status.st_uid), "kind": "unknown", "entries": 0}
    with os.fdopen(descriptor, "rb") as handle:
        beginning = handle.read(BEGINNING)
    kinds = [kind for mark, kind in BEGINNINGS.items() if beginning.startswith(mark) or b"\n" + mark in beginning]
    kind = (kinds or ["unknown"])[0]
    return {
        "size": status.st_size,
        "owner": user_name(status.st_uid),
        "kind": kind,
        "entries": entries(unpacked(beginning) if kind == "gzip" else beginning) if kinds else 0,
    }


def unpacked(beginning: bytes) -> bytes:
    """What the beginning of a gzip file holds, as far as it goes."""
    content = b""
    with contextlib.suppress(EOFError, OSError, zlib.error), gzip.GzipFile(fileobj=io.BytesIO(beginning)) as handle:
        while len(content) < 16 * BEGINNING and (part := handle.read1(4096)):
            content += part
    return content


def entries(content: bytes) -> int:
    """Lines of a database that speak of a file: behind the one that names the fields (aide(1), "@@db_spec")."""
    return len(re.findall(rb"^/", content.partition(b"@@db_spec")[2], re.MULTILINE))
