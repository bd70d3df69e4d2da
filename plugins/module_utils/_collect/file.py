# SPDX-License-Identifier: GPL-3.0-or-later
"""File attributes."""

from __future__ import annotations

import fnmatch
import os
import typing as t

from .account import is_service, number, rows, uid_min
from .filesystems import local_types, mounted
from .paths import Attributes, access_list, facts_of, group_name, shown
from .section import Reader, Section

MOST = 10_000
"""Paths that are listed of all those a pattern matches with the very same attributes; the others are counted."""
TREE = "/**"
WILDCARDS = frozenset("*?[")


class Files(Reader):
    """Attributes of every path a pattern matches: ``type``, ``mode``, ``owner``, ``group``, and where there is any, ``acl``.

    `request` maps a pattern to the patterns it leaves out. At the end of a pattern, ``/**`` means every regular file below.
    What a link names is judged where it lies, if a rule speaks of it, but a path without wildcards is followed.
    ``service_group`` is the first group of an owner that is a service; ``more`` counts the paths that are as this one and
    not listed.
    """

    def read(self) -> Section:
        self.left_out: dict[str, str] = {}
        types = local_types()
        self.foreign = {one.point for one in mounted() if one.type not in types}
        self.services = _services()
        return Section(
            {pattern: self._matching(pattern, excluded) for pattern, excluded in self.request.items()}, self.left_out
        )

    def _matching(self, pattern: str, excluded: list[str]) -> dict[str, Attributes]:
        listed: dict[tuple[object, ...], list[str]] = {}
        matched: dict[str, Attributes] = {}
        for path in self._paths(pattern, excluded):
            try:
                status, entries = os.lstat(path), access_list(path)
            except (FileNotFoundError, NotADirectoryError):
                continue  # it was there when its directory was read
            except OSError as exc:
                self.left_out[shown(path)] = exc.strerror or str(exc)
                continue
            alike = listed.setdefault((status.st_mode, status.st_uid, status.st_gid, *entries), [])
            if len(alike) < MOST:
                alike.append(shown(path))
                matched[alike[-1]] = facts_of(status, entries)
                if status.st_uid in self.services:
                    matched[alike[-1]]["service_group"] = self.services[status.st_uid]
            else:
                matched[alike[0]]["more"] = matched[alike[0]].get("more", 0) + 1
        return dict(sorted(matched.items()))

    def _paths(self, pattern: str, excluded: list[str]) -> t.Iterator[str]:
        if pattern.endswith(TREE):
            paths: t.Iterable[str] = self._tree(pattern[: -len(TREE)])
        elif set(pattern) & WILDCARDS:
            paths = self._glob(pattern)
        else:
            paths = [os.path.realpath(pattern)]
        return (path for path in paths if not any(fnmatch.fnmatchcase(path, skip) for skip in excluded))

    def _glob(self, pattern: str) -> list[str]:
        """As in a shell: a wildcard matches no slash and no leading dot. Links are not followed below the first wildcard."""
        paths = [""]
        for name in pattern.strip("/").split("/"):
            if set(name) & WILDCARDS:
                paths = [
                    entry.path
                    for path in paths
                    for entry in self._entries(path or "/")
                    if fnmatch.fnmatchcase(entry.name, name)
                    and not (entry.name.startswith(".") and name[0] in WILDCARDS)
                    and not entry.is_symlink()
                ]
            else:
                paths = [f"{path}/{name}" for path in paths]
        return paths

    def _tree(self, top: str) -> t.Iterator[str]:
        below = [top]
        while below:
            for entry in self._entries(below.pop()):
                if entry.path in self.foreign:
                    self.left_out[shown(entry.path)] = "not a local file system"
                elif entry.is_dir(follow_symlinks=False):
                    below.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    yield entry.path

    def _entries(self, directory: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(directory) as entries:
                return list(entries)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as exc:
            self.left_out[shown(directory)] = exc.strerror or str(exc)
            return []


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
