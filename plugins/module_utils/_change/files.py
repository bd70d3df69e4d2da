# SPDX-License-Identifier: GPL-3.0-or-later
"""One file: read whole with all that belongs to it, written beside its place, put there in one step."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
import stat
import subprocess
import typing as t

from .errors import ChangeError, PathError, refused
from .paths import Place, Trust, locate, trust, trusted_program

ABSENT = "absent"
"""The digest of a file that is not there."""
_MOST_BYTES = 64 << 20
_LABEL = "security.selinux"
_TEMPORARY = re.compile(r"\.unified-(\d+)-(\d+)-[0-9a-f]+$")


class Wanted(t.NamedTuple):
    """A file as it is to be; -1 leaves the owner or group as it is, or as it comes with a new file."""

    path: str
    content: bytes
    mode: int = 0o600
    owner: int = -1
    group: int = -1


class Original(t.NamedTuple):
    """A file as it is.

    Attributes:
        times: access and modification, nanoseconds.
        attributes: extended attributes (xattr(7)) by name, SELinux label and access list among them.
    """

    content: bytes
    mode: int
    owner: int
    group: int
    times: tuple[int, int]
    attributes: dict[str, bytes]


def digest(content: bytes | None) -> str:
    """SHA-256 in hex, what plans carry; ABSENT for None."""
    return ABSENT if content is None else hashlib.sha256(content).hexdigest()


def read(place: Place) -> Original | None:
    """What lies at PLACE; None where nothing does.

    Raises:
        PathError: no regular file; another name in a place that others can write to; too large to be a configuration.
    """
    descriptor = opened(place)
    if descriptor is None:
        return None
    with os.fdopen(descriptor, "rb") as handle:
        original = described(descriptor)
        content = handle.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise refused(place.path, f"is larger than {_MOST_BYTES >> 20} MiB")
    return original._replace(content=content)


def opened(place: Place) -> int | None:
    """A descriptor of the regular file at PLACE; None where there is nothing.

    Raises:
        PathError: as read().
    """
    try:
        descriptor = place.open(os.O_RDONLY)
    except FileNotFoundError:
        return None
    except OSError as exc:
        if exc.errno in (errno.ELOOP, errno.ENXIO):
            raise refused(place.path, "is no regular file") from None
        raise
    facts = os.fstat(descriptor)
    reason = ""
    if not stat.S_ISREG(facts.st_mode):
        reason = "is no regular file"
    elif facts.st_nlink != 1 and place.shared:
        reason = "has another name (hard link), and its directory is not root's alone"
    if reason:
        os.close(descriptor)
        raise refused(place.path, reason)
    return descriptor


def described(descriptor: int) -> Original:
    """All of an open file but its content."""
    facts = os.fstat(descriptor)
    times = (facts.st_atime_ns, facts.st_mtime_ns)
    return Original(b"", stat.S_IMODE(facts.st_mode), facts.st_uid, facts.st_gid, times, _attributes(descriptor))


def _attributes(descriptor: int) -> dict[str, bytes]:
    try:
        return {name: os.getxattr(descriptor, name) for name in os.listxattr(descriptor)}
    except (OSError, AttributeError):  # the file system has none, or the system's Python has not
        return {}


def keep(attributes: t.Mapping[str, bytes]) -> dict[str, bytes]:
    """The attributes that outlive the content: signatures and capabilities belong to the old one."""
    return {
        name: value
        for name, value in attributes.items()
        if name in (_LABEL, "system.posix_acl_access") or name.startswith("user.")
    }


def default_label(path: str) -> dict[str, bytes]:
    """The SELinux label that the policy gives a new file; nothing where there is no SELinux."""
    if not os.path.exists("/sys/fs/selinux/enforce"):
        return {}
    try:
        argv = [trusted_program("matchpathcon"), "-n", path]
        label = subprocess.run(argv, capture_output=True, check=True, timeout=20).stdout.strip()
    except (PathError, subprocess.SubprocessError):
        return {}
    return {_LABEL: label + b"\0"} if label and b"<<none>>" not in label else {}


def create(
    directory: int,
    name: str,
    content: bytes,
    *,
    mode: int,
    owner: int = -1,
    group: int = -1,
    attributes: t.Mapping[str, bytes] | None = None,
    times: tuple[int, int] | None = None,
) -> None:
    """Make a file that was not there, closed to all others from its first byte on, flushed to disk.

    Raises:
        OSError: there is no room or no right; nothing is left behind.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, 0o600, dir_fd=directory)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(content)
            handle.flush()
            if (owner, group) != (-1, -1):
                os.fchown(descriptor, owner, group)
            for key, value in (attributes or {}).items():
                with contextlib.suppress(OSError):  # of another file system, or a label the policy no longer knows
                    os.setxattr(descriptor, key, value)
            os.fchmod(descriptor, mode)
            if times:
                os.utime(descriptor, ns=times)
            os.fsync(descriptor)
    except BaseException:
        os.unlink(name, dir_fd=directory)
        raise


def flush(directory: int) -> None:
    """Bring a directory's names to the disk."""
    descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
    try:
        os.fsync(descriptor)
    except OSError as exc:
        if exc.errno != errno.EINVAL:  # some file systems cannot, and need not
            raise
    finally:
        os.close(descriptor)


def boot_id() -> str:
    """Which boot of this machine it is (random(4)); empty where the kernel does not say."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as handle:
            return handle.read().strip()
    except OSError:
        return ""


def process_start(pid: int) -> int:
    """When a process started, in clock ticks since boot (proc_pid_stat(5), field 22); 0 where it is gone or has ended unnoticed (Z)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as handle:
            state, *others = handle.read().rpartition(b")")[2].split()
        return 0 if state in (b"Z", b"X") else int(others[18])
    except (OSError, ValueError, IndexError):
        return 0


def _temporary() -> str:
    return f".unified-{os.getpid()}-{process_start(os.getpid())}-{secrets.token_hex(4)}"


def sweep(place: Place) -> None:
    """Remove what killed writers left beside PLACE."""
    try:
        descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=place.directory)
    except OSError:
        return
    try:
        for name in os.listdir(descriptor):
            match = _TEMPORARY.match(name)
            if match and process_start(int(match[1])) != int(match[2]):
                with contextlib.suppress(OSError):
                    os.unlink(name, dir_fd=descriptor)
    finally:
        os.close(descriptor)


def swept(directory: str) -> None:
    """Remove what killed writers left in a directory of root's own, which may not be there."""
    with contextlib.suppress(OSError), locate(os.path.join(directory, "any"), trust(strict=True)) as place:
        sweep(place)


class Staged:
    """A new file beside its place; commit() puts it there, drop() forgets it.

    Raises:
        PathError: what is there is no regular file, or a link that others can exchange.
        OSError: there is no room, or no right; nothing is left behind.
    """

    def __init__(self, desired: Wanted, who: Trust | None = None) -> None:
        self.place = locate(os.path.abspath(desired.path), who or trust(desired.owner, desired.group))
        self.name, self.old = _temporary(), ""
        try:
            sweep(self.place)
            owner, group, attributes = self._inherited(desired)
            create(
                self.place.directory,
                self.name,
                desired.content,
                mode=desired.mode,
                owner=owner,
                group=group,
                attributes=attributes,
            )
        except BaseException:
            self.place.close()
            raise

    def _inherited(self, desired: Wanted) -> tuple[int, int, dict[str, bytes]]:
        """Owner, group and label."""
        descriptor = opened(self.place)
        if descriptor is None:
            return desired.owner, desired.group, default_label(self.place.path)
        before = described(descriptor)
        os.close(descriptor)
        if not self.place.closed:
            # What somebody else may have put there could open the new content to them.
            return desired.owner, desired.group, {}
        label = {name: value for name, value in before.attributes.items() if name == _LABEL}
        owner = before.owner if desired.owner < 0 else desired.owner
        return owner, before.group if desired.group < 0 else desired.group, label

    def fill(self, source: str) -> None:
        """Take the content from another file, however large."""
        descriptor = os.open(self.name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.place.directory)
        with open(source, "rb") as origin, os.fdopen(descriptor, "wb") as handle:
            shutil.copyfileobj(origin, handle)
            handle.flush()
            os.fsync(descriptor)

    def commit(self, *, reversible: bool = False) -> None:
        """Take the place; if REVERSIBLE, what was there is kept for restore() until drop()."""
        at = {"src_dir_fd": self.place.directory, "dst_dir_fd": self.place.directory}
        if reversible and self.place.facts() is not None:
            old = _temporary()
            os.link(self.place.name, old, follow_symlinks=False, **at)
            self.old = old
        os.replace(self.name, self.place.name, **at)
        self.name = ""

    def restore(self) -> None:
        """Undo commit()."""
        if self.name:
            return
        with contextlib.suppress(OSError):
            if self.old:
                directory = self.place.directory
                os.replace(self.old, self.place.name, src_dir_fd=directory, dst_dir_fd=directory)
                self.old = ""
            else:
                os.unlink(self.place.name, dir_fd=self.place.directory)

    def drop(self) -> None:
        if self.place.directory < 0:
            return
        for name in filter(None, (self.name, self.old)):
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=self.place.directory)
        with contextlib.suppress(OSError):
            flush(self.place.directory)
        self.place.close()


def replace(*files: Wanted) -> None:
    """Put files in place: all of them, or when anything fails none; for records, keys and secrets.

    Raises:
        OSError: PathError among them; every file is as it was.
    """
    staged: list[Staged] = []
    try:
        for desired in files:
            staged.append(Staged(desired))
        for file in staged:
            file.commit(reversible=len(staged) > 1)
    except BaseException:
        for file in reversed(staged):
            file.restore()
        raise
    finally:
        for file in staged:
            file.drop()


def attributes_set(desired: Wanted) -> bool:
    """Give a file that is there its mode, owner and group, by descriptor; returns whether they differed.

    Raises:
        OSError: PathError among them; there is none.
    """
    with locate(os.path.abspath(desired.path), trust(desired.owner, desired.group)) as place:
        descriptor = opened(place)
        if descriptor is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), desired.path)
    try:
        facts = os.fstat(descriptor)
        if (stat.S_IMODE(facts.st_mode), facts.st_uid, facts.st_gid) == (desired.mode, desired.owner, desired.group):
            return False
        os.fchown(descriptor, desired.owner, desired.group)
        os.fchmod(descriptor, desired.mode)
    finally:
        os.close(descriptor)
    return True


def text(path: str) -> str:
    """The file's text without what surrounds it; empty where there is no file."""
    try:
        with open(path, encoding="utf-8") as handle:
            return handle.read().strip()
    except FileNotFoundError:
        return ""


def shown(content: bytes | None) -> str:
    """Bytes as text for a diff: always valid, and nothing in it steers a terminal."""
    said = (content or b"").decode("utf-8", errors="backslashreplace")
    return "".join(_plain(char) for char in said)


def _plain(char: str) -> str:
    if char in "\n\t" or char.isprintable():
        return char
    return char.encode("unicode_escape").decode()


def absent(place: Place) -> None:
    """Remove what lies at PLACE, and bring that to the disk.

    Raises:
        ChangeError: it is a directory.
    """
    try:
        os.unlink(place.name, dir_fd=place.directory)
    except FileNotFoundError:
        return
    except IsADirectoryError:
        raise ChangeError(f"{place.path} is a directory: not removed") from None
    flush(place.directory)
