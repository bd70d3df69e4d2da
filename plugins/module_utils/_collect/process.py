# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that run, whatever started them.

Items: by program, of those that rules speak of and that run, the units whose processes they are (a session's where somebody
started them by hand). What runs in a PID namespace of its own, as in a container, is not the host's.
"""

from __future__ import annotations

import os
import typing as t

from .command import read
from .section import Reader, Section

PROC = "/proc"


class Processes(Reader):
    """Looks for programs by the names of their files."""

    def __init__(self, request: t.Sequence[str]) -> None:
        super().__init__(request)
        self.names = frozenset(request)

    def read(self, proc: str = PROC) -> Section:
        own = os.readlink(f"{proc}/self/ns/pid")
        running: dict[str, set[str]] = {}
        left_out: dict[str, str] = {}
        for number in filter(str.isdigit, os.listdir(proc)):
            try:
                name = program(f"{proc}/{number}")
                if name in self.names and os.readlink(f"{proc}/{number}/ns/pid") == own:
                    running.setdefault(name, set()).add(unit(read(f"{proc}/{number}/cgroup") or ""))
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has ended, or is the kernel's own
            except PermissionError:
                # It may do more than this process, which is told its name only, cut (proc_pid_comm(5)).
                name = (read(f"{proc}/{number}/comm") or "").strip()
                if may_be := sorted(one for one in self.names if one[:15] == name):
                    left_out[number] = f"it may run {' or '.join(may_be)}, and may not be looked at"
        return Section({name: sorted(units) for name, units in running.items()}, left_out)


def program(process: str) -> str:
    """The name of the file that a process runs; one that was replaced since is still that program."""
    return os.path.basename(os.readlink(f"{process}/exe")).partition(" (deleted)")[0]


def unit(cgroup: str) -> str:
    """The unit of a process, as proc(5) tells its cgroup (``0::/system.slice/x.service/child``); empty where none tells."""
    parts = [part for line in cgroup.splitlines() for part in line.split("/")[1:]]
    return next((part for part in reversed(parts) if part.endswith((".service", ".scope"))), "")
