# SPDX-License-Identifier: GPL-3.0-or-later
"""One walk over the local file systems, done by find(1), which is several times faster than Python at it."""

from __future__ import annotations

import bisect
import os
import re
import select
import shutil
import subprocess
import time
import typing as t

from .child import Child
from .command import SEARCH_PATH, CommandError, kill_group, read
from .filesystems import KERNEL, Choice, choose, local_types, mounted, private
from .paths import group_name, shown, user_name
from .section import Reader, Section

SECONDS = 100
MOST = 500
"""Paths that a list keeps of root's files, and of all others."""
WALK = "walk"
"""The name under which `left_out` tells that the walk did not come through."""
MOST_COMPLAINTS = 1 << 16
SUBVOLUME = "256"
"""Inode of a subvolume's root (btrfs(5)); the walk enters only those that are mounted."""
LISTS = ("world_writable_files", "world_writable_directories", "unowned", "set_id")
# What only root may change, wherever its distribution has merged /usr; find's patterns are wider, since * crosses slashes.
LIBRARIES = re.compile(r"(/usr)?/lib(32|64|x32)?(/.*)?", re.DOTALL)
COMMANDS = re.compile(r"(/usr(/local)?)?/s?bin/.*", re.DOTALL)
SYSTEM_PATHS = (
    "/lib*",
    "/usr/lib*",
    "/bin/*",
    "/sbin/*",
    "/usr/bin/*",
    "/usr/sbin/*",
    "/usr/local/bin/*",
    "/usr/local/sbin/*",
)
SYSTEM_LISTS = (
    "library_writable", "library_owner", "library_group", "library_directory_owner", "library_directory_group",
    "command_writable", "command_owner", "command_group",
)  # fmt: skip
# useradd(8), groupadd(8): SYS_UID_MAX and SYS_GID_MAX as every distribution of ours ships them.
SYSTEM_MOST = 999
# A dot for every inode (they prove that the walk walked) and a full record for what a rule asks about.
RECORD = "\\n%y %m %U %G %i %F %p\\0\\n"


def tests() -> list[str]:
    """What a record is printed for. Local owners are named one by one: -nouser looks up every inode's owner again."""
    foreign = [part for number in _numbers("/etc/passwd") for part in ("!", "-uid", number)]
    foreign_groups = [part for number in _numbers("/etc/group") for part in ("!", "-gid", number)]
    open_to_all = ["-perm", "-0002", "!", "-type", "l"]
    set_id = ["-perm", "/6000", "-type", "f"]
    subvolume = ["-inum", SUBVOLUME, "-type", "d", "-fstype", "btrfs"]
    paths = [part for path in SYSTEM_PATHS for part in ("-o", "-path", path)][1:]
    open_to_others = ["(", "-perm", "/0022", "-o", "!", "-uid", "0", "-o", "!", "-gid", "0", ")"]
    system = ["!", "-type", "l", *open_to_others, "(", *paths, ")"]
    return [
        "(",
        *set_id,
        "-o",
        *open_to_all,
        "-o",
        *foreign,
        "-o",
        *foreign_groups,
        "-o",
        *subvolume,
        "-o",
        *system,
        ")",
    ]


class Offenders:
    """A list that keeps a bounded number of paths and counts all: root's first, so that nobody can push them out."""

    def __init__(self) -> None:
        self.count = 0
        self.paths: dict[bool, list[str]] = {True: [], False: []}

    def add(self, path: str, *, roots: bool) -> None:
        self.count += 1
        bisect.insort(self.paths[roots], path)
        del self.paths[roots][MOST:]

    def listed(self) -> list[str]:
        return self.paths[True] + self.paths[False]


class Records:
    """What find printed, taken in as it comes."""

    def __init__(self) -> None:
        self.inodes = 0
        self.lists = {name: Offenders() for name in (*LISTS, *SYSTEM_LISTS)}
        self.subvolumes: list[str] = []
        self.rest = b""
        self.known: dict[tuple[str, str], bool] = {}

    def feed(self, part: bytes) -> None:
        *records, rest = (self.rest + part).split(b"\0\n")
        for record in records:
            dots, _newline, fields = record.partition(b"\n")
            self.inodes += len(dots) + 1
            self._add(*fields.decode(errors="surrogateescape").split(" ", 6))
        if b"\n" not in rest:
            self.inodes += len(rest)
            rest = b""
        self.rest = rest

    def _add(self, kind: str, mode_text: str, uid: str, gid: str, inode: str, filesystem: str, path: str) -> None:
        mode, name, roots = int(mode_text, 8), shown(path), uid == "0"
        if mode & 0o002 and kind == "d" and not mode & 0o1000:
            self.lists["world_writable_directories"].add(name, roots=roots)
        if mode & 0o002 and kind == "f":
            self.lists["world_writable_files"].add(name, roots=roots)
        # Owners from a directory service are not in the local files: asked once each.
        if (uid, gid) not in self.known:
            self.known[uid, gid] = user_name(int(uid)) != uid and group_name(int(gid)) != gid
        if not self.known[uid, gid]:
            self.lists["unowned"].add(name, roots=roots)
        if mode & 0o6000 and kind == "f":
            self.lists["set_id"].add(name, roots=roots)
        for name_of_list in system_offences(path, kind, mode, int(uid), int(gid)):
            self.lists[name_of_list].add(name, roots=roots)
        if kind == "d" and (inode, filesystem) == (SUBVOLUME, "btrfs"):
            self.subvolumes.append(name)


def system_offences(path: str, kind: str, mode: int, uid: int, gid: int) -> list[str]:
    """Of SYSTEM_LISTS, those that a library or command belongs in; its owner or group may be a system account's."""
    library = LIBRARIES.fullmatch(path) is not None
    if kind == "d" and library:
        offences = {"owner": uid != 0, "group": gid != 0}
    elif kind == "f" and (library or COMMANDS.fullmatch(path)):
        offences = {
            "writable": bool(mode & 0o022),
            "owner": uid != 0 and (library or uid > SYSTEM_MOST),
            "group": gid > SYSTEM_MOST,
        }
    else:
        return []
    of = "command" if not library else "library_directory" if kind == "d" else "library"
    return [f"{of}_{name}" for name, offends in offences.items() if offends]


class Scan(Reader):
    """World-writable, ownerless and set-ID files of every local file system; libraries and commands that others may change."""

    def __init__(self, request: None = None) -> None:
        super().__init__(request)
        mounts = mounted()
        self.choice = choose(mounts, local_types())
        kernel = {one.point for one in mounts if one.type in KERNEL}
        self.private = [f"{point} ({reason})" for point, reason in private().items() if point not in kernel]
        self.child = Child(lambda: [walk(self.choice)])

    def read(self) -> Section:
        try:
            items, left_out = self.child.next(SECONDS + 5)
        finally:
            self.child.close()
        if self.private:
            left_out[WALK] = f"the system's {', '.join(self.private[:3])} was not walked"
        return Section(items, left_out)


def walk(choice: Choice, seconds: float = SECONDS) -> tuple[dict[str, t.Any], dict[str, str]]:
    """Items and left_out of the section.

    Raises:
        CommandError: find is missing, or saw next to nothing.
    """
    prune = [part for path in choice.storage for part in ("-path", path, "-prune", "-o")]
    expression = ["-xdev", *prune, *tests(), "-printf", RECORD, "-o", "-printf", "."]
    records, left_out = Records(), dict(choice.left_out)
    code, complaints = _find([*choice.roots, *expression], records, seconds)
    if code is None:
        left_out[WALK] = f"it took longer than {seconds:.0f} s and was ended"
    elif code not in (0, 1):
        left_out[WALK] = f"find ended with {code}"
    elif unread := _unread(complaints, left_out):
        left_out[WALK] = f"{len(unread)} places could not be read, first {unread[0]}"
    if records.inodes < 100:
        raise CommandError(f"the walk over {' '.join(choice.roots)} saw only {records.inodes} inodes")
    for path in records.subvolumes:
        if path not in choice.roots:
            left_out[path] = "a btrfs subvolume that is not mounted"
    for name, offenders in records.lists.items():
        if offenders.count > len(offenders.listed()):
            left_out[name] = f"{len(offenders.listed())} of {offenders.count} are listed"
    counts = {name: offenders.count for name, offenders in records.lists.items()}
    lists = {name: offenders.listed() for name, offenders in records.lists.items()}
    return {"inodes": records.inodes, "roots": choice.roots, "counts": counts, **lists}, left_out


def _find(arguments: list[str], records: Records, seconds: float) -> tuple[int | None, str]:
    """Feed what find prints to RECORDS.

    Returns:
        Its exit code, None where it was ended for taking too long, and the beginning of what it complained of.
    """
    program = shutil.which("find", path=SEARCH_PATH)
    if program is None:
        raise CommandError("'find' is not installed")
    process = subprocess.Popen(
        [program, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PATH": SEARCH_PATH, "LC_ALL": "C"},
        start_new_session=True,
    )
    if process.stdout is None or process.stderr is None:
        raise CommandError("find was started without pipes")
    output, errors = process.stdout.fileno(), process.stderr.fileno()
    deadline, complaints, pipes = time.monotonic() + seconds, b"", [output, errors]
    while pipes:
        ready, _writable, _failed = select.select(pipes, [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            kill_group(process)
            return None, complaints.decode(errors="replace")
        for pipe in ready:
            part = os.read(pipe, 1 << 16)
            if not part:
                pipes.remove(pipe)
            elif pipe == output:
                records.feed(part)
            elif len(complaints) < MOST_COMPLAINTS:
                complaints += part
    return process.wait(), complaints.decode(errors="replace")


def _unread(complaints: str, left_out: t.Mapping[str, str]) -> list[str]:
    """What find could not read, but what vanished while it looked, and mount points that are not walked anyway."""
    places = re.findall(r"^[^\n]*find: '(.*)': (.*)$", complaints, re.MULTILINE)
    return [
        f"{shown(path)}: {reason}"
        for path, reason in places
        if reason != "No such file or directory" and path not in left_out
    ]


def _numbers(path: str) -> list[str]:
    """Numbers in a local account file, the most frequent owners first: root, then people, then services."""
    rows = (line.split(":") for line in (read(path) or "").splitlines())
    numbers = {int(fields[2]) for fields in rows if len(fields) > 2 and fields[2].isdigit()}
    return [
        str(number) for number in sorted(numbers, key=lambda number: (number != 0, not 1000 <= number < 60000, number))
    ]
