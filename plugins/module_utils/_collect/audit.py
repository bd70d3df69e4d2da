# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel audit rules: as loaded, and as stored."""

from __future__ import annotations

import shlex

from .command import Command, CommandError, read
from .paths import precedence
from .section import Reader, Section


class Audit(Reader):
    """Audit rules as loaded (auditctl -l, -s) and as stored (rules.d)."""

    def __init__(self, wanted: None = None) -> None:
        super().__init__(wanted)
        self.rules = Command("auditctl", "-l")
        self.status = Command("auditctl", "-s")

    def read(self) -> Section:
        stored: list[str] = []
        for path in precedence(("/etc/audit/rules.d",), ".rules"):
            stored += [
                line.strip()
                for line in (read(path) or "").splitlines()
                if line.strip() and not line.lstrip().startswith("#")
            ]
        found: dict[str, object] = {
            "installed": self.rules.found,
            "disk": [canonical(line) for line in stored],
            "live": None,
            "enabled": None,
        }
        if self.rules.found:
            try:
                loaded = self.rules.text().splitlines()
                status = dict(line.split(None, 1) for line in self.status.text().splitlines() if " " in line)
            except CommandError as exc:
                # A container has no kernel audit of its own: its rules can only be judged on disk.
                found["unavailable"] = str(exc)
            else:
                found["live"] = [canonical(line) for line in loaded if line.startswith("-")]
                found["enabled"] = status.get("enabled")
        return Section(found)


def canonical(line: str) -> str:
    """One form for one rule: auditctl -l prints watches, lists and 'unset' differently from how they are written."""
    words = shlex.split(line)
    if not words or words[0] in ("-c", "-e", "-b", "-f", "-D", "--backlog_wait_time", "-i", "-r"):
        return line
    fields: set[str] = set()
    calls: set[str] = set()
    action = ""
    for flag, value in zip(words[::2], words[1::2]):
        if flag in ("-a", "-A"):
            action = ",".join(sorted(value.split(","), reverse=True))
            action = "exit,always" if action in ("exit,always", "always,exit") else action
        elif flag == "-S":
            calls |= set(value.split(","))
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
