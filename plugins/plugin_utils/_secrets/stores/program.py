# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs and clients of stores: secrets by stdin and environment only, nothing of their output in a message, never without end."""

from __future__ import annotations

import concurrent.futures
import os
import shutil
import subprocess
import threading
import typing as t

from ..errors import MissingClientError, UnavailableError

T = t.TypeVar("T")


def find(program: str, store: str, package: str) -> str:
    """The path of a program."""
    path = shutil.which(program)
    if not path:
        raise MissingClientError(
            f"store '{store}' needs the program '{program}' on the controller", fix=f"Install {package}"
        )
    return path


def run(
    argv: t.Sequence[str], *, store: str, timeout: float, stdin: bytes = b"", env: t.Mapping[str, str] | None = None
) -> tuple[int, bytes, bytes]:
    """Exit code, stdout and stderr.

    Raises:
        UnavailableError: it took longer than TIMEOUT seconds; it was killed.
    """
    try:
        done = subprocess.run(
            list(argv), input=stdin, capture_output=True, check=False, timeout=timeout, env=env, start_new_session=True
        )
    except subprocess.TimeoutExpired:
        name = os.path.basename(argv[0])
        raise UnavailableError(
            f"store '{store}': '{name}' did not answer within {timeout:g} s", fix="Raise the store's 'timeout'"
        ) from None
    return done.returncode, done.stdout, done.stderr


def within(timeout: float, call: t.Callable[[], T]) -> T:
    """Call a client that knows no time limit.

    Raises:
        TimeoutError: it took longer; its thread is left behind and does not hold up the end of the process.
    """
    future: concurrent.futures.Future[T] = concurrent.futures.Future()

    def work() -> None:
        try:
            future.set_result(call())
        except BaseException as exc:
            future.set_exception(exc)

    threading.Thread(target=work, daemon=True).start()
    try:
        return future.result(timeout)
    except concurrent.futures.TimeoutError as exc:
        raise TimeoutError from exc
