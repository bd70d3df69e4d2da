# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts and groups. Of a password hash only its state is kept, never the hash."""

from __future__ import annotations

import re
import time
import typing as t

from .command import Command, CommandError, read
from .paths import shown
from .section import Reader, Section

# Programs that end a login, at the places where distributions have them.
_REFUSES = re.compile(r"(/usr)?/s?bin/(nologin|false|true|sync|shutdown|halt)")
# pam_umask(8): the comment field, split at commas, may give an account a umask of its own.
_UMASK = re.compile(r"(?:^|,)umask=([^,]*)")
_DAYS = ("last_change", "min", "max", "warn", "inactive")
Row = list[str]


class Accounts(Reader):
    """Users and groups, of the files and, where a directory service lists them, of getent(1); by name the ``umasks`` that accounts have
    of their own.
    """

    def __init__(self, request: None = None) -> None:
        super().__init__(request)
        self.getent = {table: Command("getent", table, timeout=10) for table in ("passwd", "group", "shadow")}

    def read(self) -> Section:
        left_out: dict[str, str] = {}
        people, shells = uid_min(), _shells()
        today = int(time.time() // 86400)
        shadow: dict[str, Row] = {}
        for row in rows("/etc/shadow", 9):
            # Of two lines of one name glibc takes the first.
            shadow.setdefault(row[0], row)
        for row in self._listed("shadow", 9, left_out):
            shadow.setdefault(row[0], row)
        entries = self._rows("passwd", 7, left_out)
        users = [
            {
                **_user(row, shells, people),
                "local": local,
                **_password(shadow.get(row[0]), today),
                **_unshadowed(row),
            }
            for row, local in entries
        ]
        groups = [_group(row, users) for row, _local in self._rows("group", 4, left_out)]
        numbers = {group["gid"] for group in groups}
        for user in users:
            user["has_group"] = user["gid"] in numbers
        umasks = {shown(row[0]): shown(mask[1]) for row, _local in entries if (mask := _UMASK.search(row[4]))}
        return Section({"users": users, "groups": groups, "uid_min": people, "umasks": umasks}, left_out)

    def _rows(self, table: str, columns: int, left_out: dict[str, str]) -> list[tuple[Row, bool]]:
        """Entries, and whether they are the file's: those that only getent has are another service's, or hidden in it."""
        local, odd = parsed(f"/etc/{table}", columns)
        for line, reason in odd.items():
            left_out[f"/etc/{table}:{line}"] = reason
        known = {(row[0], number(row[2])) for row in local}
        others = [row for row in self._listed(table, columns, left_out) if (row[0], number(row[2])) not in known]
        return [*((row, True) for row in local), *((row, False) for row in others)]

    def _listed(self, table: str, columns: int, left_out: dict[str, str]) -> list[Row]:
        try:
            return [_row(line, columns) for line in self.getent[table].text().splitlines()]
        except CommandError as exc:
            left_out[f"getent {table}"] = str(exc)
            return []


def _row(line: str, columns: int) -> Row:
    fields = line.split(":")
    return (fields + [""] * columns)[:columns]


def rows(path: str, columns: int) -> list[Row]:
    """Entries of a local account file."""
    return parsed(path, columns)[0]


def parsed(path: str, columns: int) -> tuple[list[Row], dict[int, str]]:
    """Entries of a local account file, and lines that are none, by number with the reason."""
    entries, odd = [], {}
    for index, line in enumerate((read(path) or "").split("\n"), 1):
        line = line.lstrip()
        if not line or line.startswith("#"):
            continue
        if line[0] in "+-":
            odd[index] = "takes accounts from another service (nsswitch.conf(5), compat), which are not seen"
        elif line.count(":") < columns - 1:
            odd[index] = f"has {line.count(':') + 1} of {columns} fields"
        else:
            entries.append(_row(line, columns))
    return entries, odd


def number(value: str) -> int | None:
    """A number as the C library reads it (strtoul(3)): blanks and a sign before it are allowed."""
    try:
        return int(value) if "_" not in value else None
    except ValueError:
        return None


def uid_min() -> int:
    """The first number of people's accounts (login.defs(5)), whose last line counts."""
    lines = [line.split() for line in (read("/etc/login.defs") or "").splitlines()]
    numbers = [int(words[1]) for words in lines if words[:1] == ["UID_MIN"] and "".join(words[1:2]).isdigit()]
    return numbers[-1] if numbers else 1000


def may_login(shell: str) -> bool:
    """Whether a shell, empty for /bin/sh (passwd(5)), is more than a program that ends a login."""
    return not _REFUSES.fullmatch(shell)


def is_service(uid: int | None, people: int) -> bool:
    """Whether a number is no person's: below UID_MIN, or nobody's."""
    return (uid or 0) < people or uid == 65534


def _user(row: Row, shells: set[str], people: int) -> dict[str, t.Any]:
    name, hashed, uid, gid, _gecos, home, shell = row
    shell = shell or "/bin/sh"
    return {
        "name": shown(name),
        "uid": number(uid),
        "gid": number(gid),
        "home": shown(home),
        "shell": shown(shell),
        "login": may_login(shell),
        "valid_shell": shell in shells and may_login(shell),
        "system": is_service(number(uid), people),
        "shadowed": hashed == "x",
    }


def _group(row: Row, users: list[dict[str, t.Any]]) -> dict[str, t.Any]:
    gid = number(row[2])
    members = [shown(name) for name in row[3].split(",") if name]
    first = [user["name"] for user in users if user["gid"] == gid and user["name"] not in members]
    return {"name": shown(row[0]), "gid": gid, "members": members, "users": members + first}


def _password(row: Row | None, today: int) -> dict[str, t.Any]:
    """State and days of a shadow(5) line; ``ahead`` is by how many days the last change lies in the future.

    Without the day of the last change nothing ages, whatever the other fields say: they are None then.
    """
    days = [number(field) for field in row[2:7]] if row else [None] * len(_DAYS)
    if days[0] is None or days[0] < 0:
        days = [None] * len(_DAYS)
    return {
        "password": password_state(row[1]) if row else "none",
        "ahead": max(0, (days[0] or 0) - today),
        **dict(zip(_DAYS, days)),
    }


def _unshadowed(row: Row) -> dict[str, str]:
    """An empty password in passwd(5) itself, which counts in place of the one in shadow(5)."""
    return {} if row[1] else {"password": "empty"}


def _shells() -> set[str]:
    """Valid login shells (shells(5))."""
    return {line.strip() for line in (read("/etc/shells") or "").splitlines() if line.startswith("/")}


def password_state(field: str) -> str:
    """empty, disabled (no hash can match), locked (hash kept behind '!') or set (shadow(5))."""
    if not field:
        return "empty"
    if field.startswith("!") and len(field.lstrip("!")) > 1 and field.lstrip("!") != "*":
        return "locked"
    return "disabled" if field[0] in "!*" else "set"
