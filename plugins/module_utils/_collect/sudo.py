# SPDX-License-Identifier: GPL-3.0-or-later
"""sudo's rules and settings (sudoers(5))."""

from __future__ import annotations

import os
import re

from .command import read
from .section import Reader, Section


class Sudo(Reader):
    def read(self) -> Section:
        return Section(sudo())


def sudo() -> dict[str, object]:
    """Defaults in the order in which they are read, and the rules that ask for no password."""
    defaults: list[dict[str, str]] = []
    nopasswd: list[str] = []
    no_authenticate: list[str] = []
    for path in _sudoers("/etc/sudoers"):
        for line in re.sub(r"\\\n", " ", read(path) or "").splitlines():
            line = line.strip()
            if not line or line.startswith(("#", "@")):
                continue
            if line.startswith("Defaults"):
                scope, _space, options = line.partition(" ")
                for option in re.findall(r'(?:[^,"]|"[^"]*")+', options):
                    defaults.append({"scope": scope[8:], "option": option.strip(), "source": path})
            if "NOPASSWD" in line:
                nopasswd.append(f"{path}: {line}")
            if "!authenticate" in line:
                no_authenticate.append(f"{path}: {line}")
    return {"defaults": defaults, "nopasswd": nopasswd, "no_authenticate": no_authenticate}


def _sudoers(path: str, depth: int = 0) -> list[str]:
    """Sudoers files in reading order (sudoers(5): names with a dot or ending in ~ are skipped)."""
    found = [path]
    for line in (read(path) or "").splitlines() if depth < 8 else []:
        words = line.split()
        if len(words) == 2 and words[0] in ("@includedir", "#includedir") and os.path.isdir(words[1]):
            names = sorted(name for name in os.listdir(words[1]) if "." not in name and not name.endswith("~"))
            for name in names:
                found += _sudoers(f"{words[1]}/{name}", depth + 1)
        elif len(words) == 2 and words[0] in ("@include", "#include"):
            found += _sudoers(words[1], depth + 1)
    return found
