# SPDX-License-Identifier: GPL-3.0-or-later
"""Files with secrets: replaced in one step, closed to all others from their first byte on, old ones kept when anything fails."""

from __future__ import annotations

import contextlib
import os
import tempfile
import typing as t


def make_directories(path: str, mode: int) -> None:
    """Make PATH and what lacks above it, all with MODE: os.makedirs gives it to the last one only, the rest to the umask."""
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for directory in reversed(missing):
        os.mkdir(directory, mode)
        os.chmod(directory, mode)


class Wanted(t.NamedTuple):
    """A file as it is to be; -1 leaves the owner or group as it comes."""

    path: str
    content: bytes
    mode: int = 0o600
    owner: int = -1
    group: int = -1


def prepare(wanted: Wanted) -> str:
    """Write a temporary file beside the target, flushed to disk, and return its path.

    Raises:
        OSError: there is no room, or no right; nothing is left behind.
    """
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(wanted.path) or ".", prefix=".unified-")
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(wanted.content)
            handle.flush()
            if (wanted.owner, wanted.group) != (-1, -1):
                os.fchown(handle.fileno(), wanted.owner, wanted.group)
            os.fchmod(handle.fileno(), wanted.mode)
            os.fsync(handle.fileno())
    except BaseException:
        os.unlink(temporary)
        raise
    return temporary


def replace(*files: Wanted) -> None:
    """Put files in place, none before all could be written."""
    prepared: list[tuple[str, str]] = []
    try:
        for wanted in files:
            prepared.append((prepare(wanted), wanted.path))
        while prepared:
            os.replace(*prepared[0])
            prepared.pop(0)
    finally:
        for temporary, _path in prepared:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def text(path: str) -> str:
    """The file's text without what surrounds it; empty where there is no file."""
    try:
        with open(path, encoding="utf-8") as handle:
            return handle.read().strip()
    except FileNotFoundError:
        return ""
