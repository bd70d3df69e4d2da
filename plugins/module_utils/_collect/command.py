# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that run beside the collector, and files, both read within limits."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import resource
import shutil
import signal
import stat
import subprocess
import time

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SECONDS = 60
"""From its start, which is that of most others too: slow hosts are seen whole, and programs that hang cost this once."""
MOST_OUTPUT = 64 << 20
"""Bytes that a program may print: more is a defect, or somebody who wants to fill the memory."""
MOST_TEXT = 32 << 20
"""Bytes that a configuration file may have."""
BOOTED = "/run/systemd/system"
"""Is there where systemd is the first process (sd_booted(3))."""
_NULL = os.makedev(1, 3)


class CommandError(Exception):
    """A program is missing, failed, printed too much, or took too long."""


class Command:
    """A started program whose output goes to memory, so that a full pipe never stops it."""

    def __init__(self, *argv: str, timeout: float = SECONDS) -> None:
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
            # It may be over already.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (MOST_OUTPUT, MOST_OUTPUT))

    @property
    def installed(self) -> bool:
        return self.process is not None

    def output(self, *, accept: tuple[int, ...] = (0,)) -> bytes:
        """Wait for the end and return stdout.

        Raises:
            CommandError: missing, ended with a code that is not in ACCEPT, printed more than MOST_OUTPUT, or timed
                out (the whole process group is killed).
        """
        if self.process is None:
            raise CommandError(f"'{self.argv[0]}' is not installed{self._why()}")
        try:
            code = self.process.wait(timeout=max(0.0, self.deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            kill_group(self.process)
            raise CommandError(f"'{self.argv[0]}' took longer than {self.timeout:.0f} s") from None
        if code == -signal.SIGXFSZ:
            raise CommandError(f"'{self.argv[0]}' printed more than {MOST_OUTPUT >> 20} MB")
        self.out.seek(0)
        if code not in accept:
            message = self.errors().strip().splitlines()[-1:] or ["no message"]
            raise CommandError(f"'{self.argv[0]}' ended with {code}: {message[0]}{self._why()}")
        return self.out.read()

    def _why(self) -> str:
        """What to do where the program could not answer at all."""
        unbooted = self.argv[0] == "systemctl" and not os.path.isdir(BOOTED)
        return (
            ". systemd does not run here, as in an image or a chroot: judge it when it has booted" if unbooted else ""
        )

    def text(self, *, accept: tuple[int, ...] = (0,)) -> str:
        return self.output(accept=accept).decode(errors="replace")

    def errors(self) -> str:
        """What the program, which has ended, wrote to stderr."""
        self.err.seek(0)
        return self.err.read(1 << 16).decode(errors="replace")


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """End a program and what it started. One that hangs in the kernel (a dead mount) is not waited for."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=1)


def read_bytes(path: str, most: int = MOST_TEXT) -> bytes | None:
    """A file's content, or None where there is no such file. The null device, which masks a drop-in, is empty.

    Raises:
        OSError: unreadable; no regular file (a pipe or a device is never waited for); larger than MOST.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        facts = os.fstat(descriptor)
        if stat.S_ISCHR(facts.st_mode) and facts.st_rdev == _NULL:
            return b""
        if not stat.S_ISREG(facts.st_mode):
            raise OSError(errno.EINVAL, "is not a regular file", path)
        content = b""
        # /proc/sys refuses to be read in large pieces (proc_sys_call_handler: ENOMEM).
        while part := os.read(descriptor, 1 << 16):
            content += part
            if len(content) > most:
                raise OSError(errno.EFBIG, f"is larger than {most >> 10} KiB", path)
        return content
    finally:
        os.close(descriptor)


def read(path: str) -> str | None:
    """A file's text for parsing: line ends unified, bytes that are no UTF-8 replaced. See `read_bytes`."""
    content = read_bytes(path)
    return None if content is None else io.StringIO(content.decode(errors="replace"), newline=None).read()
