# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment of root's login shells."""

from __future__ import annotations

import re

from .command import Command, CommandError, read
from .paths import shown, why_unsafe
from .section import Reader, Section

ROOT_FILES = ("/root/.bash_profile", "/root/.bashrc", "/root/.profile")


class RootShell(Reader):
    """The search ``path``, ``umask`` and ``timeout`` (TMOUT) that root's login shell really gets, what that umask ``leaves`` to a
    new directory, and which directories of the path are ``unsafe``, with the reason. To know, it runs root's login shell, and so root's profile:
    once as a script's and once as a person's, for files may end early where nobody types. What is weaker of the two counts. The search path
    of shells that are no login shells (su, cron) is read, not run.
    """

    def __init__(self, request: None = None) -> None:
        super().__init__(request)
        # Nothing that a logout does is wanted.
        script = 'printf "\n%s\n" "$PATH"; umask; printf "%s\n" "${TMOUT-}"; exec true'
        self.commands = {
            "-lc": Command("bash", "-lc", script, timeout=10),
            "-lic": Command("bash", "-lic", script, timeout=10),
        }

    def read(self) -> Section:
        paths, umasks, timeouts = zip(*(answer(command.text()) for command in self.commands.values()))
        parts = list(dict.fromkeys(part for path in (*paths, *initial_paths()) for part in path.split(":")))
        unsafe = {shown(part) or "(empty)": reason for part in parts if (reason := why_unsafe(part))}
        umask = umasks[0] & umasks[1]
        # Only which of root's own files set a umask: what else stands in them is nobody's business.
        own = [file for file in ROOT_FILES if re.search(r"^\s*umask\b", read(file) or "", re.MULTILINE)]
        return Section(
            {
                "path": [shown(part) for part in parts],
                "unsafe": unsafe,
                "umask": f"{umask:04o}",
                "timeout": shown(longer(*timeouts)),
                "leaves": f"{0o777 & ~umask:04o}",
                "umask_set_in": own,
            }
        )


def initial_paths() -> list[str]:
    """Search paths that a session of root begins with: of /etc/environment (pam_env(8)), and of su and login (login.defs(5), ENV_SUPATH)."""
    written = re.findall(r"^\s*(?:export\s+)?PATH=(.*)$", read("/etc/environment") or "", re.MULTILINE)[-1:]
    written += re.findall(r"^\s*ENV_SUPATH\s+(?:PATH=)?(.*)$", read("/etc/login.defs") or "", re.MULTILINE)[-1:]
    return [path.strip().strip("\"'") for path in written]


def answer(output: str) -> tuple[str, int, str]:
    """The last three lines that a shell printed: search path, umask and TMOUT.

    Raises:
        CommandError: they are not what the script prints.
    """
    path, umask, timeout = ["", "", "", *output.splitlines()][-3:]
    if not re.fullmatch("[0-7]{3,4}", umask):
        raise CommandError(f"root's login shell prints '{shown(umask[:40])}' for its umask")
    return path, int(umask, 8), timeout


def longer(one: str, other: str) -> str:
    """Of two values of TMOUT that which keeps a shell open longer; what is no number, or 0, for ever."""
    endless = [value for value in (one, other) if not value.isdigit() or not int(value)]
    return endless[0] if endless else max(one, other, key=int)
