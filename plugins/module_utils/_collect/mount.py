# SPDX-License-Identifier: GPL-3.0-or-later
"""What is mounted, and what fstab asks for."""

from __future__ import annotations

import typing as t

from .command import read
from .section import Reader, Section


class Mounts(Reader):
    def read(self) -> Section:
        return Section(mounts())


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
