# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of login shells."""

from __future__ import annotations

import glob
import re

from .command import read
from .section import Reader, Section


class Shell(Reader):
    def read(self) -> Section:
        return Section(shell())


def shell() -> dict[str, list[dict[str, str]]]:
    """Every place that sets TMOUT or the umask for login shells, in the order in which bash reads them."""
    found: dict[str, list[dict[str, str]]] = {"TMOUT": [], "umask": []}
    paths = ["/etc/profile", "/etc/bash.bashrc", "/etc/bashrc", *sorted(glob.glob("/etc/profile.d/*.sh"))]
    patterns = {
        "TMOUT": r"^\s*(?:readonly\s+|export\s+|typeset\s+-\w+\s+)*TMOUT=(\d+)",
        "umask": r"^\s*umask\s+(\d{3,4})",
    }
    for path in paths:
        text = read(path) or ""
        for name, pattern in patterns.items():
            found[name] += [{"value": value, "source": path} for value in re.findall(pattern, text, re.MULTILINE)]
    return found
