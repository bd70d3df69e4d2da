# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, owners and reading order of files."""

from __future__ import annotations

import grp
import os
import pwd
import stat

TYPES = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}


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
