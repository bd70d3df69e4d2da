# SPDX-License-Identifier: GPL-3.0-or-later
"""What the package manager's own log says of the transactions that somebody asked for, and of nobody else's."""

from __future__ import annotations

import gzip
import os
import re
import typing as t

from . import programs
from .errors import ChangeError

APT = "/var/log/apt/history.log"
"""apt.conf(5), Dir::Log::History."""
_MOVES = ("Install", "Upgrade", "Downgrade", "Remove", "Purge")
Mark = t.Dict[str, int]


def mark() -> Mark:
    """Where the log ends now, by its inode and length."""
    try:
        status = os.stat(APT)
    except OSError:
        return {"inode": 0, "size": 0}
    return {"inode": status.st_ino, "size": status.st_size}


def moved_with(asked: t.Collection[str], since: Mark) -> set[str]:
    """Packages that came, moved or went in the transactions since then that name one of ASKED."""
    return moved(_since(since), asked) | _installed_with(asked)


def moved(log: str, asked: t.Collection[str]) -> set[str]:
    """The same in the text of apt's log.

    Its paragraphs hold a ``Commandline`` and, by kind of change, lists like ``Install: ufw:amd64 (0.36, automatic), ...``.
    """
    names = set()
    for paragraph in log.split("\n\n"):
        fields = dict(line.partition(": ")[::2] for line in paragraph.splitlines())
        words = {re.split("[=/:]", word)[0] for word in fields.get("Commandline", "").replace("'", "").split()}
        if words & set(asked):
            for field in _MOVES:
                names |= set(re.findall(r"([^\s,():]+):[^\s,()]+ \(", fields.get(field, "")))
    return names


def _since(mark: Mark) -> str:
    """The log since MARK; where it was rotated (logrotate.d/apt) the old one's rest is in front."""
    try:
        with open(APT, "rb") as handle:
            status = os.fstat(handle.fileno())
            whole = status.st_ino == mark["inode"] and status.st_size >= mark["size"]
            if whole:
                handle.seek(mark["size"])
            text = handle.read()
        if not whole and mark["inode"]:
            with gzip.open(f"{APT}.1.gz", "rb") as old:
                text = old.read()[mark["size"] :] + b"\n\n" + text
    except (OSError, EOFError):
        return ""
    return text.decode("utf-8", "replace")


def _installed_with(asked: t.Collection[str]) -> set[str]:
    """Where rpm is: packages that carry the number of a transaction that one of ASKED carries."""
    try:
        answer = programs.run(["rpm", "-qa", "--qf", "%{NAME} %{INSTALLTID}\n"])
    except ChangeError:
        return set()
    rows = [line.split() for line in answer.out.splitlines() if len(line.split()) == 2]
    transactions = {number for name, number in rows if name in asked}
    return {name for name, number in rows if number in transactions}
