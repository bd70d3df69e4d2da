# SPDX-License-Identifier: GPL-3.0-or-later
"""Work in a child process that can be left behind: nothing in a process can stop its own wait for a dead mount."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import time
import typing as t


class ChildTimeoutError(Exception):
    """The child did not answer in time."""


class ChildError(Exception):
    """The child failed; the message says with what."""


class Child:
    """A child process that runs PRODUCE and hands over what it yields, as JSON.

    Args:
        produce: called in the child. What it yields must be JSON; what it raises is a ChildError here.
    """

    def __init__(self, produce: t.Callable[[], t.Iterable[t.Any]]) -> None:
        self.reader, writer = os.pipe()
        self.pending = b""
        self.pid = os.fork()
        if self.pid == 0:
            _run(produce, writer)
        os.close(writer)

    def next(self, timeout: float) -> t.Any:
        """The next answer.

        Raises:
            ChildTimeoutError: none came within TIMEOUT seconds.
            EOFError: there is none any more.
            ChildError: the child failed.
        """
        deadline = time.monotonic() + timeout
        while b"\n" not in self.pending:
            ready, _writable, _failed = select.select([self.reader], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise ChildTimeoutError
            part = os.read(self.reader, 1 << 20)
            if not part:
                raise EOFError
            self.pending += part
        line, _newline, self.pending = self.pending.partition(b"\n")
        answer, error = json.loads(line)
        if error:
            raise ChildError(error)
        return answer

    def close(self) -> None:
        """End the child. One that hangs in the kernel cannot be waited for."""
        os.close(self.reader)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        deadline = time.monotonic() + 1
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(self.pid, os.WNOHANG) == (0, 0) and time.monotonic() < deadline:
                time.sleep(0.001)


def _run(produce: t.Callable[[], t.Iterable[t.Any]], writer: int) -> t.NoReturn:
    code = 1
    try:
        with os.fdopen(writer, "wb") as pipe:
            try:
                for answer in produce():
                    _say(pipe, answer, "")
            except Exception as exc:
                # Whatever it is, the parent must hear of it: there is nobody else to raise it to.
                _say(pipe, None, f"{type(exc).__name__}: {exc}")
                raise
        code = 0
    finally:
        # Neither the parent's cleanup nor its buffered output is the child's to run.
        os._exit(code)


def _say(pipe: t.IO[bytes], answer: t.Any, error: str) -> None:
    pipe.write(json.dumps([answer, error], separators=(",", ":")).encode() + b"\n")
    pipe.flush()
