# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths, walked by descriptor from the root: nobody who may write to a directory on the way can redirect a change.

Background: openat(2), path_resolution(7), symlink(7); `protected_symlinks` of proc_sys_fs(5) has the same rule for sticky
directories.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import typing as t

from .errors import PathError, refused

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Other systems than Linux, which controllers may run, lack it; there a directory must be readable to be walked.
O_PATH = getattr(os, "O_PATH", os.O_RDONLY)
_MOST_LINKS = 40
_DIRECTORY = O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ACL = "system.posix_acl_access"


class Trust(t.NamedTuple):
    """Who may be able to write to the directories of a path.

    Attributes:
        owners: user ids; root and who runs this are always among them.
        groups: group ids whose members may be able to write.
        strict: whether a path through anybody else's directory is refused; if not, only its links are.
    """

    owners: t.FrozenSet[int]
    groups: t.FrozenSet[int]
    strict: bool

    def closed(self, facts: os.stat_result, descriptor: int = -1) -> bool:
        """Whether nobody else can write to what FACTS tell of, or exchange what lies in that directory."""
        if facts.st_uid not in self.owners:
            return False
        sticky = stat.S_ISDIR(facts.st_mode) and facts.st_mode & stat.S_ISVTX
        if sticky or not facts.st_mode & 0o022:
            return True
        if facts.st_mode & 0o002 or facts.st_gid not in self.groups:
            return False
        # With an access list the group's bits are the upper bound of every named user's (acl(5)).
        return descriptor < 0 or _ACL not in _attribute_names(descriptor)


def trust(owner: int = -1, group: int = -1, *, strict: bool = False) -> Trust:
    """Root, who runs this, and the owner and group that a file is to have."""
    groups = {0} if os.geteuid() == 0 else {os.getegid(), *os.getgroups()}
    return Trust(frozenset({0, os.geteuid(), owner} - {-1}), frozenset((groups | {group}) - {-1}), strict)


def _attribute_names(descriptor: int) -> list[str]:
    try:
        return os.listxattr(f"/proc/self/fd/{descriptor}")
    except (OSError, AttributeError):
        return []


class Place:
    """A name in an opened directory; the directory stays the same one, whatever happens to its path.

    Attributes:
        directory: descriptor (O_PATH) of the directory.
        name: the last component; ``.`` for the root directory.
        path: where the name is, links resolved.
        closed: whether on the way nobody can exchange what those who are trusted have put there.
        shared: whether others can put names of their own there all the same (a sticky directory).
    """

    def __init__(self, directory: int, name: str, path: str, closed: bool, shared: bool = False) -> None:
        self.directory = directory
        self.name = name
        self.path = path
        self.closed = closed
        self.shared = shared or not closed

    def __enter__(self) -> Place:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        if self.directory >= 0:
            os.close(self.directory)
            self.directory = -1

    def facts(self) -> os.stat_result | None:
        """What lies there, a link itself; None where nothing does."""
        try:
            return os.stat(self.name, dir_fd=self.directory, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def open(self, flags: int, mode: int = 0o600) -> int:
        """Open what lies there; never a link's target, and never waiting for the other end of a pipe."""
        return os.open(self.name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode, dir_fd=self.directory)


def locate(path: str, who: Trust, *, follow: bool = True) -> Place:
    """Open the directory of PATH's last component.

    Args:
        follow: whether a link in the last place is followed, where one who is trusted put it there.

    Raises:
        PathError: the path is not absolute, or leads through a link or directory of somebody else.
        FileNotFoundError, NotADirectoryError: a directory on the way is missing, or is none.
    """
    walk = _Walk(path, who)
    try:
        return walk.place(follow)
    except BaseException:
        os.close(walk.descriptor)
        raise


class _Walk:
    def __init__(self, path: str, who: Trust) -> None:
        if not path.startswith("/") or ".." in path.split("/") or "\0" in path:
            raise refused(path, "is no absolute path without '..'")
        self.asked, self.who, self.links = path, who, 0
        self.todo = [part for part in reversed(path.split("/")) if part not in ("", ".")]
        self.descriptor, self.at, self.closed, self.shared = os.open("/", _DIRECTORY), "/", True, False

    def place(self, follow: bool) -> Place:
        self._look()
        while self.todo:
            name = self.todo.pop()
            try:
                facts = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
            except FileNotFoundError:
                if self.todo:
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self._below(name)) from None
                return self._here(name)
            if stat.S_ISLNK(facts.st_mode) and (self.todo or follow):
                self._follow(name, facts.st_uid)
            elif self.todo:
                self._enter(name, self._below(name))
            else:
                return self._here(name)
        return self._here(".")

    def _below(self, name: str) -> str:
        return os.path.normpath(os.path.join(self.at, name))

    def _here(self, name: str) -> Place:
        return Place(self.descriptor, name, self._below(name), self.closed, self.shared)

    def _enter(self, name: str, path: str) -> None:
        try:
            below = os.open(name, _DIRECTORY, dir_fd=self.descriptor)
        except OSError as exc:
            exc.filename = path
            raise
        os.close(self.descriptor)
        self.descriptor, self.at = below, path
        self._look()

    def _look(self) -> None:
        facts = os.fstat(self.descriptor)
        self.shared = bool(facts.st_mode & stat.S_ISVTX and facts.st_mode & 0o022)
        if not self.who.closed(facts, self.descriptor):
            self.closed = False
            if self.who.strict:
                reason = f"others than root can write to {self.at}, which leads there. Close it, or leave this file out"
                raise refused(self.asked, reason)

    def _follow(self, name: str, owner: int) -> None:
        # Where the directory is closed nobody else can exchange the link, so that it may be read by its name.
        if not self.closed or owner not in self.who.owners:
            raise refused(self._below(name), "is a symbolic link that another user can exchange: not followed")
        self.links += 1
        if self.links > _MOST_LINKS:
            raise refused(self.asked, "leads through too many symbolic links")
        target = os.readlink(name, dir_fd=self.descriptor)
        self.todo += [part for part in reversed(target.split("/")) if part not in ("", ".")]
        if target.startswith("/"):
            self._enter("/", "/")


def make_directories(path: str, mode: int, *, who: Trust | None = None) -> list[str]:
    """Make PATH and what lacks above it, all with MODE whatever the umask; returns those that were made, topmost first."""
    who = who or trust()
    path = os.path.abspath(path)
    made: list[str] = []
    missing: list[str] = []
    while True:
        try:
            place = locate(path, who)
        except FileNotFoundError:
            missing.append(os.path.basename(path))
            path = os.path.dirname(path)
            continue
        break
    with place:
        if place.facts() is None:
            missing.append(place.name)
            descriptor = os.dup(place.directory)
        else:
            descriptor = place.open(os.O_PATH | os.O_DIRECTORY)
            if who.strict and not who.closed(os.fstat(descriptor), descriptor):
                os.close(descriptor)
                raise refused(place.path, "others than root can write to it. Close it")
        at = place.path if place.facts() is not None else os.path.dirname(place.path)
    try:
        for name in reversed(missing):
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, mode, dir_fd=descriptor)
                made.append(os.path.join(at, name))
            below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=descriptor)
            os.close(descriptor)
            descriptor, at = below, os.path.join(at, name)
            if at in made:
                os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)
    return made


def trusted_program(name: str) -> str:
    """The path of a program that root may run: it and every directory above it can be written by root only.

    Raises:
        PathError: there is none; the message says who could exchange the one that is there.
    """
    candidates = [name] if "/" in name else [f"{directory}/{name}" for directory in SEARCH_PATH.split(":")]
    # Who is not root already trusts their own programs; root must not trust them.
    who = trust(strict=True)
    reason = ""
    for candidate in candidates:
        try:
            with locate(candidate, who) as place:
                facts = place.facts()
                if facts is None or not stat.S_ISREG(facts.st_mode) or not facts.st_mode & 0o111:
                    continue
                if who.closed(facts):
                    return place.path
                reason = reason or f"{candidate}: others than root can write to it. Close it"
        except PathError as exc:
            reason = reason or str(exc)
        except (FileNotFoundError, NotADirectoryError):
            continue
    raise refused(name, reason or "is not installed")
