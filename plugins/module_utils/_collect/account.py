# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts and groups. Of a password hash only its state is kept, never the hash."""

from __future__ import annotations

import os
import stat

from .command import read
from .paths import group_name, user_name
from .section import Reader, Section

NO_LOGIN = ("nologin", "false", "sync", "shutdown", "halt")
MOST_DOT_FILES = 500


class Accounts(Reader):
    def read(self) -> Section:
        return Section(accounts())


def rows(path: str, columns: int) -> list[list[str]]:
    lines = (read(path) or "").splitlines()
    split = [line.split(":") for line in lines if line and line[0] not in "#+-"]
    return [fields + [""] * (columns - len(fields)) for fields in split]


def number(value: str) -> int | None:
    return int(value) if value.lstrip("-").isdigit() else None


def password_state(field: str | None) -> str:
    """none (no shadow line), empty, disabled (no hash can match), locked (hash kept behind '!') or set (shadow(5))."""
    if field is None:
        return "none"
    if not field:
        return "empty"
    if field.startswith("!") and len(field.lstrip("!")) > 1 and field.lstrip("!") != "*":
        return "locked"
    return "disabled" if field[0] in "!*" else "set"


def accounts() -> dict[str, object]:
    shadow = {fields[0]: fields for fields in rows("/etc/shadow", 9)}
    shells = {line.strip() for line in (read("/etc/shells") or "").splitlines() if line.startswith("/")}
    limits = {"UID_MIN": 1000}
    for line in (read("/etc/login.defs") or "").splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] in limits and words[1].isdigit():
            limits[words[0]] = int(words[1])
    users = []
    for name, hashed, uid, gid, _gecos, home, shell in (fields[:7] for fields in rows("/etc/passwd", 7)):
        hashes = shadow.get(name)
        valid_shell = shell in shells and shell.rpartition("/")[2] not in NO_LOGIN
        user: dict[str, object] = {
            "name": name,
            "uid": number(uid),
            "gid": number(gid),
            "home": home,
            "shell": shell,
            "valid_shell": valid_shell,
            "system": (number(uid) or 0) < limits["UID_MIN"] or name == "nobody",
            "shadowed": hashed == "x",
            "password": password_state(hashes[1] if hashes else None),
        }
        for index, key in enumerate(("last_change", "min", "max", "warn", "inactive"), 2):
            user[key] = number(hashes[index]) if hashes else None
        if valid_shell and not user["system"]:
            user.update(_home(home))
        users.append(user)
    groups = [
        {"name": fields[0], "gid": number(fields[2]), "members": [m for m in fields[3].split(",") if m]}
        for fields in rows("/etc/group", 4)
    ]
    return {"users": users, "groups": groups, "uid_min": limits["UID_MIN"]}


def _home(home: str) -> dict[str, object]:
    """The home directory of a person and the dot files at its top."""
    try:
        found = os.stat(home)
    except OSError:
        return {"home_exists": False, "dot_files": []}
    dots = []
    for entry in sorted(os.scandir(home), key=lambda entry: entry.name)[:MOST_DOT_FILES]:
        if entry.name.startswith(".") and entry.is_file(follow_symlinks=False):
            facts = entry.stat(follow_symlinks=False)
            dots.append(
                {
                    "name": entry.name,
                    "mode": f"{stat.S_IMODE(facts.st_mode):04o}",
                    "owner": user_name(facts.st_uid),
                    "group": group_name(facts.st_gid),
                }
            )
    return {
        "home_exists": stat.S_ISDIR(found.st_mode),
        "home_mode": f"{stat.S_IMODE(found.st_mode):04o}",
        "home_owner": user_name(found.st_uid),
        "dot_files": dots,
    }
