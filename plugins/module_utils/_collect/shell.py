# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings that shells read when somebody logs in.

Items: ``TMOUT`` and ``umask``, each a list of ``{value, source}`` of every place that sets it, in the order in which bash
reads them (an unset TMOUT has the value ""); ``readonly``, the files that make TMOUT read-only; ``login``, the ``umask`` and
``timeout`` that a login shell of somebody without files of their own really gets, and whether TMOUT is ``fixed``; the umask is empty where none answered.
"""

from __future__ import annotations

import glob
import re
import typing as t

from .command import CommandError
from .configuration import texts
from .paths import shown
from .root_shell import answer, login_shells, weakest
from .section import Reader, Section
from .shell_words import joined

MAIN = ["/etc/profile", "/etc/bash.bashrc", "/etc/bashrc"]
PROFILES = "/etc/profile.d/*.sh"
# Where a command may begin: a line, or what follows `;`, `&&`, `||`, `{`, `(`, `then`, `else`, `do`.
COMMAND = r"(?:^|[;&|({]|\b(?:then|else|do)\b)[ \t]*"
DECLARATION = r"(?:(?:readonly|export|declare|typeset|local)[ \t]+(?:-\w+[ \t]+)*)*"
PATTERNS = {
    "TMOUT": [
        rf"{COMMAND}{DECLARATION}TMOUT=[\"']?([^\s;\"'&|#]*)",
        rf"{COMMAND}:[ \t]+[\"']?\$\{{TMOUT:?=(\w*)\}}",
        rf"{COMMAND}unset[ \t]+(?:\w+[ \t]+)*TMOUT()\b",
    ],
    "umask": [rf"{COMMAND}(?:(?:builtin|command)[ \t]+)?umask[ \t]+(?:-S[ \t]+)?[\"']?((?!-[pS]\b)[^\s;\"'&|#)]+)"],
}
READONLY = rf"{COMMAND}(?:readonly\b|(?:declare|typeset)[ \t]+-\w*r)[^\n;]*\bTMOUT\b"
SYMBOLIC = re.compile("[ugoa,=+rwxst-]+")
PERMISSIONS = {"r": 4, "w": 2, "x": 1}


# Nobody is none of root and of the system's own accounts to a script that tells people by their numbers.
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
ENVIRONMENT = ("env", "-i", "HOME=/nonexistent", "USER=nobody", "LOGNAME=nobody", "LC_ALL=C", "PATH=/usr/bin:/bin")


class Shell(Reader):
    def __init__(self, request: None = None) -> None:
        super().__init__(request)
        self.commands = login_shells(*NOBODY, *ENVIRONMENT)

    def read(self) -> Section:
        left_out: dict[str, str] = {}
        items: dict[str, t.Any] = {"TMOUT": [], "umask": [], "readonly": []}
        items["login"] = {"umask": "", "timeout": "", "fixed": False}
        try:
            umask, timeout, fixed = weakest([answer(command.text()) for command in self.commands])
            items["login"] = {"umask": f"{umask:04o}", "timeout": shown(timeout), "fixed": fixed}
        except CommandError as exc:
            left_out["login"] = str(exc)
        for path, content in texts([*MAIN, *sorted(glob.glob(PROFILES))], left_out).items():
            code = without_comments(content)
            for name, values in settings(code).items():
                items[name] += [{"value": value, "source": path} for value in values]
            if re.search(READONLY, code, re.MULTILINE):
                items["readonly"].append(path)
        return Section(items, left_out)


def without_comments(content: str) -> str:
    """A script's text without its comments and with continued lines joined. A ``#`` inside a word is none."""
    return re.sub(r"(^|[ \t;])#.*", r"\1", joined(content), flags=re.MULTILINE)


def settings(code: str) -> dict[str, list[str]]:
    """The values that a script may give TMOUT and the umask, whether or not the command is reached, in its order."""
    values = {}
    for name, patterns in PATTERNS.items():
        places = sorted((place.start(), place[1]) for p in patterns for place in re.finditer(p, code, re.MULTILINE))
        values[name] = [octal(value) if name == "umask" else value for _position, value in places]
    return values


def octal(mask: str) -> str:
    """A umask as digits; a symbolic one names what stays allowed (umask(1p)). What only the shell knows stays as it is written."""
    if mask.isdigit():
        return mask.zfill(3)
    if not SYMBOLIC.fullmatch(mask):
        return mask
    allowed = {"u": 0, "g": 0, "o": 0}
    for clause in mask.split(","):
        who, mark, permissions = clause.partition("=")
        if not mark:
            return mask  # relative to the umask before: no value of its own
        for person in who.replace("a", "ugo") or "ugo":
            allowed[person] = sum(PERMISSIONS.get(one, 0) for one in set(permissions))
    return "".join(str(7 - allowed[person]) for person in "ugo")
