# SPDX-License-Identifier: GPL-3.0-or-later
"""Which mounted file systems hold this host's own files (proc(5): mountinfo, filesystems)."""

from __future__ import annotations

import os
import re
import typing as t

from .command import read

# Without a block device, and local all the same.
LOCAL = frozenset(
    ["aufs", "bcachefs", "btrfs", "devtmpfs", "jffs2", "overlay", "ramfs", "tmpfs", "ubifs", "unionfs", "zfs"]
)
# Made by the kernel: nobody's files lie there.
KERNEL = frozenset(
    [
        "autofs",
        "binder",
        "binfmt_misc",
        "bpf",
        "cgroup",
        "cgroup2",
        "configfs",
        "debugfs",
        "devpts",
        "efivarfs",
        "fusectl",
        "hugetlbfs",
        "mqueue",
        "nsfs",
        "proc",
        "pstore",
        "resctrl",
        "rpc_pipefs",
        "securityfs",
        "selinuxfs",
        "smackfs",
        "sysfs",
        "tracefs",
    ]
)
# Images that nobody can write to, and whose files a package brought.
READ_ONLY = frozenset(["cramfs", "erofs", "iso9660", "romfs", "squashfs", "udf"])
# With a block device, and yet a program or another host answers for it.
REMOTE = frozenset(["fuseblk", "gfs2", "ocfs2"])
# Where engines keep the layers of containers, whose files have the containers' owners and modes.
STORAGE = (
    "/run/containerd/io.containerd.runtime.v2.task",
    "/var/lib/containerd/io.containerd.snapshotter.v1.btrfs",
    "/var/lib/containerd/io.containerd.snapshotter.v1.native",
    "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs",
    "/var/lib/containers/storage/overlay",
    "/var/lib/containers/storage/vfs",
    "/var/lib/docker/btrfs",
    "/var/lib/docker/overlay2",
    "/var/lib/docker/vfs",
    "/var/lib/docker/zfs",
)


class Mounted(t.NamedTuple):
    """One line of mountinfo.

    Attributes:
        device: ``major:minor``.
        root: the directory of the file system that is mounted here.
    """

    point: str
    type: str
    source: str
    options: tuple[str, ...]
    device: str
    root: str


def mounted(process: str = "self") -> list[Mounted]:
    """What is mounted for a process, in the order in which it was; one mounted over another at the same place comes later."""
    mounts = []
    for line in (read(f"/proc/{process}/mountinfo") or "").splitlines():
        left, _mark, right = line.partition(" - ")
        fields, rest = left.split(" "), right.split(" ")
        options = dict.fromkeys((*fields[5].split(","), *rest[2].split(",")))
        if "ro" in options:  # of the mount point or of the file system: one is enough
            options.pop("rw", None)
        mounts.append(
            Mounted(unescaped(fields[4]), rest[0], unescaped(rest[1]), tuple(options), fields[2], unescaped(fields[3]))
        )
    return mounts


def private() -> dict[str, str]:
    """Mount points that are others for this process than for the system, with the reason: those of a service with PrivateTmp=,
    of a login with pam_namespace, or of a container that has the host's processes.
    """
    here, system = ({one.point: one for one in mounted(process)} for process in ("self", "1"))
    return {
        point: "this process has other mounts there than the system (process 1)"
        for point in sorted(here.keys() | system.keys())
        if here.get(point) != system.get(point)
    }


def unescaped(field: str) -> str:
    """A field of mountinfo or fstab: blanks and backslashes are written in octal (fstab(5))."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)


def local_types() -> frozenset[str]:
    """Types of file systems whose files are this host's own."""
    lines = (read("/proc/filesystems") or "").splitlines()
    return (LOCAL | {line.strip() for line in lines if not line.startswith("nodev")}) - REMOTE - READ_ONLY


def below(path: str, directory: str) -> bool:
    """Whether PATH is DIRECTORY or lies below it, by whole names."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def closed(path: str) -> bool:
    """Whether a directory on the way to PATH, or PATH, lets only root in."""
    names = path.strip("/").split("/")
    for count in range(1, len(names) + 1):
        try:
            facts = os.lstat("/" + "/".join(names[:count]))
        except OSError:
            return False
        if facts.st_uid == 0 and not facts.st_mode & 0o001 and (facts.st_gid == 0 or not facts.st_mode & 0o010):
            return True
    return False


class Choice(t.NamedTuple):
    """What a walk goes through.

    Attributes:
        roots: where it begins; none leads into another file system.
        storage: directories on the way that it does not enter.
        left_out: file systems and directories that it does not see, with the reason.
    """

    roots: list[str]
    storage: list[str]
    left_out: dict[str, str]


def choose(mounts: t.Sequence[Mounted], types: frozenset[str]) -> Choice:
    """Every local file system once, by the device of its mount point, and what is not walked, by name."""
    storage = [path for path in STORAGE if os.path.isdir(path) and closed(path)]
    left_out = {path: "layers of containers, in a directory that only root may enter" for path in storage}
    # What is mounted last at a point hides what was there before.
    visible = {one.point: one for one in mounts}
    roots: dict[tuple[int, str], str] = {}
    for point, one in sorted(visible.items(), key=lambda item: (len(item[1].root), item[0])):
        if one.type in KERNEL or any(below(point, path) for path in storage):
            continue
        if below(point, "/proc") or below(point, "/sys"):
            left_out[point] = f"over the kernel's own files ({one.type})"
        elif one.type in READ_ONLY:
            left_out[point] = f"a read-only image ({one.type})"
        elif one.type not in types:
            left_out[point] = f"not a local file system ({one.type})"
        else:
            device = os.lstat(point).st_dev
            # A bind mount shows again what is walked from a root above it.
            if not any(dev == device and below(one.root, root) for dev, root in roots):
                roots[(device, one.root)] = point
    return Choice(sorted(roots.values()), storage, left_out)
