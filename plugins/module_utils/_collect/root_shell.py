# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment of root's login shell."""

from __future__ import annotations

import os
import re

from .command import Command, read
from .section import Reader, Section

ROOT_FILES = ("/root/.bash_profile", "/root/.bashrc", "/root/.profile")


class RootShell(Reader):
    """The search path and umask that root's login shell really gets."""

    def __init__(self, wanted: None = None) -> None:
        super().__init__(wanted)
        self.command = Command("bash", "-lc", 'printf "%s\\n" "$PATH"; umask', timeout=10)

    def read(self) -> Section:
        path, umask = self.command.text().splitlines()[-2:]
        parts = path.split(":")
        unsafe = [part or "(empty)" for part in parts if not part.startswith("/")]
        for part in (part for part in parts if part.startswith("/")):
            try:
                found = os.stat(part)
            except OSError:
                continue  # a directory that is not there cannot hold a trap
            if found.st_uid != 0 or found.st_mode & 0o022:
                unsafe.append(part)
        # Only which of root's own files set a umask: what else stands in them is nobody's business.
        own = [path for path in ROOT_FILES if re.search(r"^\s*umask\b", read(path) or "", re.MULTILINE)]
        return Section({"path": parts, "unsafe": unsafe, "umask": umask, "umask_set_in": own})
