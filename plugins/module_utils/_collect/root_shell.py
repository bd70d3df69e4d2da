# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment of root's login shell."""

from __future__ import annotations

import os
import re
import stat

from .command import Command, CommandError, read
from .paths import shown
from .section import Reader, Section

ROOT_FILES = ("/root/.bash_profile", "/root/.bashrc", "/root/.profile")


class RootShell(Reader):
    """The search ``path``, ``umask`` and ``timeout`` (TMOUT) that root's login shell really gets, what that umask ``leaves`` to a
    new directory, and which directories of the path are ``unsafe``, with the reason. To know, it runs root's login shell, and so root's profile.
    """

    def __init__(self, request: None = None) -> None:
        super().__init__(request)
        script = 'printf "\n%s\n" "$PATH"; umask; printf "%s\n" "${TMOUT-}"'
        self.command = Command("bash", "-lc", script, timeout=10)

    def read(self) -> Section:
        path, umask, timeout = self.command.text().splitlines()[-3:]
        if not re.fullmatch("[0-7]{3,4}", umask):
            raise CommandError(f"root's login shell prints '{shown(umask[:40])}' for its umask")
        parts = path.split(":")
        unsafe = {shown(part) or "(empty)": reason for part in parts if (reason := why_unsafe(part))}
        # Only which of root's own files set a umask: what else stands in them is nobody's business.
        own = [file for file in ROOT_FILES if re.search(r"^\s*umask\b", read(file) or "", re.MULTILINE)]
        return Section(
            {
                "path": [shown(part) for part in parts],
                "unsafe": unsafe,
                "umask": umask,
                "timeout": shown(timeout),
                "leaves": f"{0o777 & ~int(umask, 8):04o}",
                "umask_set_in": own,
            }
        )


def why_unsafe(directory: str) -> str:
    """Why somebody else than root could put a program into a directory of a search path; empty when nobody could.

    One that is not there is unsafe where somebody else could make it.
    """
    if not directory.startswith("/"):
        return "depends on the current directory"
    real = os.path.realpath(directory)
    for place in _with_parents(real):
        try:
            facts = os.lstat(place)
        except OSError:
            return ""  # nobody but root can make it: the directories above were looked at first
        if not stat.S_ISDIR(facts.st_mode):
            return f"{place} is no directory" if place == real else ""
        if facts.st_uid != 0:
            return f"{place} belongs to another than root"
        if facts.st_mode & 0o022 and (place == real or not facts.st_mode & stat.S_ISVTX):
            return f"{place} can be written to by others"
    return ""


def _with_parents(path: str) -> list[str]:
    """From the root directory down to PATH."""
    names = path.strip("/").split("/")
    return ["/", *("/" + "/".join(names[:count]) for count in range(1, len(names) + 1))]
