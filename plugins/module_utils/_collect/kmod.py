# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel modules: on disk, loaded, and what modprobe will do (modprobe.d(5)).

Items: by module ``{on_disk, built_in, loaded, used, install, blacklist, sources}``; ``used`` is whether something holds it (a mount, a
socket, a disk; proc_modules(5)), ``install`` the command that modprobe would run in its place, ``sources`` the files with a line that
speaks of the module, by what they say (``install``, ``blacklist``).
"""

from __future__ import annotations

import fnmatch
import os

from .command import Command, CommandError
from .configuration import drop_ins, logical_lines, text, texts
from .section import Reader, Section

DIRECTORIES = (
    "/etc/modprobe.d",
    "/run/modprobe.d",
    "/usr/local/lib/modprobe.d",
    "/usr/lib/modprobe.d",
    "/lib/modprobe.d",
)
ROOT = "/lib/modules"
# What follows is the modules' own aliases, tens of thousands of lines.
END_OF_CONFIGURATION = "# End of configuration files."


class Modules(Reader):
    """Args: request: names of modules."""

    def __init__(self, request: list[str]) -> None:
        super().__init__(request)
        self.configuration = Command("modprobe", "--showconfig")

    def read(self) -> Section:
        left_out: dict[str, str] = {}
        names = {plain(name) for name in self.request}
        on_disk, built_in = listed(names, left_out)
        loaded = users(text("/proc/modules", left_out) or "")
        try:
            lines = self.configuration.text().partition(END_OF_CONFIGURATION)[0].splitlines()
        except CommandError as exc:
            lines = []
            # Without modprobe nothing that is not on the disk is loaded, and of the rest nothing is known.
            left_out.update({name: str(exc) for name in on_disk})
        sources = {path: logical_lines(content) for path, content in texts(drop_ins(*DIRECTORIES), left_out).items()}
        return Section(
            {
                name: {
                    "on_disk": plain(name) in on_disk,
                    "built_in": plain(name) in built_in,
                    "loaded": plain(name) in loaded,
                    "used": bool(loaded.get(plain(name))),
                    "install": install(plain(name), lines),
                    "blacklist": any(words(line, "blacklist") == [plain(name)] for line in lines),
                    "sources": {
                        word: next((path for path, own in sources.items() if _speaks(own, word, plain(name))), None)
                        for word in ("install", "blacklist")
                    },
                }
                for name in self.request
            },
            left_out,
        )


def users(modules: str) -> dict[str, int]:
    """By name of a loaded module how many hold it; 0 where this kernel does not count them."""
    rows = [line.split() for line in modules.splitlines()]
    return {row[0]: int(row[2]) if row[2].isdigit() else 0 for row in rows if len(row) > 2}


def install(name: str, lines: list[str]) -> str | None:
    """The command that modprobe runs instead of loading NAME: of several lines the first counts (libkmod)."""
    for line in lines:
        pattern, *command = words(line, "install") or [""]
        if fnmatch.fnmatchcase(name, pattern):
            return " ".join(command)
    return None


def words(line: str, directive: str) -> list[str]:
    """What follows DIRECTIVE in a line, the module's name with underscores; empty where the line is another."""
    first, *rest = line.split() or [""]
    return [plain(rest[0]), *rest[1:]] if first == directive and rest else []


def _speaks(lines: list[str], directive: str, name: str) -> bool:
    return any(fnmatch.fnmatchcase(name, (words(line, directive) or [""])[0]) for line in lines)


def listed(names: set[str], left_out: dict[str, str]) -> tuple[set[str], set[str]]:
    """Those of NAMES that some installed kernel has as a module, and those that are built in."""
    on_disk: set[str] = set()
    built_in: set[str] = set()
    for kernel in sorted(os.listdir(ROOT)) if os.path.isdir(ROOT) else []:
        index = f"{ROOT}/{kernel}/modules.dep"
        if os.path.exists(f"{index}.bin") and not os.path.exists(index):
            # modprobe reads the other form only (modules.dep(5)).
            left_out[index] = "is missing beside modules.dep.bin, by which modprobe still finds modules: run depmod"
        for listing, known in (("modules.dep", on_disk), ("modules.builtin", built_in)):
            content = text(f"{ROOT}/{kernel}/{listing}", left_out) or ""
            known |= names & {module_name(line.partition(":")[0]) for line in content.splitlines()}
    return on_disk, built_in


def plain(name: str) -> str:
    return name.replace("-", "_")


def module_name(path: str) -> str:
    return plain(path.rpartition("/")[2].split(".ko", 1)[0])
