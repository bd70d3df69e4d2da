# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts that are shown before and after a login, with those that are shown beside them."""

from __future__ import annotations

import glob
import os
import re

from .configuration import text
from .section import Reader, Section

# agetty(8), ISSUE FILES; pam_motd(8).
BESIDE = {
    "/etc/issue": ("/etc/issue.d/*.issue", "/run/issue.d/*.issue", "/usr/lib/issue.d/*.issue"),
    "/etc/motd": ("/etc/motd.d/*", "/run/motd.d/*", "/usr/lib/motd.d/*", "/run/motd.dynamic"),
}
UNITS = tuple(
    f"{top}/*getty*.service{end}" for top in ("/etc/systemd/system", "/run/systemd/system") for end in ("", ".d/*.conf")
)
# Files whose lines make a login show other texts, and the words that name these (agetty(8), --issue-file; pam_motd(8)).
NAMED = {
    "/etc/issue": (UNITS, r"^ExecStart=.*\s(?:-f\s*|--issue-file[ =])(\S+)"),
    "/etc/motd": (("/etc/pam.d/*",), r"^[^#]*\spam_motd\.so\s(?:.*\s)?\[?motd(?:_dir)?=([^]\s]+)"),
}
SCRIPTS = "/etc/update-motd.d"
"""What writes /run/motd.dynamic at each login (update-motd(5))."""
TELLS = re.compile(r"\b(uname|hostnamectl|lsb[_-]release|os-release|debian_version|proc/version)\b")
LONGEST = 65536


class Banners(Reader):
    """What is shown for each path of `request`: file to text, the path itself first; and of the scripts that make up a part of it those
    that run, with the word by which they tell what the system is.
    """

    def read(self) -> Section:
        items: dict[str, dict[str, str]] = {}
        left_out: dict[str, str] = {}
        for name in self.request:
            patterns = (*BESIDE.get(name, ()), *_named(name, left_out))
            beside = [path for pattern in patterns for path in sorted(glob.glob(pattern))]
            shown: dict[str, str] = {}
            for path in (name, *beside):
                try:
                    # A pipe or a device would hang the reader.
                    if os.path.isfile(path):
                        shown[path] = _text(path)
                except (OSError, ValueError) as exc:
                    left_out[path] = f"{exc}"
            items[name] = shown
        if "/etc/motd" in self.request:
            items[SCRIPTS] = _scripts(left_out)
        return Section(items, left_out)


def _named(name: str, left_out: dict[str, str]) -> list[str]:
    """Files, and what lies in directories, that are shown in the place of NAME or beside it."""
    patterns, expression = NAMED.get(name, ((), ""))
    files = [path for pattern in patterns for path in sorted(glob.glob(pattern)) if os.path.isfile(path)]
    texts = [text(path, left_out) or "" for path in files]
    paths = [
        path
        for content in texts
        for words in re.findall(expression, content, re.MULTILINE)
        for path in words.split(":")
    ]
    return [part for path in dict.fromkeys(paths) for part in (glob.escape(path), f"{glob.escape(path)}/*")]


def _scripts(left_out: dict[str, str]) -> dict[str, str]:
    telling = {}
    for path in sorted(glob.glob(f"{SCRIPTS}/*")):
        try:
            words = TELLS.findall(_text(path)) if os.path.isfile(path) and os.access(path, os.X_OK) else []
        except (OSError, ValueError) as exc:
            left_out[path] = f"{exc}"
            continue
        if words:
            telling[path] = words[0]
    return telling


def _text(path: str) -> str:
    with open(path, "rb") as handle:
        content = handle.read(LONGEST + 1)
    if len(content) > LONGEST:
        raise ValueError(f"longer than {LONGEST} bytes")
    return content.decode(errors="replace")
