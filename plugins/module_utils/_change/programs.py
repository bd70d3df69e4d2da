# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that root runs to validate and to change."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import time
import typing as t

from .errors import ChangeError
from .paths import SEARCH_PATH, trusted_program

SECONDS = 120


class Answer(t.NamedTuple):
    """How a program ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return (self.err.strip() or self.out.strip())[-400:]


def run(argv: t.Sequence[str], *, stdin: str = "", timeout: float = SECONDS) -> Answer:
    """Run a program of root's own, with nothing of the caller's environment.

    Raises:
        ChangeError: it is not installed, others can exchange it, or it took too long and was killed with what it started.
    """
    program = trusted_program(argv[0])
    environment = {"PATH": SEARCH_PATH, "LC_ALL": "C", "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive"}
    process = subprocess.Popen(
        [program, *argv[1:]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
        cwd="/",
    )
    try:
        out, err = process.communicate(stdin.encode(errors="surrogateescape"), timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise ChangeError(f"'{' '.join(argv)}' took longer than {timeout:.0f} s and was ended") from None
    if process.returncode < 0:
        _end_what_is_left(process.pid)
    return Answer(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))


def _end_what_is_left(group: int) -> None:
    """Kill what a program had started that was itself killed: it would go on while its work is undone."""
    deadline = time.monotonic() + 10
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(group, signal.SIGKILL)
            time.sleep(0.02)


def validate(path: str, argv: t.Sequence[str], staged: str) -> None:
    """Let a program judge the staged text of PATH; ``%s`` in ARGV stands for where it is.

    Raises:
        ChangeError: it refuses, or cannot be run.
    """
    answer = run([part.replace("%s", staged) for part in argv])
    if answer.code:
        said = answer.said.replace(staged, path)
        raise ChangeError(f"{path}: '{argv[0]}' refuses the new text: {said}; nothing was changed")


class Tree:
    """A copy of a directory or file of the host, with the staged files in it, that programs see in its place.

    A check over it sees every file that a daemon would read, in a mount namespace of its own: `sshd -t` has no option
    for another root, and rewriting each Include would judge another configuration than the one that will be read.
    """

    def __init__(self, path: str, scratch: str) -> None:
        self.path, self.copy = os.path.realpath(path), scratch
        if os.path.isdir(self.path):
            shutil.copytree(self.path, scratch, symlinks=True, ignore=_special, copy_function=_copy)
            _copy(self.path, scratch)
        elif os.path.exists(self.path):
            _copy(self.path, scratch)
        else:
            raise ChangeError(f"{path} is not there, so that nothing can be checked in its place")

    def place(self, target: str, staged: str | None) -> None:
        """Put a staged file (None removes it) where TARGET would be, if it lies in this tree."""
        if target != self.path and not target.startswith(self.path + "/"):
            return
        copy = self.copy + target[len(self.path) :]
        if staged is None:
            if os.path.lexists(copy):
                os.unlink(copy)
            return
        os.makedirs(os.path.dirname(copy), exist_ok=True)
        if os.path.lexists(copy):
            os.unlink(copy)
        _copy(staged, copy)


def _copy(source: str, target: str) -> None:
    """A file's content, or a directory's own facts: mode and owner, which programs like sshd insist upon."""
    if os.path.islink(source):
        os.symlink(os.readlink(source), target)
        return
    if os.path.isfile(source):
        shutil.copyfile(source, target)
    facts = os.stat(source)
    os.chown(target, facts.st_uid, facts.st_gid)
    os.chmod(target, stat.S_IMODE(facts.st_mode))


def _special(directory: str, names: list[str]) -> list[str]:
    """Pipes, sockets and devices, which a copy would wait for."""
    kinds = (stat.S_ISREG, stat.S_ISDIR, stat.S_ISLNK)
    return [n for n in names if not any(kind(os.lstat(os.path.join(directory, n)).st_mode) for kind in kinds)]


_ENTER = 'while [ "$1" != -- ]; do mount --bind "$1" "$2" || exit 125; shift 2; done; shift; exec "$@"'


def must(argv: t.Sequence[str], *, stdin: str = "") -> str:
    """Standard output of a program that has to end with 0.

    Raises:
        ChangeError: as run(), or it ended with another code.
    """
    answer = run(argv, stdin=stdin)
    if answer.code:
        raise ChangeError(f"'{' '.join(argv)}' ended with {answer.code}: {answer.said}")
    return answer.out


def run_over(trees: t.Sequence[Tree], argv: t.Sequence[str]) -> Answer:
    """Run a program that sees TREES in place of the host's own.

    Raises:
        ChangeError: no private mount namespace can be had, which some containers forbid.
    """
    shell, unshare = trusted_program("sh"), trusted_program("unshare")
    mounts = [part for tree in trees for part in (tree.copy, tree.path)]
    program = trusted_program(argv[0])
    inside = [
        unshare,
        "--mount",
        "--propagation",
        "private",
        shell,
        "-c",
        _ENTER,
        "sh",
        *mounts,
        "--",
        program,
        *argv[1:],
    ]
    answer = run(inside)
    if answer.code == 125 or answer.err.startswith("unshare:"):
        raise ChangeError(f"'{argv[0]}' cannot be shown the new files in a mount namespace of its own: {answer.said}")
    return answer
