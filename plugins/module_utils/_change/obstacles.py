# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a file cannot be replaced, known before anything is tried."""

from __future__ import annotations

import fcntl
import os
import stat
import struct

from .paths import O_PATH, Place

# ioctl_iflags(2); the number is the same on every 64-bit architecture that is supported.
_FS_IOC_GETFLAGS = 0x80086601
_FLAGS = {0x10: "immutable (chattr -i)", 0x20: "append-only (chattr -a)"}


def obstacle(place: Place) -> str:
    """Why what lies at PLACE cannot be replaced or removed; empty when it can."""
    if os.fstatvfs(place.directory).f_flag & os.ST_RDONLY:
        return "its file system is mounted read-only"
    flags = _flags(place, ".")
    if flags:
        return f"its directory is {flags}"
    facts = place.facts()
    if facts is None:
        return ""
    descriptor = place.open(O_PATH)
    try:
        if mount_id(descriptor) != mount_id(place.directory):
            return "something is mounted on it (bind mount): unmount it, or change what is mounted"
    finally:
        os.close(descriptor)
    flags = _flags(place, place.name) if stat.S_ISREG(facts.st_mode) else ""
    return f"it is {flags}" if flags else ""


def attribute_obstacle(place: Place) -> str:
    """Why mode and owner of what lies at PLACE cannot be changed; empty when they can, also of what is mounted there."""
    descriptor = place.open(O_PATH)
    try:
        if os.fstatvfs(descriptor).f_flag & os.ST_RDONLY:
            return "its file system is mounted read-only"
    finally:
        os.close(descriptor)
    flags = _flags(place, place.name)
    return f"it is {flags}" if flags else ""


def _flags(place: Place, name: str) -> str:
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place.directory)
    except OSError:
        return ""
    try:
        bits = struct.unpack("i", fcntl.ioctl(descriptor, _FS_IOC_GETFLAGS, struct.pack("i", 0)))[0]
    except OSError:  # not every file system has flags
        return ""
    finally:
        os.close(descriptor)
    return " and ".join(name for bit, name in _FLAGS.items() if bits & bit)


def mount_id(descriptor: int) -> int:
    """Which mount an open path lies on: rename(2) works within one only, be the device the same or not."""
    with open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as handle:
        return next(int(line.split()[1]) for line in handle if line.startswith("mnt_id:"))


def mount_root(path: str, identifier: int) -> str:
    """The topmost directory on the way to PATH (links resolved) that lies on the mount IDENTIFIER."""
    parts = [part for part in path.split("/") if part]
    for length in range(len(parts) + 1):
        directory = "/" + "/".join(parts[:length])
        descriptor = os.open(directory, O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if mount_id(descriptor) == identifier:
                return directory
        finally:
            os.close(descriptor)
    return path
