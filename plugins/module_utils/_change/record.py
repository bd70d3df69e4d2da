# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written down before it is done: journals and records, in directories that only root can open."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import typing as t

from .files import Wanted, replace
from .journal import Fields, read_events
from .paths import make_directories, trust


def make_private(path: str) -> str:
    """A directory of mode 0700 that nobody else can lead elsewhere."""
    make_directories(path, 0o700, who=trust(strict=True))
    return path


def write_json(path: str, value: t.Any) -> None:
    """Replace a record in one step, flushed to disk."""
    replace(Wanted(path, json.dumps(value, sort_keys=True).encode()))


class Journal:
    """Events in the order in which they were written, each on the disk before write() returns.

    A line that a power cut tore is skipped: what it announced was not yet begun.
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.path = os.path.join(directory, "journal")

    def write(self, event: str, **fields: t.Any) -> None:
        line = json.dumps({"event": event, **fields}, sort_keys=True).encode() + b"\n"
        new = not os.path.exists(self.path)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            torn = size and os.pread(descriptor, 1, size - 1) != b"\n"
            line = (b"\n" if torn else b"") + line
            if os.write(descriptor, line) != len(line):  # write(2): as much as there was room for
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.path)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if new:
            flush_path(self.directory)

    def events(self) -> list[Fields]:
        return read_events(self.path)

    def has(self, event: str) -> bool:
        return any(entry["event"] == event for entry in self.events())


_RESERVE, _RESERVED_BYTES, _BLOCK = "reserve", 64 << 10, 4096


def reserve(directory: str) -> None:
    """Hold room for another copy of all that lies in DIRECTORY, and some lines: whoever fills the disk keeps nothing from being undone.

    Raises:
        OSError: there is no such room.
    """
    sizes = [os.lstat(os.path.join(at, name)).st_size for at, _below, names in os.walk(directory) for name in names]
    path = os.path.join(directory, _RESERVE)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, sum(sizes) + _BLOCK * len(sizes) + _RESERVED_BYTES)
    except OSError as exc:
        if exc.errno not in (errno.EOPNOTSUPP, errno.EINVAL):  # a file system that cannot promise any
            raise
    finally:
        os.close(descriptor)


def release(directory: str) -> None:
    """Give back the room that was held."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(directory, _RESERVE))


def flush_path(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def discard(directory: str) -> None:
    """Remove a record; its journal goes last, so that a removal that is killed is finished by the next recovery."""
    for name in sorted(os.listdir(directory) if os.path.isdir(directory) else [], key=lambda name: name == "journal"):
        path = os.path.join(directory, name)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)
    with contextlib.suppress(FileNotFoundError):
        os.rmdir(directory)
