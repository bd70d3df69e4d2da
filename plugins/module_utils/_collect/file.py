# SPDX-License-Identifier: GPL-3.0-or-later
"""File attributes."""

from __future__ import annotations

import fnmatch
import os
import typing as t

from .account import is_service, number, rows, uid_min
from .filesystems import below, local_types, mounted
from .paths import Attributes, access_list, facts_of, group_name, shown, why_unsafe
from .section import Reader, Section
from .sshd_config import directives
from .tmpfiles import TmpFiles

MOST = 10_000
"""Paths that are listed of all those a pattern matches with the very same attributes; the others are counted."""
TREE = "/**"
SSHD = "/etc/ssh/sshd_config"
LOGS = ("/run/log/", "/var/log/")
"""Who may write to these directories, rules on them say."""
WILDCARDS = frozenset("*?[")
Place = tuple[str, str]
"""A path as a rule speaks of it, and the path of what lies there: another one where links lead to it."""


class Files(Reader):
    """Attributes of every path a pattern matches: ``type``, ``mode``, ``owner``, ``group``, and where there is any, ``acl``.

    `request` maps a pattern to what else a rule says of it: ``except``, the patterns that it leaves out, and ``includes``, a program
    (``sshd``) whose included files, wherever they lie, belong to it. At the end of a pattern, ``/**`` means every regular file below.
    A path without wildcards is followed. A link that a pattern matches has the attributes of its ``target``. ``unsafe`` tells why
    somebody else than root could put another file there; it is empty, or missing where it is no link, where nobody could. What a package
    brought below /usr is no log, whoever links to it.
    ``boot`` is what systemd-tmpfiles gives a path at the next boot, of mode, owner and group, with the source; missing where it leaves it.
    ``service_group`` is the first group of an owner that is a service; ``more`` counts the paths that are as this one and
    not listed.
    """

    def __init__(self, request: t.Any = None) -> None:
        super().__init__(request)
        self.tmpfiles = TmpFiles()

    def read(self) -> Section:
        self.left_out: dict[str, str] = {}
        if unread := self.tmpfiles.read():
            return Section.unreadable(unread)
        types = local_types()
        self.foreign = {one.point for one in mounted() if one.type not in types}
        self.services = _services()
        self.unsafe: dict[str, str] = {}
        return Section(
            {pattern: self._matching(pattern, **options) for pattern, options in self.request.items()}, self.left_out
        )

    def _matching(self, pattern: str, **options: t.Any) -> dict[str, Attributes]:
        listed: dict[tuple[object, ...], list[str]] = {}
        matched: dict[str, Attributes] = {}
        for path, real in self._paths(pattern, options.get("except", ()), options.get("includes", "")):
            try:
                status, entries = os.lstat(real), access_list(real)
            except (FileNotFoundError, NotADirectoryError):
                continue  # it was there when its directory was read
            except OSError as exc:
                self.left_out[shown(path)] = exc.strerror or str(exc)
                continue
            unsafe = self._unsafe(real)
            linked: dict[str, t.Any] = (
                {"target": shown(real), "unsafe": unsafe} if real != path else {"unsafe": unsafe} if unsafe else {}
            )
            facts = facts_of(status, entries)
            boot = self.tmpfiles.next_boot(real, facts["mode"], directory=facts["type"] == "directory")
            linked.update({"boot": boot} if boot else {})
            alike = listed.setdefault(
                (status.st_mode, status.st_uid, status.st_gid, *map(str, linked.values()), *entries), []
            )
            if len(alike) < MOST:
                alike.append(shown(path))
                matched[alike[-1]] = {**facts, **linked}
                if status.st_uid in self.services:
                    matched[alike[-1]]["service_group"] = self.services[status.st_uid]
            else:
                matched[alike[0]]["more"] = matched[alike[0]].get("more", 0) + 1
        return dict(sorted(matched.items()))

    def _unsafe(self, path: str) -> str:
        directory = os.path.dirname(path)
        if directory not in self.unsafe:
            self.unsafe[directory] = why_unsafe(directory)
        return "" if path.startswith(LOGS) else self.unsafe[directory]

    def _paths(self, pattern: str, excluded: t.Sequence[str], program: str) -> t.Iterator[Place]:
        if pattern.endswith(TREE):
            places: t.Iterable[Place] = self._tree(pattern[: -len(TREE)])
        elif set(pattern) & WILDCARDS:
            places = [*self._glob(pattern), *(INCLUDED[program](pattern) if program else ())]
        else:
            places = [(os.path.realpath(pattern),) * 2]
        return (one for one in places if not any(fnmatch.fnmatchcase(one[0], skip) for skip in excluded))

    def _glob(self, pattern: str) -> list[Place]:
        """As in a shell: a wildcard matches no slash and no leading dot. Of a file and links to it beside it the file counts."""
        places: list[Place] = [("", "")]
        for name in pattern.strip("/").split("/"):
            if set(name) & WILDCARDS:
                places = [
                    (f"{path}/{entry.name}", target)
                    for path, real in places
                    for entry in self._entries(real or "/")
                    if fnmatch.fnmatchcase(entry.name, name)
                    and not (entry.name.startswith(".") and name[0] in WILDCARDS)
                    and (target := self._target(entry))
                ]
            else:
                places = [(f"{path}/{name}", f"{real}/{name}") for path, real in places]
        plain = {path for path, real in places if path == real}
        return [(path, real) for path, real in places if path == real or real not in plain]

    def _target(self, entry: os.DirEntry[str]) -> str:
        """The path of what an entry is, or leads to; empty where that is nothing, or not seen."""
        if not entry.is_symlink():
            return entry.path
        try:
            first = os.path.normpath(os.path.join(os.path.dirname(entry.path), os.readlink(entry.path)))
        except OSError:
            return ""
        # Asked before anything looks there: it may hang.
        if any(below(first, point) for point in self.foreign):
            self.left_out[shown(entry.path)] = f"it leads to {shown(first)}, which is not on a local file system"
            return ""
        real = os.path.realpath(first)
        return real if real != os.devnull and os.path.lexists(real) and not os.path.islink(real) else ""

    def _tree(self, top: str) -> t.Iterator[Place]:
        todo, seen = [(top, top)], {top}
        while todo:
            directory, lies_in = todo.pop()
            for entry in self._entries(lies_in):
                path = f"{directory}/{entry.name}"
                if entry.path in self.foreign:
                    self.left_out[shown(entry.path)] = "not a local file system"
                elif entry.is_dir(follow_symlinks=False):
                    todo.append((path, entry.path))
                elif entry.is_file(follow_symlinks=False):
                    yield path, entry.path
                # What lies in the tree is met there.
                elif entry.is_symlink() and (real := self._target(entry)) and not below(real, top) and real not in seen:
                    seen.add(real)
                    if os.path.isdir(real):
                        todo.append((path, real))
                    elif os.path.isfile(real) and not below(real, "/usr"):
                        yield path, real

    def _entries(self, directory: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(directory) as entries:
                return list(entries)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as exc:
            self.left_out[shown(directory)] = exc.strerror or str(exc)
            return []


def _included_by_sshd(pattern: str) -> list[Place]:
    """What sshd reads from elsewhere than from the files that PATTERN matches and its main one."""
    sources = dict.fromkeys(line["source"] for line in directives(SSHD))
    return [
        (path, os.path.realpath(path)) for path in sources if path != SSHD and not fnmatch.fnmatchcase(path, pattern)
    ]


INCLUDED: dict[str, t.Callable[[str], list[Place]]] = {"sshd": _included_by_sshd}
"""Files that a program includes and that a pattern does not match, by program."""


def covers(pattern: str, path: str) -> bool:
    """Whether a pattern speaks of PATH, or of something in it."""
    if pattern.startswith(f"{path}/"):
        return True
    if pattern.endswith(TREE):
        return path.startswith(pattern[: -len(TREE) + 1])
    return fnmatch.fnmatchcase(path, pattern)


def _services() -> dict[int, str]:
    """The first group of every local account of a service, by number."""
    people = uid_min()
    numbers = ((number(row[2]), number(row[3])) for row in rows("/etc/passwd", 7))
    return {uid: group_name(gid) for uid, gid in numbers if uid and gid is not None and is_service(uid, people)}
