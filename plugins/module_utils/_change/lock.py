# SPDX-License-Identifier: GPL-3.0-or-later
"""One writer at a time on a host."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import time
import typing as t

from .errors import RunError
from .files import process_start
from .record import make_private


class Lock:
    """Held by one process; the kernel lets go of it when that process ends, however it ends (flock(2)).

    Args:
        base: the directory of all records.
        what: what the holder does, for others to read.
        timeout: seconds to wait for another holder.

    Raises:
        RunError: another process still holds it; the message names it.
    """

    def __init__(self, base: str, what: str, *, timeout: float = 30) -> None:
        self.path = os.path.join(make_private(base), "lock")
        self.what, self.timeout, self.descriptor = what, timeout, -1

    def __enter__(self) -> Lock:
        self.descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + self.timeout
        while True:
            try:
                fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as exc:
                if exc.errno not in (errno.EAGAIN, errno.EACCES):
                    raise
            if time.monotonic() > deadline:
                held = self._held()
                os.close(self.descriptor)
                raise RunError(f"another process changes this host: {held}. Wait for it, or end it, and run again")
            time.sleep(0.1)
        pid = os.getpid()
        facts = {"pid": pid, "start": process_start(pid), "since": time.time(), "what": self.what}
        with contextlib.suppress(
            OSError
        ):  # held all the same where the disk is full, which is when something is to be undone
            os.ftruncate(self.descriptor, 0)
            os.pwrite(self.descriptor, json.dumps(facts).encode(), 0)
        return self

    def __exit__(self, *_error: t.Any) -> None:
        os.ftruncate(self.descriptor, 0)
        os.close(self.descriptor)

    def _held(self) -> str:
        try:
            facts = json.loads(os.pread(self.descriptor, 4096, 0))
            age = max(0, int(time.time() - facts["since"]))
            return f"process {facts['pid']} ({facts['what']}), since {age} s"
        except (ValueError, KeyError, TypeError):
            return "its name is not written down yet"
