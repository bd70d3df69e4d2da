# SPDX-License-Identifier: GPL-3.0-or-later
"""GRUB's menu, as grub-mkconfig(8) wrote it or from Boot Loader Specification snippets, and how it is locked."""

from __future__ import annotations

import glob
import hashlib
import os
import re
import shlex
import typing as t
from types import MappingProxyType

from .boot_entries import PARTITIONS, SNIPPETS, UNIFIED, kernel_cmdline, snippet_fields, snippet_title
from .boot_words import Entry, Stored, uncommented, words
from .configuration import text
from .shell_words import assigned, joined

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
_MARK = re.compile(r"^### (BEGIN|END) (\S+) ###", re.MULTILINE)
_COMMAND = re.compile(r"""(?:\$\{\w+\}|'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^;{}])+""")
_LEADING = re.compile(r"^\s*(?:(?:then|else|do|if|elif|!)\s+)*")
_ENTRY = re.compile(r"^(?:menuentry|submenu)\s+('(?:[^']|'\\'')*'|\"[^\"]*\"|\S+)")
# What says of an entry of a locked menu who may start it: everybody, named users, or what `boot_password` puts in.
_WHO = re.compile(r"\s(?:--(?:unrestricted|users)\b|\$\{?menuentry_id_option\b)")
# With the others programs are started, too, that are no Linux.
_KERNEL = re.compile(
    r"^(?:linux(?:efi)?\s+(?P<any>\S+)|(?:linux16|(?:xen_)?module2?)\s+(?P<named>\S*(?:vmlinu|Image|linux|kernel)\S*))(?:\s+(?P<line>.*))?$"
)
_SET = re.compile(r"^(?:set\s+)?(\w+)=(.*)$")
_WHERE_UNSET = re.compile(r"^\[ -z [\"']?\$\{?(\w+)\}?[\"']? \]")
_TAKES_IN = re.compile(r"^(?:source|configfile|\.)\s+[\"']?([^\s\"']+)")
_BESIDE = re.compile(r"^\$\{?(?:prefix|config_directory)\}?/([^/]+)$")
_VARIABLE = re.compile(r"\$(\w+|[@*])|\$\{(\w+)\}")
_SUPERUSERS = re.compile(r"[\s,;|&]+")


def menu(left_out: dict[str, str]) -> Stored | None:
    """GRUB with entries in its menu; None where it takes them from snippets, or is not there."""
    path = _menu_path()
    content = text(path, left_out) if path else None
    if content is None or _takes_snippets(content):
        return None
    made = _entries_of_menu(path, _variables(path, left_out), left_out)
    if not _MARK.search(content):  # people wrote it, and grub-mkconfig would write over it
        return Stored(made)
    paths = [DEFAULTS, *sorted(glob.glob(DROP_INS))]
    settings = assigned(paths, (LINUX, DEFAULT, RECOVERY, XEN, XEN_DEFAULT, NO_RECOVERY), left_out)
    return Stored(made, future(settings), paths)


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
    return [uncommented(words(line)) for line in lines]


def snippets(left_out: dict[str, str]) -> Stored | None:
    """GRUB with an entry a file (blscfg), as the Red Hat family has it."""
    path = _menu_path()
    content = text(path, left_out) if path else None
    if content is None or not _takes_snippets(content):
        return None
    variables = {"kernelopts": "", **_variables(path, left_out)}
    made = []
    for name in sorted(glob.glob(SNIPPETS[-1])):
        fields = snippet_fields(text(name, left_out) or "")
        if "linux" in fields:
            # Unlike systemd-boot, GRUB takes the first line of options; where that comes to nothing, a variable (create_entry() in blscfg.c).
            options = _expanded(fields.get("options", [""])[0], variables, name, left_out)
            options = options or _expanded(variables.get("default_kernelopts", ""), variables, name, left_out)
            made.append(Entry(snippet_title(fields, name), name, "", options))
        elif "efi" in fields:
            left_out[name] = UNIFIED
    return Stored(made + _entries_of_menu(path, variables, left_out), *kernel_cmdline(left_out))


def other_menus(left_out: dict[str, str]) -> None:
    """Leave out menus that are not read: on the EFI system partition those that start something themselves, rather than hand on."""
    for path in (path for partition in PARTITIONS for path in glob.glob(f"{partition}/EFI/*/grub.cfg")):
        starts = re.search(r"^\s*(?:linux|blscfg\b)", text(path, left_out) or "", re.MULTILINE)
        if starts and os.path.realpath(path) not in map(os.path.realpath, MENUS):
            left_out[path] = (
                "a menu that GRUB starts with, and this collection does not read: let it hand on to the other"
            )
    for path in (path for path in MENUS if os.path.exists(path)):
        if os.path.realpath(path) != os.path.realpath(_menu_path()):
            left_out[path] = (
                f"a second menu beside {_menu_path()}, which is read: remove the one that GRUB does not start with"
            )


def _menu_path() -> str:
    return next((path for path in MENUS if os.path.exists(path)), "")


def _takes_snippets(content: str) -> bool:
    return re.search(r"^\s*blscfg\b", content, re.MULTILINE) is not None


def _commands(content: str) -> t.Iterator[tuple[str, str]]:
    """Each command of a menu, with the one of grub-mkconfig's scripts that wrote it; that is empty where none did."""
    script = ""
    for line in joined(content).splitlines():
        if mark := _MARK.match(line):
            script = os.path.basename(mark[2]) if mark[1] == "BEGIN" else ""
        elif not line.lstrip().startswith("#"):
            yield from ((script, _LEADING.sub("", command).rstrip()) for command in _COMMAND.findall(line))


def _files(path: str, left_out: dict[str, str]) -> dict[str, str]:
    """The texts of a menu and of the files beside it that it takes in, by path."""
    contents: dict[str, str] = {}
    waiting = [path]
    while waiting:
        one = waiting.pop(0)
        content = None if one in contents else text(one, left_out)
        if content is None:
            continue
        contents[one] = content
        for _script, command in _commands(content):
            taken = _TAKES_IN.match(command)
            if taken and (beside := _BESIDE.match(taken[1])):
                waiting.append(os.path.join(os.path.dirname(path), beside[1]))
            elif taken:
                left_out.setdefault(one, f"it takes in {taken[1]}, which is not read: look into that by hand")
    return contents


def _variables(path: str, left_out: dict[str, str]) -> dict[str, str]:
    return _set("\n".join(_files(path, left_out).values()), environment(left_out))


def _entries_of_menu(path: str, variables: t.Mapping[str, str], left_out: dict[str, str]) -> list[Entry]:
    files = _files(path, left_out)
    return [entry for name, content in files.items() for entry in entries(content, name, variables, left_out)]


def entries(content: str, path: str, variables: t.Mapping[str, str], left_out: dict[str, str]) -> list[Entry]:
    """Entries of a menu that start Linux of this system."""
    made: list[Entry] = []
    title = ""
    for script, command in _commands(content):
        if entry := _ENTRY.match(command):
            title = entry[1].strip("'\"")
        elif kernel := _KERNEL.match(command):
            started = f"{script} {kernel['any'] or kernel['named']}"
            if not any(word in started for word in OTHER_SYSTEMS):
                made.append(Entry(title, path, script, _expanded(kernel["line"] or "", variables, path, left_out)))
    return made


def _expanded(written: str, variables: t.Mapping[str, str], where: str, left_out: dict[str, str]) -> list[str]:
    """The words of a kernel's parameters, up to a comment."""

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in variables and name != OPTIONAL:
            left_out.setdefault(where, f"the variable ${name} stands in a kernel's parameters, and nothing sets it")
        return variables.get(name, "")

    # What a variable held when it was set, `_set` has put in; what was not known then stands in it.
    line = _VARIABLE.sub(value, _VARIABLE.sub(value, written))
    try:
        return uncommented(shlex.split(line))
    except ValueError:
        return uncommented(words(line))


def _set(content: str, known: t.Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """KNOWN variables and those that a menu sets; of several values the last, but for what is set only where it is not known."""
    variables = dict(known)
    unset = ""
    for _script, command in _commands(content):
        if where := _WHERE_UNSET.match(command):
            unset = where[1]
        elif command in ("else", "fi"):
            unset = ""
        elif command.startswith("unset "):
            variables.pop(command.split()[1], None)
        elif (match := _SET.match(command)) and not (match[1] == unset and variables.get(unset)):
            value = match[2].strip().strip("\"'")
            variables[match[1]] = _VARIABLE.sub(lambda m: variables.get(m[1] or m[2], m[0]), value)
    return variables


def environment(left_out: dict[str, str]) -> dict[str, str]:
    """GRUB's environment block (grub-editenv(1))."""
    block = text(f"{os.path.dirname(_menu_path())}/grubenv", left_out) or ""
    pairs = (line.partition("=") for line in block.splitlines() if not line.startswith("#"))
    return {name: value for name, mark, value in pairs if mark}


def password(left_out: dict[str, str]) -> dict[str, t.Any]:
    """Who may edit entries and use GRUB's console.

    ``menu``, the path of it; ``superusers``; ``hashed``, users with a hash of their password, and ``plain``, those whose password
    stands there as it is; ``asking``, titles of the entries of this system that would start only with a password, though nothing says
    so; ``fingerprint``, the SHA-256 of the hash in PASSWORD_FILE: who has it learns nothing of the hash, whose salt is in it too.
    """
    path = _menu_path()
    own = _set(text(f"{os.path.dirname(path)}/{PASSWORD_FILE}", left_out) or "")
    content = "\n".join(_files(path, left_out).values())
    variables = _set(content)
    superusers = [name for name in _SUPERUSERS.split(variables.get("superusers", "")) if name]
    locked: dict[str, list[str]] = {"password_pbkdf2": [], "password": []}
    asking = []
    for script, line in _commands(content):
        entry = _ENTRY.match(line)
        if entry and not _WHO.search(line) and not any(word in script for word in OTHER_SYSTEMS):
            asking.append(entry[1].strip("'\""))
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
        "asking": asking,
        "fingerprint": hashlib.sha256(secret.encode()).hexdigest() if secret else "",
    }
