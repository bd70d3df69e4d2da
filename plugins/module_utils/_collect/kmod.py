# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel modules: on disk, loaded, and what modprobe's configuration says of them (modprobe.d(5))."""

from __future__ import annotations

import os
import re

from .command import read
from .paths import precedence
from .section import Reader, Section

MODPROBE_DIRECTORIES = (
    "/etc/modprobe.d",
    "/run/modprobe.d",
    "/usr/local/lib/modprobe.d",
    "/usr/lib/modprobe.d",
    "/lib/modprobe.d",
)


class Modules(Reader):
    def read(self) -> Section:
        return Section(kmod(self.wanted))


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
