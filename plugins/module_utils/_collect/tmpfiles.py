# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd-tmpfiles makes of modes and owners at the next boot (tmpfiles.d(5))."""

from __future__ import annotations

import os
import re
import shlex
import typing as t

from .command import Command, CommandError, read

MAKES = frozenset("dDvqQfFpLcbC")
"""Types that make what their line names, which is put right before anything else is (tmpfiles.c, item_compare)."""
SETS = frozenset("dDvqQfFezZm")
"""Types that set mode and owner of what is there."""
RECURSIVE = "Z"
GLOBS = frozenset("ezZm")
WILDCARDS = frozenset("*?[{")
MODE = re.compile("[:~]*[0-7]+|")
# Where the next boot finds nothing, so that lines for what is made hold too.
VOLATILE = ("/run/", "/dev/", "/proc/", "/sys/")


class Line(t.NamedTuple):
    """One line: its type, and mode, owner and group as they stand there, empty where it names none."""

    type: str
    path: str
    mode: str
    owner: str
    group: str
    source: str


class TmpFiles:
    """Asks systemd-tmpfiles for all its lines, in the order in which it reads them."""

    def __init__(self) -> None:
        self.command = Command("systemd-tmpfiles", "--cat-config", "--no-pager")
        self.made: dict[str, list[Line]] = {}
        self.globs: dict[str, list[Line]] = {}

    def read(self) -> str:
        """Take the answer; why it cannot be had, empty where it can."""
        if not self.command.installed:
            return ""
        try:
            lines = parsed(self.command.text(), specifiers())
        except CommandError as exc:
            return str(exc)
        for line in lines:
            (self.globs if line.type in GLOBS else self.made).setdefault(line.path, []).append(line)
        self.patterns = {path: re.compile(expression(path)) for path in self.globs if WILDCARDS & set(path)}
        return ""

    def of(self, path: str) -> list[Line]:
        """Lines on PATH in the order in which they are applied: what makes it, then globs as they were first met."""
        lines = list(self.made.get(path, ()))
        parts = path.split("/")
        above = {"/".join(parts[:count]) for count in range(2, len(parts))}
        for key, listed in self.globs.items() if self._met(path, above) else ():
            here = bool(self.patterns[key].fullmatch(path)) if key in self.patterns else key == path
            lines += sorted(
                (one for one in listed if here or (one.type == RECURSIVE and key in above)), key=lambda one: one.type
            )
        return lines

    def _met(self, path: str, above: set[str]) -> bool:
        """Whether any glob may speak of PATH: most files are no line's."""
        return (
            path in self.globs
            or bool(above & self.globs.keys())
            or any(p.fullmatch(path) for p in self.patterns.values())
        )

    def next_boot(self, path: str, mode: str, *, directory: bool) -> dict[str, str]:
        """What lines give PATH at the next boot: ``mode``, ``owner`` and ``group``, those that one names, and the ``source`` of the last
        such line; empty where none speaks of it. A mode may depend on the present one.
        """
        later: dict[str, str] = {}
        source = ""
        for line in self.of(path):
            for name, value in (("mode", line.mode), ("owner", line.owner), ("group", line.group)):
                # A colon: for what the line makes only.
                named = value.replace(":", "")
                if named and (":" not in value or path.startswith(VOLATILE)):
                    later[name] = masked(named, later.get(name, mode), directory) if name == "mode" else named
                    source = line.source
        return {**later, "source": source} if later else {}


def parsed(printed: str, known: t.Mapping[str, str]) -> list[Line]:
    """Lines that set something, of ``systemd-tmpfiles --cat-config``, which names each file before its text.

    Args:
        known: what specifiers stand for; a line with another one is of something that is not looked at here.
    """
    lines, source = [], ""
    for text in printed.splitlines():
        if text.startswith("# /"):
            source = text[2:]
        try:
            words = [*shlex.split(text), "", "", "", ""]
        except ValueError:
            continue
        kind, path = words[0][:1], re.sub("%(.)", lambda one: known.get(one[1], one[0]), words[1])
        if kind in SETS and not re.search("%[^%]", path):
            mode, owner, group = ("" if word == "-" else word for word in words[2:5])
            # As systemd-tmpfiles has it: a line with a mode that is none is no line.
            if not MODE.fullmatch(mode):
                continue
            lines.append(Line(kind, os.path.normpath(path.replace("%%", "%")), mode, owner, group, source))
    return lines


def specifiers() -> dict[str, str]:
    """What stands for itself in no line (tmpfiles.d(5), SPECIFIERS)."""
    return {
        "m": (read("/etc/machine-id") or "").strip(), "b": (read("/proc/sys/kernel/random/boot_id") or "").strip().replace("-", ""),
        "H": os.uname().nodename, "l": os.uname().nodename.partition(".")[0], "v": os.uname().release,
        "t": "/run", "S": "/var/lib", "C": "/var/cache", "L": "/var/log", "T": "/tmp", "V": "/var/tmp",
        "h": "/root", "u": "root", "g": "root", "U": "0", "G": "0",
    }  # fmt: skip


def masked(value: str, mode: str, directory: bool) -> str:
    """A mode as a line sets it: behind ``~`` only what the file already gives somebody (tmpfiles.d(5), Mode)."""
    bits, now = int(value.lstrip("~") or "0", 8), int(mode, 8)
    if value[0] == "~":
        for letter in (0o111, 0o222, 0o444):
            bits &= ~(0 if now & letter else letter)
        bits &= 0o7777 if directory else 0o777
    return f"{bits:04o}"


def expression(pattern: str) -> str:
    """A glob as a regular expression: wildcards take no slash and no leading dot, braces hold alternatives (glob(7))."""
    made = ""
    for part in re.findall(r"\[[!^]?\]?[^]]*\]|.", pattern):
        before = r"(?!\.)" if made[-1:] == "/" else ""
        if part in "*?":
            made += before + ("[^/]*" if part == "*" else "[^/]")
        elif len(part) > 1:
            made += before + re.sub(r"^\[[!^]", "[^", part)
        else:
            made += {"{": "(?:", "}": ")", ",": "|"}.get(part, re.escape(part)) if "{" in pattern else re.escape(part)
    return made
