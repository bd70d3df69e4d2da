# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets in and becomes root: sshd, sudo, PAM, and the list files of cron and at."""

from __future__ import annotations

import glob
import os
import re

from .commands import Command, CommandError, read

ROOT_FILES = ("/root/.bash_profile", "/root/.bashrc", "/root/.profile")


class Sshd:
    """The daemon's own view of its configuration (sshd -T) and what Match blocks change of it."""

    def __init__(self) -> None:
        # Where sshd never ran, its privilege separation directory is missing and -T refuses.
        self.command = Command("sshd", "-T")

    def collect(self) -> dict[str, object]:
        if not self.command.found:
            return {"installed": False, "effective": {}, "match": [], "includes_dropins": False}
        effective: dict[str, str] = {}
        for line in self.command.text().splitlines():
            key, _mark, value = line.partition(" ")
            effective[key] = f"{effective[key]} {value}" if key in effective else value
        if "port" not in effective:
            raise CommandError("'sshd -T' printed no configuration")
        main = read("/etc/ssh/sshd_config") or ""
        blocks: list[dict[str, object]] = []
        for path in ("/etc/ssh/sshd_config", *sorted(glob.glob("/etc/ssh/sshd_config.d/*.conf"))):
            blocks += _match_blocks(path, read(path) or "")
        first = next(
            (
                line.split()[0].lower()
                for line in main.splitlines()
                if line.strip() and not line.lstrip().startswith("#")
            ),
            "",
        )
        return {"installed": True, "effective": effective, "match": blocks, "includes_dropins": first == "include"}


def _match_blocks(path: str, text: str) -> list[dict[str, object]]:
    blocks: list[dict[str, object]] = []
    settings: dict[str, str] | None = None
    for line in text.splitlines():
        words = line.split("#", 1)[0].replace("=", " ").split(None, 1)
        if len(words) < 2:
            continue
        keyword, value = words[0].lower(), words[1].strip()
        if keyword == "match":
            settings = {}
            if value.lower() != "all":
                blocks.append({"source": path, "criteria": value, "settings": settings})
        elif settings is not None:
            settings.setdefault(keyword, value)
    return blocks


def sudo() -> dict[str, object]:
    """Defaults in the order in which they are read, and the rules that ask for no password."""
    defaults: list[dict[str, str]] = []
    nopasswd: list[str] = []
    no_authenticate: list[str] = []
    for path in _sudoers("/etc/sudoers"):
        for line in re.sub(r"\\\n", " ", read(path) or "").splitlines():
            line = line.strip()
            if not line or line.startswith(("#", "@")):
                continue
            if line.startswith("Defaults"):
                scope, _space, options = line.partition(" ")
                for option in re.findall(r'(?:[^,"]|"[^"]*")+', options):
                    defaults.append({"scope": scope[8:], "option": option.strip(), "source": path})
            if "NOPASSWD" in line:
                nopasswd.append(f"{path}: {line}")
            if "!authenticate" in line:
                no_authenticate.append(f"{path}: {line}")
    return {"defaults": defaults, "nopasswd": nopasswd, "no_authenticate": no_authenticate}


def _sudoers(path: str, depth: int = 0) -> list[str]:
    """Sudoers files in reading order (sudoers(5): names with a dot or ending in ~ are skipped)."""
    found = [path]
    for line in (read(path) or "").splitlines() if depth < 8 else []:
        words = line.split()
        if len(words) == 2 and words[0] in ("@includedir", "#includedir") and os.path.isdir(words[1]):
            names = sorted(name for name in os.listdir(words[1]) if "." not in name and not name.endswith("~"))
            for name in names:
                found += _sudoers(f"{words[1]}/{name}", depth + 1)
        elif len(words) == 2 and words[0] in ("@include", "#include"):
            found += _sudoers(words[1], depth + 1)
    return found


def pam(services: list[str]) -> dict[str, list[dict[str, object]]]:
    """The lines of PAM stacks: type, control, module, arguments (pam.conf(5))."""
    stacks = {}
    for service in services:
        lines: list[dict[str, object]] = []
        for line in re.sub(r"\\\n", " ", read(f"/etc/pam.d/{service}") or "").splitlines():
            found = re.match(r"\s*-?(auth|account|password|session)\s+(\[[^\]]*\]|\S+)\s+(\S+)\s*(.*)", line)
            if found:
                arguments = found[4].split("#", 1)[0].split()
                lines.append(
                    {"type": found[1], "control": found[2], "module": found[3].rpartition("/")[2], "args": arguments}
                )
        stacks[service] = lines
    return stacks


class RootShell:
    """The search path and umask that root's login shell really gets."""

    def __init__(self) -> None:
        self.command = Command("bash", "-lc", 'printf "%s\\n" "$PATH"; umask', timeout=10)

    def collect(self) -> dict[str, object]:
        path, umask = self.command.text().splitlines()[-2:]
        parts = path.split(":")
        unsafe = [part or "(empty)" for part in parts if not part.startswith("/")]
        for part in (part for part in parts if part.startswith("/")):
            try:
                found = os.stat(part)
            except OSError:
                continue  # a directory that is not there cannot hold a trap
            if found.st_uid != 0 or found.st_mode & 0o022:
                unsafe.append(part)
        # Only which of root's own files set a umask: what else stands in them is nobody's business.
        own = [path for path in ROOT_FILES if re.search(r"^\s*umask\b", read(path) or "", re.MULTILINE)]
        return {"path": parts, "unsafe": unsafe, "umask": umask, "umask_set_in": own}
