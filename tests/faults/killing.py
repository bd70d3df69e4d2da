"""Killing code at each of its lines, in a child process: no `finally` and no `except` tidies up, as after a power cut."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import typing as t
from pathlib import Path

from ansible_collections.unified.deploy.plugins.module_utils._change import fileset

CODE = os.path.dirname(fileset.__file__)
MEMORY = Path("/dev/shm")


@contextlib.contextmanager
def scratch(otherwise: Path) -> t.Iterator[Path]:
    """A directory in memory where there is such a file system: a kill takes nothing from it, and no flush is waited for."""
    if not (MEMORY.is_dir() and os.geteuid() == 0):
        yield otherwise
        return
    directory = MEMORY / f"unified-drill-{os.getpid()}"
    directory.mkdir(mode=0o700)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def traced(act: t.Callable[[], object], each: t.Callable[[str], None]) -> None:
    """Run ACT, and call EACH with file and number before every line of the collection's code."""

    def trace(frame: t.Any, event: str, _argument: object) -> t.Any:
        if not frame.f_code.co_filename.startswith(CODE):
            return None
        if event == "line":
            each(f"{frame.f_code.co_filename}:{frame.f_lineno}")
        return trace

    sys.settrace(trace)
    try:
        act()
    finally:
        sys.settrace(None)


def lines(act: t.Callable[[], object]) -> list[str]:
    """Every line that ACT runs, in order."""
    ran: list[str] = []
    traced(act, ran.append)
    return ran


def kill_points(act: t.Callable[[], object]) -> list[int]:
    """Which of the lines that ACT runs to kill it at: the first and the last time each is reached; with UNIFIED_DRILLS=all every one."""
    ran = lines(act)
    if os.environ.get("UNIFIED_DRILLS") == "all":
        return list(range(1, len(ran) + 1))
    first = {line: number for number, line in reversed(list(enumerate(ran, 1)))}
    last = {line: number for number, line in enumerate(ran, 1)}
    return sorted({*first.values(), *last.values()})


def kill(line: int, act: t.Callable[[], object]) -> None:
    """Run ACT in a child that dies before its LINE-th line."""
    child = os.fork()
    if child:
        _pid, status = os.waitpid(child, 0)
        died = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        assert died, f"it was not killed at line {line}: {status}"
        return
    count = 0

    def each(_line: str) -> None:
        nonlocal count
        count += 1
        if count == line:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        traced(act, each)
    finally:
        os._exit(1)
