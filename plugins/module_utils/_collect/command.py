# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that run beside the collector while it reads files."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class CommandError(Exception):
    """A program is missing, failed, or took too long."""


class Command:
    """A started program whose output goes to memory, so that a full pipe never stops it."""

    def __init__(self, *argv: str, timeout: float = 20) -> None:
        self.argv = argv
        self.program = shutil.which(argv[0], path=SEARCH_PATH)
        self.deadline = time.monotonic() + timeout
        self.timeout = timeout
        self.process = None
        if self.program:
            self.out = os.fdopen(os.memfd_create("out"), "w+b")
            self.err = os.fdopen(os.memfd_create("err"), "w+b")
            self.process = subprocess.Popen(
                [self.program, *argv[1:]],
                stdin=subprocess.DEVNULL,
                stdout=self.out,
                stderr=self.err,
                env={"PATH": SEARCH_PATH, "LC_ALL": "C", "HOME": "/root"},
                start_new_session=True,
            )

    @property
    def found(self) -> bool:
        return self.process is not None

    def output(self, *, accept: tuple[int, ...] = (0,)) -> bytes:
        """Wait for the end and return stdout.

        Raises:
            CommandError: missing, ended with a code that is not in ACCEPT, or timed out (the whole process
                group is killed).
        """
        if self.process is None:
            raise CommandError(f"'{self.argv[0]}' is not installed")
        try:
            code = self.process.wait(timeout=max(0.0, self.deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            raise CommandError(f"'{self.argv[0]}' took longer than {self.timeout:.0f} s") from None
        self.out.seek(0)
        self.err.seek(0)
        if code not in accept:
            message = self.err.read().decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
            raise CommandError(f"'{self.argv[0]}' ended with {code}: {message[0]}")
        return self.out.read()

    def text(self, *, accept: tuple[int, ...] = (0,)) -> str:
        return self.output(accept=accept).decode(errors="replace")


def read(path: str) -> str | None:
    """A file's text, or None where there is no such file."""
    try:
        with open(path, encoding="utf-8", errors="replace") as handle:
            return handle.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
