# SPDX-License-Identifier: GPL-3.0-or-later
"""GRUB's menu, as grub-mkconfig(8) wrote it or from Boot Loader Specification snippets, and how it is locked."""

from __future__ import annotations

import glob
import hashlib
import os
import re
import shlex
import typing as t

from .boot_entries import SNIPPETS, kernel_cmdline, snippet
from .boot_words import Entry, Stored, words
from .configuration import text
from .shell_words import assigned

MENUS = ("/boot/grub/grub.cfg", "/boot/grub2/grub.cfg")
DEFAULTS, DROP_INS = "/etc/default/grub", "/etc/default/grub.d/*.cfg"
LINUX, DEFAULT, RECOVERY = "GRUB_CMDLINE_LINUX", "GRUB_CMDLINE_LINUX_DEFAULT", "GRUB_CMDLINE_LINUX_RECOVERY"
# What stands for the first two under Xen (20_linux_xen).
XEN, XEN_DEFAULT = "GRUB_CMDLINE_LINUX_XEN_REPLACE", "GRUB_CMDLINE_LINUX_XEN_REPLACE_DEFAULT"
NO_RECOVERY = "GRUB_DISABLE_RECOVERY"
# Beside the menu: what the menu's script sources for the password's hash (grub2-setpassword(8)), and what a site adds.
PASSWORD_FILE, CUSTOM = "user.cfg", "custom.cfg"
# Set by tuned where that is installed; elsewhere GRUB takes it for empty.
OPTIONAL = "tuned_params"
# Entries of the systems on other partitions, and of programs that are no Linux.
OTHER_SYSTEMS = ("30_os-prober", "memtest")
_BEGIN = re.compile(r"^### BEGIN (\S+) ###")
_ENTRY = re.compile(r"^\s*(?:menuentry)\s+('(?:[^']|'\\'')*'|\"[^\"]*\"|\S+)")
_KERNEL = re.compile(r"^\s*(?:linux(?:16|efi)?|module2?)\s+(\S*(?:vmlinu|Image|linux|kernel)\S*)(?:\s+(.*))?$")
_SET = re.compile(r"^\s*(?:set\s+)?(\w+)=(.*)$")
_VARIABLE = re.compile(r"\$(\w+)|\$\{(\w+)\}")
_SUPERUSERS = re.compile(r"[\s,;|&]+")


def menu(left_out: dict[str, str]) -> Stored | None:
    """GRUB with entries in its menu; None where it takes them from snippets, or is not there."""
    path = _menu_path()
    content = text(path, left_out) if path else None
    if content is None or _takes_snippets(content):
        return None
    variables = {**environment(left_out), **_set(content)}
    paths = [DEFAULTS, *sorted(glob.glob(DROP_INS))]
    settings = assigned(paths, (LINUX, DEFAULT, RECOVERY, XEN, XEN_DEFAULT, NO_RECOVERY), left_out)
    return Stored(entries(content, path, variables, left_out), future(settings), paths)


def future(settings: t.Mapping[str, str]) -> list[list[str]]:
    """What grub-mkconfig's scripts write of these settings: for an entry, and for the one that rescues."""
    linux, default = settings.get(LINUX, ""), settings.get(DEFAULT, "")
    pairs = [(linux, default)]
    if settings.get(XEN) or settings.get(XEN_DEFAULT):
        pairs.append((settings.get(XEN) or linux, settings.get(XEN_DEFAULT) or default))
    lines = []
    for always, normally in pairs:
        lines.append(f"{always} {normally}")
        if settings.get(NO_RECOVERY) != "true":
            lines.append(f"{settings.get(RECOVERY, '')} {always}")
    return [words(line) for line in lines]


def snippets(left_out: dict[str, str]) -> Stored | None:
    """GRUB with an entry a file (blscfg), as the Red Hat family has it."""
    path = _menu_path()
    content = text(path, left_out) if path else None
    if content is None or not _takes_snippets(content):
        return None
    variables = {**environment(left_out), **_set(content)}
    # What blscfg takes where the environment block has none.
    variables.setdefault("kernelopts", variables.get("default_kernelopts", ""))
    made = []
    for name in sorted(glob.glob(SNIPPETS[-1])):
        entry = snippet(text(name, left_out) or "", name)
        entry.words = _expanded(" ".join(entry.words), variables, name, left_out)
        made.append(entry)
    return Stored(made, *kernel_cmdline(left_out))


def _menu_path() -> str:
    return next((path for path in MENUS if os.path.exists(path)), "")


def _takes_snippets(content: str) -> bool:
    return re.search(r"^\s*blscfg\b", content, re.MULTILINE) is not None


def entries(content: str, path: str, variables: t.Mapping[str, str], left_out: dict[str, str]) -> list[Entry]:
    """Entries of a menu that start Linux of this system."""
    made: list[Entry] = []
    script = title = ""
    for line in content.replace("\\\n", "").splitlines():
        if begin := _BEGIN.match(line):
            script = os.path.basename(begin[1])
        elif entry := _ENTRY.match(line):
            title = entry[1].strip("'\"")
        elif (kernel := _KERNEL.match(line)) and not any(word in f"{script} {kernel[1]}" for word in OTHER_SYSTEMS):
            made.append(Entry(title, path, script, _expanded(kernel[2] or "", variables, path, left_out)))
    return made


def _expanded(written: str, variables: t.Mapping[str, str], where: str, left_out: dict[str, str]) -> list[str]:
    def expanded(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in variables and name != OPTIONAL:
            left_out.setdefault(where, f"the variable ${name} stands in a kernel's parameters, and nothing sets it")
        return variables.get(name, "")

    line = _VARIABLE.sub(expanded, written)
    try:
        return shlex.split(line)
    except ValueError:
        return words(line)


def _set(content: str) -> dict[str, str]:
    """Variables that the menu sets; of several values the last."""
    variables = {}
    for line in content.splitlines():
        if match := _SET.match(line):
            variables[match[1]] = match[2].strip().strip("\"'")
    return variables


def environment(left_out: dict[str, str]) -> dict[str, str]:
    """GRUB's environment block (grub-editenv(1))."""
    block = text(f"{os.path.dirname(_menu_path())}/grubenv", left_out) or ""
    pairs = (line.partition("=") for line in block.splitlines() if not line.startswith("#"))
    return {name: value for name, mark, value in pairs if mark}


def password(left_out: dict[str, str]) -> dict[str, t.Any]:
    """Who may edit entries and use GRUB's console.

    ``menu``, the path of it; ``superusers``; ``hashed``, users with a hash of their password, and ``plain``, those whose password stands there as it is;
    ``fingerprint``, the SHA-256 of the hash in PASSWORD_FILE: who has it learns nothing of the hash, whose salt is in it too.
    """
    path = _menu_path()
    directory = os.path.dirname(path)
    own = _set(text(f"{directory}/{PASSWORD_FILE}", left_out) or "")
    content = "\n".join([text(path, left_out) or "", text(f"{directory}/{CUSTOM}", left_out) or ""])
    variables = {**_set(content), **own}
    superusers = [name for name in _SUPERUSERS.split(variables.get("superusers", "")) if name]
    locked: dict[str, list[str]] = {"password_pbkdf2": [], "password": []}
    for line in content.splitlines():
        command, *rest = line.split() or [""]
        if command in locked and len(rest) == 2:
            secret = _VARIABLE.sub(lambda m: variables.get(m[1] or m[2], ""), rest[1])
            if command == "password" or secret.startswith("grub.pbkdf2."):
                locked[command].append(rest[0])
    secret = own.get("GRUB2_PASSWORD", "")
    return {
        "menu": path,
        "superusers": superusers,
        "hashed": sorted(set(locked["password_pbkdf2"])),
        "plain": sorted(set(locked["password"])),
        "fingerprint": hashlib.sha256(secret.encode()).hexdigest() if secret else "",
    }
