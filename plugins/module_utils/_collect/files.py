# SPDX-License-Identifier: GPL-3.0-or-later
"""File attributes, texts of the files we may edit, banners and mounts."""

from __future__ import annotations

import fnmatch
import glob
import grp
import os
import pwd
import stat
import typing as t

from .commands import read

TYPES = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}
MOST = 2000


def precedence(directories: tuple[str, ...], suffix: str) -> list[str]:
    """Drop-in files in the order in which they apply: by file name, the first directory hiding the others' namesakes."""
    chosen: dict[str, str] = {}
    for directory in directories:
        try:
            names = os.listdir(directory)
        except OSError:
            continue
        for name in names:
            if name.endswith(suffix):
                chosen.setdefault(name, f"{directory}/{name}")
    return [chosen[name] for name in sorted(chosen)]


def user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def attributes(path: str) -> dict[str, str] | None:
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return {
        "type": TYPES.get(stat.S_IFMT(found.st_mode), "other"),
        "mode": f"{stat.S_IMODE(found.st_mode):04o}",
        "owner": user_name(found.st_uid),
        "group": group_name(found.st_gid),
    }


def expand(pattern: str, excluded: list[str]) -> list[str]:
    """Paths that match a shell pattern; ``/**`` means every regular file below."""
    if pattern.endswith("/**"):
        found = [os.path.join(top, name) for top, _dirs, names in os.walk(pattern[:-3]) for name in names]
        found = [path for path in found if stat.S_ISREG(os.lstat(path).st_mode)]
    else:
        found = glob.glob(pattern)
    # What a link names is judged where it lies, if a rule speaks of it.
    return sorted(
        path for path in found if not os.path.islink(path) and not any(fnmatch.fnmatch(path, skip) for skip in excluded)
    )[:MOST]


def files(patterns: dict[str, list[str]]) -> dict[str, dict[str, dict[str, str]]]:
    """Attributes of every path a pattern matches. PATTERNS maps a pattern to the patterns it leaves out."""
    found = {}
    for pattern, excluded in patterns.items():
        paths = expand(pattern, excluded) if set(pattern) & set("*?[") else [os.path.realpath(pattern)]
        pairs = ((path, attributes(path)) for path in paths)
        found[pattern] = {path: facts for path, facts in pairs if facts is not None}
    return found


def texts(paths: list[str]) -> dict[str, str | None]:
    """The texts of configuration files we may rewrite. None of them holds a secret."""
    return {path: read(path) for path in paths}


def mounts() -> dict[str, dict[str, t.Any]]:
    """What is mounted now, and what fstab asks for (proc(5) mountinfo, fstab(5))."""
    live = {}
    for line in (read("/proc/self/mountinfo") or "").splitlines():
        left, _mark, right = line.partition(" - ")
        fields, rest = left.split(), right.split()
        point = fields[4].encode().decode("unicode_escape")
        live[point] = {
            "options": sorted(set(fields[5].split(",")) | set(rest[2].split(","))),
            "type": rest[0],
            "source": rest[1],
        }
    return {"live": live, "fstab": fstab(read("/etc/fstab") or "")}


def fstab(text: str) -> dict[str, dict[str, t.Any]]:
    """The file systems of an fstab, by mount point."""
    rows = (line.split() for line in text.splitlines() if not line.lstrip().startswith("#"))
    return {row[1]: {"source": row[0], "type": row[2], "options": row[3].split(",")} for row in rows if len(row) >= 4}
