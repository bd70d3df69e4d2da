# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, owners, access lists and reading order of files."""

from __future__ import annotations

import errno
import functools
import grp
import os
import pwd
import stat
import struct
import typing as t

TYPES = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}
Attributes = dict[str, t.Any]
# acl(5), linux/posix_acl_xattr.h: a version, then entries of tag, permissions and number.
ACCESS_LIST = "system.posix_acl_access"
_USER, _GROUP, _MASK = 0x02, 0x08, 0x10


def shown(name: str) -> str:
    """A name as evidence keeps it: a backslash doubled, and what cannot be printed (control and bidirectional characters,
    bytes that are no UTF-8) written as escapes. A name without a backslash in it is the name itself.
    """
    if name.isprintable() and "\\" not in name:
        return name
    escaped = name.replace("\\", "\\\\")
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in escaped)


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


@functools.cache
def user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


@functools.cache
def group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def attributes(path: str) -> Attributes | None:
    """Type, mode, owner and group of PATH itself, and its access list where it has one; None where nothing is there."""
    try:
        return facts_of(os.lstat(path), access_list(path))
    except (FileNotFoundError, NotADirectoryError):
        return None


def facts_of(status: os.stat_result, entries: t.Sequence[str]) -> Attributes:
    """The same of a file that was looked at already, and the entries of its access list."""
    facts: Attributes = {
        "type": TYPES.get(stat.S_IFMT(status.st_mode), "other"),
        "mode": f"{stat.S_IMODE(status.st_mode):04o}",
        "owner": user_name(status.st_uid),
        "group": group_name(status.st_gid),
    }
    if entries:
        facts["acl"] = list(entries)
    return facts


def access_list(path: str | int) -> list[str]:
    """What named users and groups may do by the access list: ``user:nobody:r--``, the mask applied.

    Args:
        path: of what is not followed where it is a link; or a descriptor.

    Raises:
        OSError: the list is there and cannot be read.
    """
    try:
        raw = os.getxattr(path, ACCESS_LIST, follow_symlinks=isinstance(path, int))
    except OSError as exc:
        if exc.errno in (errno.ENODATA, errno.EOPNOTSUPP):
            return []
        raise
    entries = list(struct.iter_unpack("<HHI", raw[4:]))
    mask = next((permissions for tag, permissions, _number in entries if tag == _MASK), 7)
    named = []
    for tag, permissions, number in entries:
        if tag in (_USER, _GROUP) and permissions & mask:
            who = f"user:{user_name(number)}" if tag == _USER else f"group:{group_name(number)}"
            bits = "".join(letter if permissions & mask & bit else "-" for letter, bit in zip("rwx", (4, 2, 1)))
            named.append(f"{who}:{bits}")
    return named


def why_unsafe(directory: str) -> str:
    """Why somebody else than root could put a program into a directory of a search path; empty when nobody could.

    One that is not there is unsafe where somebody else could make it.
    """
    if not directory.startswith("/"):
        return "depends on the current directory"
    real = os.path.realpath(directory)
    for place in _with_parents(real):
        try:
            facts = os.lstat(place)
        except OSError:
            return ""  # nobody but root can make it: the directories above were looked at first
        if not stat.S_ISDIR(facts.st_mode):
            return f"{place} is no directory" if place == real else ""
        if facts.st_uid != 0:
            return f"{place} belongs to another than root"
        if facts.st_mode & 0o022 and (place == real or not facts.st_mode & stat.S_ISVTX):
            return f"{place} can be written to by others"
    return ""


def _with_parents(path: str) -> list[str]:
    """From the root directory down to PATH."""
    names = path.strip("/").split("/")
    return ["/", *("/" + "/".join(names[:count]) for count in range(1, len(names) + 1))]
