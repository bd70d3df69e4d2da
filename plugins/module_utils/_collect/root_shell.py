# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment of root's login shells."""

from __future__ import annotations

import re
import typing as t

from .command import Command, CommandError, read
from .paths import shown, why_unsafe
from .section import Reader, Section

ROOT_FILES = ("/root/.bash_profile", "/root/.bashrc", "/root/.profile")


class RootShell(Reader):
    """The search ``path``, ``umask`` and ``timeout`` (TMOUT) that root's login shell really gets, what that umask ``leaves`` to a
    new directory, and which directories of the path are ``unsafe``, with the reason. To know, it runs root's login shell, and so root's profile:
    once as a script's and once as a person's, for files may end early where nobody types. What is weaker of the two counts. The search path
    of shells that are no login shells (su, sudo, cron) is read, not run.
    """

    def __init__(self, request: None = None) -> None:
        super().__init__(request)
        self.commands = login_shells()
        self.sudo = Command("sudo", "-V")

    def read(self) -> Section:
        answers = [answer(command.text()) for command in self.commands]
        paths = [one.path for one in answers]
        parts = list(
            dict.fromkeys(
                part for path in (*paths, *initial_paths(), *secure_path(self.sudo)) for part in path.split(":")
            )
        )
        unsafe = {shown(part) or "(empty)": reason for part in parts if (reason := why_unsafe(part))}
        umask, timeout, _fixed = weakest(answers)
        # Only which of root's own files set a umask: what else stands in them is nobody's business.
        own = [file for file in ROOT_FILES if re.search(r"^\s*umask\b", read(file) or "", re.MULTILINE)]
        return Section(
            {
                "path": [shown(part) for part in parts],
                "unsafe": unsafe,
                "umask": f"{umask:04o}",
                "timeout": shown(timeout),
                "leaves": f"{0o777 & ~umask:04o}",
                "umask_set_in": own,
            }
        )


def initial_paths() -> list[str]:
    """Search paths that a session of root begins with: of /etc/environment (pam_env(8)), and of su and login (login.defs(5), ENV_SUPATH)."""
    written = re.findall(r"^\s*(?:export\s+)?PATH=(.*)$", read("/etc/environment") or "", re.MULTILINE)[-1:]
    written += re.findall(r"^\s*ENV_SUPATH\s+(?:PATH=)?(.*)$", read("/etc/login.defs") or "", re.MULTILINE)[-1:]
    return [path.strip().strip("\"'") for path in written]


def secure_path(command: Command) -> list[str]:
    """The search path that sudo gives to what it starts (sudo(8), -V, for root; sudoers(5), secure_path)."""
    printed = command.text(accept=(0, 1)) if command.installed else ""
    return re.findall(r"^Value to override user's \$PATH with: (.+)$", printed, re.MULTILINE)


class Answer(t.NamedTuple):
    """What a login shell gets. ``fixed`` is whether it cannot take TMOUT back."""

    path: str
    umask: int
    timeout: str
    fixed: bool


def login_shells(*prefix: str) -> list[Command]:
    """A login shell of whom PREFIX makes the caller, started once as a script's and once as a person's, for files may end early where
    nobody types; with the umask that programs have where nothing sets another.
    """
    # Nothing that a logout does is wanted.
    script = 'printf "\n%s\n" "$PATH"; umask; printf "%s\n" "${TMOUT-}"; (unset TMOUT) 2>/dev/null; echo $?; exec true'
    start = ("sh", "-c", 'umask 022; exec "$@"', "sh", *prefix)
    return [Command(*start, "bash", option, script, timeout=10) for option in ("-lc", "-lic")]


def answer(output: str) -> Answer:
    """The last lines that a login shell printed.

    Raises:
        CommandError: they are not what the script prints.
    """
    path, umask, timeout, code = ["", "", "", "", *output.splitlines()][-4:]
    if not re.fullmatch("[0-7]{3,4}", umask):
        raise CommandError(f"a login shell prints '{shown(umask[:40])}' for its umask")
    return Answer(path, int(umask, 8), timeout, code != "0")


def weakest(answers: t.Sequence[Answer]) -> tuple[int, str, bool]:
    """Of umask, TMOUT and whether it is fixed what restricts the least."""
    umask = 0o777
    for one in answers:
        umask &= one.umask
    timeouts = [one.timeout for one in answers]
    # What is no number, or 0, is for ever.
    endless = [value for value in timeouts if not value.isdigit() or not int(value)]
    return umask, endless[0] if endless else max(timeouts, key=int), all(one.fixed for one in answers)
