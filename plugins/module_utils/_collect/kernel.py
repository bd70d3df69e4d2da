# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel parameters and modules: what is live, and what the files on disk ask for at the next boot."""

from __future__ import annotations

import fnmatch
import os
import re

from .commands import read
from .files import precedence

SYSCTL_DIRECTORIES = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d")
# ufw loads this file last, each time it starts (ufw-framework(8), IPT_SYSCTL).
UFW_SYSCTL = "/etc/ufw/sysctl.conf"
MODPROBE_DIRECTORIES = (
    "/etc/modprobe.d",
    "/run/modprobe.d",
    "/usr/local/lib/modprobe.d",
    "/usr/lib/modprobe.d",
    "/lib/modprobe.d",
)


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


def kmod(names: list[str]) -> dict[str, dict[str, object]]:
    """For each module: is it on disk, built in, loaded, and what modprobe's configuration says of it."""
    install: dict[str, str] = {}
    blacklist = set()
    for path in precedence(MODPROBE_DIRECTORIES, ".conf"):
        text = re.sub(r"\\\n", " ", read(path) or "")
        for line in text.splitlines():
            words = line.split(None, 2)
            if len(words) == 3 and words[0] == "install":
                install[_plain(words[1])] = words[2].strip()
            elif len(words) >= 2 and words[0] == "blacklist":
                blacklist.add(_plain(words[1]))
    loaded = {line.split(" ", 1)[0] for line in (read("/proc/modules") or "").splitlines()}
    wanted = {_plain(name) for name in names}
    on_disk: set[str] = set()
    built_in: set[str] = set()
    root = "/lib/modules"
    for kernel in os.listdir(root) if os.path.isdir(root) else []:
        for listing, known in (("modules.dep", on_disk), ("modules.builtin", built_in)):
            text = read(f"{root}/{kernel}/{listing}") or ""
            known |= wanted & {_module_name(line.partition(":")[0]) for line in text.splitlines()}
    return {
        name: {
            "on_disk": _plain(name) in on_disk,
            "built_in": _plain(name) in built_in,
            "loaded": _plain(name) in loaded,
            "install": install.get(_plain(name)),
            "blacklist": _plain(name) in blacklist,
        }
        for name in names
    }


def _plain(name: str) -> str:
    return name.replace("-", "_")


def _module_name(path: str) -> str:
    return _plain(path.rpartition("/")[2].split(".ko", 1)[0])
