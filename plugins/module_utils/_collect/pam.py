# SPDX-License-Identifier: GPL-3.0-or-later
"""PAM stacks as libpam builds them (pam.conf(5)), and the profile that authselect(8) made them from."""

from __future__ import annotations

import glob
import os
import re
import typing as t

from .command import Command, read
from .section import Reader, Section

# The first directory that has a service's file wins.
DIRECTORIES = ("/etc/pam.d", "/usr/lib/pam.d")
MODULES = ("/lib/security", "/lib64/security", "/usr/lib64/security", "/usr/lib/security", "/usr/lib/*/security")
DEEPEST = 16
TYPES = ("auth", "account", "password", "session")
Line = dict[str, t.Any]


class Stacks(Reader):
    """Every service's lines in the order in which libpam calls them, what they include in its place.

    Items: service to lines, each with ``type``, ``control``, ``module`` (its file's name), ``args``, ``source``,
    ``level`` (of substacks) and ``installed``. A substack itself is a line whose control is ``substack``.
    """

    def __init__(self, request: None = None) -> None:
        super().__init__(request)
        self.texts: dict[str, str | None] = {}
        self.modules = {os.path.basename(path) for directory in MODULES for path in glob.glob(f"{directory}/pam_*.so")}

    def read(self) -> Section:
        services = {
            name: path
            for directory in reversed(DIRECTORIES)
            for path in glob.glob(f"{directory}/*")
            if os.path.isfile(path) and not (name := os.path.basename(path)).startswith(".")
        }
        stacks: dict[str, list[Line]] = {}
        left_out: dict[str, str] = {}
        for name in sorted(services):
            try:
                stacks[name] = list(self.lines(name))
            except (OSError, RecursionError) as exc:
                left_out[name] = f"{type(exc).__name__}: {exc}"
        if not stacks:
            return Section.unreadable("no service has a file in /etc/pam.d")
        return Section(stacks, left_out)

    def lines(self, service: str, only: str = "", level: int = 0, depth: int = 0) -> t.Iterator[Line]:
        """The lines of a service or of an included file; ONLY names the one type that is taken of it."""
        if depth > DEEPEST:
            raise RecursionError(f"{service} is included more than {DEEPEST} deep")
        path = next((path for path in self._paths(service) if self._text(path) is not None), "")
        for line in re.sub(r"\\\n", " ", self._text(path) or "" if path else "").splitlines():
            line = line.split("#", 1)[0].strip()
            included = re.match(r"@include\s+(\S+)", line)
            if included:
                yield from self.lines(included[1], only, level, depth + 1)
                continue
            words = re.match(r"(-?)(\w+)\s+(\[[^\]]*\]|\S+)\s+(\S+)\s*(.*)", line)
            if words is None or words[2].lower() not in TYPES or (only and words[2].lower() != only):
                continue
            kind, control, module = words[2].lower(), words[3].lower(), words[4]
            if control == "include":
                yield from self.lines(module, kind, level, depth + 1)
                continue
            substack = control == "substack"
            name = module if substack else os.path.basename(module)
            yield {
                "type": kind,
                "control": control,
                "module": name,
                "args": arguments(words[5]),
                "source": path,
                "level": level,
                # libpam passes over a line that begins with a dash where its module is missing.
                "installed": substack or name in self.modules or (os.path.isabs(module) and os.path.exists(module)),
                "optional": bool(words[1]),
            }
            if substack:
                yield from self.lines(module, kind, level + 1, depth + 1)

    @staticmethod
    def _paths(service: str) -> tuple[str, ...]:
        return (service,) if os.path.isabs(service) else tuple(f"{directory}/{service}" for directory in DIRECTORIES)

    def _text(self, path: str) -> str | None:
        if path not in self.texts:
            self.texts[path] = read(path)
        return self.texts[path]


def arguments(text: str) -> list[str]:
    """A module's arguments: brackets hold one together and are no part of it (pam.conf(5))."""
    words = re.findall(r"\[(?:\\.|[^\]])*\]|\S+", text)
    return [word[1:-1].replace("\\]", "]") if word.startswith("[") and word.endswith("]") else word for word in words]


class Authselect(Reader):
    """The profile and features that are selected; empty where the host has no authselect or none is selected."""

    def __init__(self, request: None = None) -> None:
        super().__init__(request)
        self.command = Command("authselect", "current", "--raw")

    def read(self) -> Section:
        if not self.command.installed:
            return Section({"profile": "", "features": []})
        # authselect(8): 2 says that no profile is selected.
        words = self.command.text(accept=(0, 2)).split()
        profile = words[0] if words and not words[0].startswith("No") else ""
        return Section({"profile": profile, "features": words[1:] if profile else []})
