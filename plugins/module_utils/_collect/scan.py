# SPDX-License-Identifier: GPL-3.0-or-later
"""One walk over the local file systems, done by find(1), which is several times faster than Python at it."""

from __future__ import annotations

import typing as t

from .command import Command, CommandError
from .mount import mounts
from .paths import group_name, user_name
from .section import Reader, Section

NOT_WALKED = frozenset(
    [
        "autofs",
        "bpf",
        "binfmt_misc",
        "cgroup",
        "cgroup2",
        "configfs",
        "debugfs",
        "devpts",
        "devtmpfs",
        "efivarfs",
        "fuse.sshfs",
        "fusectl",
        "hugetlbfs",
        "mqueue",
        "nfs",
        "nfs4",
        "nsfs",
        "proc",
        "pstore",
        "ramfs",
        "rpc_pipefs",
        "securityfs",
        "selinuxfs",
        "sysfs",
        "tracefs",
        "cifs",
        "smb3",
        "9p",
        "overlayfs-lower",
    ]
)
PRUNED = (
    "/proc",
    "/sys",
    "/run/user",
    "/run/containerd",
    "/var/lib/containers",
    "/var/lib/docker",
    "/var/lib/containerd",
    "/snap",
)
MOST = 500
# A dot for every inode (they prove that the walk walked) and a full record for what a rule asks about.
RECORD = "\\n%y %m %U %G %p\\0\\n"


def tests() -> list[str]:
    """What a record is printed for. Local owners are named one by one: -nouser looks up every inode's owner again."""
    foreign = [part for number in _numbers("/etc/passwd") for part in ("!", "-uid", number)]
    foreign_groups = [part for number in _numbers("/etc/group") for part in ("!", "-gid", number)]
    open_to_all = ["-perm", "-0002", "!", "-type", "l"]
    set_id = ["-perm", "/6000", "-type", "f"]
    return ["(", *set_id, "-o", *open_to_all, "-o", *foreign, "-o", *foreign_groups, ")"]


class Scan(Reader):
    """World-writable, ownerless and set-ID files of every local file system."""

    def __init__(self, wanted: None = None) -> None:
        super().__init__(wanted)
        live: dict[str, t.Any] = mounts()["live"]
        roots = sorted(
            point for point, facts in live.items() if facts["type"] not in NOT_WALKED and not point.startswith(PRUNED)
        )
        # One device mounted twice would be walked twice: bind mounts of files and of subtrees are left out.
        sources: dict[tuple[str, str], str] = {}
        for point in roots:
            source = (live[point]["source"], live[point]["type"])
            key = source if source[1] not in ("tmpfs", "overlay") else (point, point)
            sources.setdefault(key, point)
        self.roots = sorted(sources.values())
        prune: list[str] = []
        for path in PRUNED:
            prune += ["-path", path, "-prune", "-o"]
        expression = ["-xdev", *prune, *tests(), "-printf", RECORD, "-o", "-printf", "."]
        self.command = Command("find", *self.roots, *expression, timeout=300)

    def read(self) -> Section:
        # find ends with 1 where a file vanished while it looked; the records it printed are good.
        output = self.command.output(accept=(0, 1))
        inodes = 0
        lists: dict[str, list[str]] = {
            "world_writable_files": [],
            "world_writable_directories": [],
            "unowned": [],
            "set_id": [],
        }
        owners: dict[str, bool] = {}
        groups: dict[str, bool] = {}
        for part in output.split(b"\0\n"):
            dots, mark, record = part.partition(b"\n")
            inodes += dots.count(b".")
            if not mark:
                continue
            inodes += 1
            kind, mode_text, uid, gid, path = record.decode(errors="surrogateescape").split(" ", 4)
            mode = int(mode_text, 8)
            shown = path.encode(errors="backslashreplace").decode(errors="backslashreplace")
            if mode & 0o002 and kind == "d" and not mode & 0o1000:
                lists["world_writable_directories"].append(shown)
            if mode & 0o002 and kind == "f":
                lists["world_writable_files"].append(shown)
            # Owners from a directory service are not in the local files: asked once each.
            if uid not in owners:
                owners[uid] = user_name(int(uid)) != uid
            if gid not in groups:
                groups[gid] = group_name(int(gid)) != gid
            if not owners[uid] or not groups[gid]:
                lists["unowned"].append(shown)
            if mode & 0o6000 and kind == "f":
                lists["set_id"].append(shown)
        if inodes < 100:
            raise CommandError(f"the walk over {' '.join(self.roots)} saw only {inodes} inodes")
        counts = {name: len(found) for name, found in lists.items()}
        return Section(
            {
                "inodes": inodes,
                "roots": self.roots,
                "counts": counts,
                **{name: sorted(paths)[:MOST] for name, paths in lists.items()},
            }
        )


def _numbers(path: str) -> list[str]:
    """Numbers in a local account file, the most frequent owners first: root, then people, then services."""
    with open(path, encoding="utf-8", errors="replace") as handle:
        found = {
            int(fields[2]) for fields in (line.split(":") for line in handle) if len(fields) > 2 and fields[2].isdigit()
        }
    return [
        str(number) for number in sorted(found, key=lambda number: (number != 0, not 1000 <= number < 60000, number))
    ]
