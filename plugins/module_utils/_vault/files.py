# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that Vault modules keep: read whole, replaced in one step, closed to others from their first byte on."""

from __future__ import annotations

import contextlib
import os
import tempfile
import typing as t


def text(path: str) -> str:
    """The file's text, empty where there is none."""
    try:
        with open(path, encoding="utf-8") as handle:
            return handle.read().strip()
    except FileNotFoundError:
        return ""


def differs(path: str, wanted: str) -> bool:
    return text(path) != wanted.strip()


def write(path: str, content: str, mode: int = 0o600) -> None:
    write_together({path: (content.rstrip("\n") + "\n", mode)})


def write_together(files: t.Mapping[str, tuple[str, int]]) -> None:
    """Replace several files, each with its mode, after all of them could be written."""
    prepared: list[tuple[str, str]] = []
    try:
        for path, (content, mode) in files.items():
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path) or ".", prefix=".unified-")
            prepared.append((temporary, path))
            with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
                handle.write(content)
                handle.flush()
                os.fchmod(handle.fileno(), mode)
                os.fsync(handle.fileno())
        while prepared:
            os.replace(*prepared[0])
            prepared.pop(0)
    finally:
        for temporary, _path in prepared:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
