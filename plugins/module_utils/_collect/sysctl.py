# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel parameters: what is live, and what the files on disk ask for at the next boot (sysctl.d(5))."""

from __future__ import annotations

import fnmatch

from .command import read
from .paths import precedence
from .section import Reader, Section

SYSCTL_DIRECTORIES = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d")
# ufw loads this file last, each time it starts (ufw-framework(8), IPT_SYSCTL).
UFW_SYSCTL = "/etc/ufw/sysctl.conf"


class Parameters(Reader):
    def read(self) -> Section:
        return Section(sysctl(self.wanted))


def sysctl_path(key: str) -> str:
    """/proc path of a key; a dot that stands for itself is written as a slash (sysctl.d(5))."""
    return "/proc/sys/" + key.replace(".", "/")


def sysctl(keys: list[str]) -> dict[str, dict[str, str | None]]:
    disk: dict[str, tuple[str, str, str]] = {}
    patterns: list[tuple[str, str, str]] = []
    for path in (*precedence(SYSCTL_DIRECTORIES, ".conf"), UFW_SYSCTL):
        for line in (read(path) or "").splitlines():
            line = line.strip()
            if not line or line[0] in "#;" or "=" not in line:
                continue
            key, value = (part.strip() for part in line.lstrip("-").split("=", 1))
            written, key = key, key.replace("/", ".")
            if "*" in key:
                patterns.append((key, value, path))
            else:
                disk[key] = (value, path, written)
    found = {}
    for key in keys:
        live = None
        try:
            live = " ".join((read(sysctl_path(key)) or "").split()) or None
        except OSError:
            live = None  # a few keys exist but refuse to be read
        stored: tuple[str | None, ...] | None = disk.get(key)
        if stored is None:
            # sysctl.d(5): a glob applies where no explicit line names the key.
            stored = next(
                ((v, p, pattern) for pattern, v, p in reversed(patterns) if fnmatch.fnmatch(key, pattern)), None
            )
        found[key] = {"live": live, **dict(zip(("disk", "source", "written"), stored or (None, None, None)))}
    return found
