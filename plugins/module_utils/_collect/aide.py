# SPDX-License-Identifier: GPL-3.0-or-later
"""AIDE's database, without which it finds nothing (aide(1)).

Items: by path of a database that rules speak of ``{size, owner, kind}``; ``kind`` is ``plain`` or ``gzip`` where the file
begins as AIDE writes it, ``absent`` where there is none, else ``unknown``.
"""

from __future__ import annotations

import os
import stat

from .paths import user_name
from .section import Reader, Section

BEGINNINGS = {b"@@begin_db": "plain", b"\x1f\x8b": "gzip"}


class Aide(Reader):
    """Args: request: paths of databases."""

    def read(self) -> Section:
        left_out: dict[str, str] = {}
        return Section({path: database(path, left_out) for path in self.request}, left_out)


def database(path: str, left_out: dict[str, str]) -> dict[str, object]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as exc:
        if not isinstance(exc, (FileNotFoundError, NotADirectoryError)):
            left_out[path] = exc.strerror or str(exc)
        return {"size": 0, "owner": "", "kind": "absent"}
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        return {"size": 0, "owner": user_name(status.st_uid), "kind": "unknown"}
    with os.fdopen(descriptor, "rb") as handle:
        beginning = handle.read(4096)
    kinds = [kind for mark, kind in BEGINNINGS.items() if beginning.startswith(mark) or b"\n" + mark in beginning]
    return {"size": status.st_size, "owner": user_name(status.st_uid), "kind": (kinds or ["unknown"])[0]}
