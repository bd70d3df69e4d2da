# SPDX-License-Identifier: GPL-3.0-or-later
"""Home directories of people, and the dot files at their top.

A home can lie on a file system that does not answer: a child process looks, and is left behind.
"""

from __future__ import annotations

import errno
import functools
import os
import stat
import typing as t

from .account import is_service, may_login, number, rows, uid_min
from .child import Child, ChildError, ChildTimeoutError
from .command import read
from .paths import access_list, facts_of, shown
from .section import Reader, Section

SECONDS = 5
"""For one home."""
MOST = 1000
"""Dot files of one home."""
ALWAYS = (".forward", ".netrc", ".rhosts", ".shosts", ".bash_history")
"""Names that a rule may speak of by themselves: seen whatever else lies there."""
_MOST_LINKS = 8


class Homes(Reader):
    """``base`` of new homes, and ``homes`` by account: its name as
    ``account``, ``path`` as the account has it, ``type`` (directory, missing, link or
    other), and of a directory where it ``real``ly is, its attributes, and its ``dot_files`` by name.
    """

    def read(self) -> Section:
        people = uid_min()
        homes = [
            (name, path)
            for name, _hash, uid, _gid, _gecos, path, shell in rows("/etc/passwd", 7)
            if (number(uid) == 0 or not is_service(number(uid), people)) and may_login(shell)
        ]
        answers, left_out = look(list(dict.fromkeys(homes)))
        return Section({"base": base(), "homes": answers}, left_out)


def base() -> str:
    """Where useradd(8) makes homes."""
    lines = (line.partition("=") for line in (read("/etc/default/useradd") or "").splitlines())
    return next((value.strip() for key, _mark, value in lines if key == "HOME" and value.strip()), "/home")


def look(homes: list[tuple[str, str]], seconds: float = SECONDS) -> tuple[dict[str, t.Any], dict[str, str]]:
    """Facts of each home by account, and those that could not be seen, by path."""
    answers: dict[str, t.Any] = {}
    left_out: dict[str, str] = {}
    while homes:
        child = Child(functools.partial(map, home_facts, [path for _name, path in homes]))
        try:
            while homes:
                name, path = homes[0]
                facts, unseen = child.next(seconds)
                # An account may stand in the file twice, with two homes.
                key = shown(name) if shown(name) not in answers else f"{shown(name)} ({shown(path)})"
                answers[key] = {**facts, "account": shown(name)}
                left_out.update(unseen)
                homes = homes[1:]
        except (ChildTimeoutError, ChildError, EOFError) as exc:
            reason = (
                f"did not answer within {seconds:.0f} s" if isinstance(exc, ChildTimeoutError) else "could not be read"
            )
            left_out[shown(path)] = reason
            homes = homes[1:]
        finally:
            child.close()
    return answers, left_out


def home_facts(path: str) -> tuple[dict[str, t.Any], dict[str, str]]:
    """What lies at PATH, and what of it could not be seen."""
    facts: dict[str, t.Any] = {"path": shown(path), "type": "missing", "dot_files": {}}
    try:
        descriptor = open_directory(path)
    except (FileNotFoundError, ValueError):
        return facts, {}
    except OSError as exc:
        if exc.errno in (errno.ELOOP, errno.ENOTDIR):
            return {**facts, "type": "link" if exc.errno == errno.ELOOP else "other"}, {}
        return facts, {shown(path): exc.strerror or str(exc)}
    try:
        place = f"/proc/self/fd/{descriptor}"
        status = os.fstat(descriptor)
        facts.update(facts_of(status, access_list(descriptor)), real=shown(os.readlink(place)))
        try:
            return facts, _dot_files(place, shown(path), facts["dot_files"])
        except OSError as exc:
            return facts, {shown(path): exc.strerror or str(exc)}
    finally:
        os.close(descriptor)


def _dot_files(place: str, home: str, files: dict[str, t.Any]) -> dict[str, str]:
    """Fill FILES with the dot files; what could not be seen."""
    with os.scandir(place) as entries:
        names = sorted(
            (entry.name for entry in entries if entry.name.startswith(".")), key=lambda name: (name not in ALWAYS, name)
        )
    unseen = {home: f"{MOST} of {len(names)} dot files were looked at"} if len(names) > MOST else {}
    for name in names[:MOST]:
        try:
            status = os.lstat(f"{place}/{name}")
            if stat.S_ISREG(status.st_mode) or name in ALWAYS:
                grants = access_list(f"{place}/{name}") if stat.S_ISREG(status.st_mode) else ()
                files[shown(name)] = {**facts_of(status, grants), "links": status.st_nlink}
        except FileNotFoundError:
            continue
        except OSError as exc:
            unseen[f"{home}/{shown(name)}"] = exc.strerror or str(exc)
    return unseen


def open_directory(path: str, links: int = _MOST_LINKS) -> int:
    """A descriptor of the directory PATH, reached without a link that anybody but root could have made.

    Raises:
        OSError: ELOOP where such a link, ENOTDIR where something else than a directory stands in the way; missing, unreadable.
        ValueError: PATH is not absolute.
    """
    if not path.startswith("/"):
        raise ValueError(f"'{path}' is not absolute")
    here = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    names = [name for name in path.split("/") if name not in ("", ".")]
    try:
        for index, name in enumerate(names):
            status = os.stat(name, dir_fd=here, follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode):
                parent = os.fstat(here)
                if links == 0 or status.st_uid or parent.st_uid or parent.st_mode & 0o022:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                target = os.path.join("/", *names[:index], os.readlink(name, dir_fd=here), *names[index + 1 :])
                return open_directory(target, links - 1)
            below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
            os.close(here)
            here = below
        return os.dup(here)
    finally:
        os.close(here)
