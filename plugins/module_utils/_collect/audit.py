# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel audit rules: as loaded, and as stored.

Items: ``installed``; ``disk``, a list of ``{rule, line, source}`` in the order in which augenrules(8) loads them;
``options``, the last ``{value, source}`` of each of auditctl's options that stands there (``-e``, ``-c`` ...); ``live``, the loaded rules
in the kernel's order, and ``enabled`` (``auditctl -s``), both None where the kernel does not tell; ``unavailable`` why;
``calls``, those system calls of the request that the installed auditctl knows by name; ``compat``, whether the kernel runs
32-bit programs as far as its configuration tells, else true.
"""

from __future__ import annotations

import os
import re
import shlex

from .command import Command, CommandError
from .configuration import drop_ins, text
from .section import Reader, Section

DIRECTORY = "/etc/audit/rules.d"
# One number on every architecture (the kernel's tables are one from 424 on): auditctl prints it where it lacks the name.
NUMBERS = {"452": "fchmodat2"}
QUOTES = frozenset("'\"\\")
# Of auditctl(8), those that are no rules: augenrules puts them first, -e last.
OPTIONS = re.compile(r"(-[cbefirs]|-D|--backlog_wait_time|--loginuid-immutable|--reset-lost)\b")


class Audit(Reader):
    """Args: request: names of system calls that older versions of auditctl do not know."""

    def __init__(self, request: list[str] | None = None) -> None:
        super().__init__(request)
        self.rules = Command("auditctl", "-l")
        self.status = Command("auditctl", "-s")
        self.calls = {name: Command("ausyscall", name, "--exact") for name in request or ()}

    def read(self) -> Section:
        left_out: dict[str, str] = {}
        disk: list[dict[str, str]] = []
        options: dict[str, dict[str, str]] = {}
        for path in drop_ins(DIRECTORY, suffix=".rules"):
            merge(text(path, left_out) or "", path, disk, options)
        items: dict[str, object] = {
            "installed": self.rules.installed,
            "disk": disk,
            "options": options,
            "live": None,
            "enabled": None,
            "unavailable": "",
            "compat": runs_32_bit(left_out),
            "calls": [name for name, command in self.calls.items() if _answers(command)],
        }
        if self.rules.installed:
            try:
                loaded = self.rules.text().splitlines()
                status = dict(line.split(None, 1) for line in self.status.text().splitlines() if " " in line)
            except CommandError as exc:
                items["unavailable"] = str(exc)
            else:
                items["live"] = [canonical(line) for line in loaded if line.startswith("-")]
                items["enabled"] = status.get("enabled")
        return Section(items, left_out)


def runs_32_bit(left_out: dict[str, str]) -> bool:
    """CONFIG_COMPAT of the running kernel. Where its configuration is not there to read, a rule too many does no harm."""
    release = os.uname().release
    for path in (f"/boot/config-{release}", f"/lib/modules/{release}/config"):
        content = text(path, left_out)
        if content is not None:
            return re.search(r"^CONFIG_COMPAT=y", content, re.MULTILINE) is not None
    return True


def _answers(command: Command) -> bool:
    try:
        command.output()
    except CommandError:
        return False
    return True


def merge(content: str, path: str, disk: list[dict[str, str]], options: dict[str, dict[str, str]]) -> None:
    """Add a file's rules to DISK and its options to OPTIONS. ``-A`` puts a rule before all others, ``-d`` and ``-W`` take it away."""
    for line in content.splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if OPTIONS.match(line):
            name, _blank, value = line.partition(" ")
            options[name] = {"value": value.strip(), "source": path}
            continue
        if line.startswith(("-d", "-W")):
            taken = canonical({"d": "-a", "W": "-w"}[line[1]] + line[2:])
            disk[:] = [entry for entry in disk if entry["rule"] != taken]
            continue
        entry = {"rule": canonical(line), "line": line, "source": path}
        if line.startswith("-A"):
            disk.insert(0, entry)
        else:
            disk.append(entry)


def canonical(line: str) -> str:
    """One form for one rule: auditctl -l prints watches, lists and 'unset' differently from how they are written."""
    try:
        # Most lines have no quotes; shlex takes a tenth of a millisecond, which in a file of 10 MB is a quarter of a minute.
        words = shlex.split(line) if QUOTES & set(line) else line.split()
    except ValueError:
        return line  # an unbalanced quote: auditctl refuses it, and it equals nothing
    if not words or OPTIONS.match(words[0]):
        return line
    fields: set[str] = set()
    calls: set[str] = set()
    action = ""
    for flag, value in zip(words[::2], words[1::2]):
        if flag in ("-a", "-A"):
            action = ",".join(sorted(value.split(","), key=lambda word: word in ("always", "never", "possible")))
        elif flag == "-S":
            calls |= {NUMBERS.get(call, call) for call in value.split(",")}
        elif flag in ("-F", "-C"):
            value = value.replace("=unset", "=-1").replace("=4294967295", "=-1")
            if flag == "-C":
                value = "compare:" + "!=".join(sorted(value.split("!=")))
            fields.add("perm=" + "".join(sorted(value[5:])) if value.startswith("perm=") else value)
        elif flag == "-w":
            # A watch is short for a path rule on every system call (auditctl(8)).
            fields.add("path=" + value.rstrip("/"))
            action = "exit,always"
        elif flag == "-p":
            fields.add("perm=" + "".join(sorted(value)))
        elif flag == "-k":
            fields.add("key=" + value)
    fields = {"path=" + field[4:].rstrip("/") if field.startswith("dir=") else field for field in fields}
    return " ".join([action, "syscalls=" + (",".join(sorted(calls - {"all"})) or "any"), *sorted(fields)])
