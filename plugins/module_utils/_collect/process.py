# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that run, whatever started them, or that a unit of the site's own will run.

Items: by program, of those that rules speak of and that run, the units whose processes they are (a session's where somebody
started them by hand), and the units outside packages' directories that something pulls in and that name the program. What runs in a PID
namespace of its own, as in a container, is not the host's.
"""

from __future__ import annotations

import glob
import os
import typing as t

from .command import read
from .section import Reader, Section
from .service import own_commands

PROC = "/proc"
SITE = ("/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system")
"""Where units lie that no package brought (systemd.unit(5))."""
PULLED = ("wants", "requires", "upholds")
STARTERS = (".service", ".timer", ".socket", ".path")


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
        for unit_name, names in upcoming(self.names).items():
            for name in names:
                running.setdefault(name, set()).add(unit_name)
        return Section({name: sorted(units) for name, units in running.items()}, left_out)


def upcoming(names: t.Collection[str], tops: t.Sequence[str] = SITE) -> dict[str, set[str]]:
    """Services of the site's own that run one of NAMES and are pulled in by a link, or by a timer, socket or path of theirs that is."""
    pulled = {os.path.basename(path) for top in tops for how in PULLED for path in glob.glob(f"{top}/*.{how}/*")}
    files: dict[str, str] = {}
    for path in (path for top in tops for path in glob.glob(f"{top}/*.service")):
        files.setdefault(os.path.basename(path), path)  # one that is masked lies in the first directory
    made = {}
    for name, path in files.items():
        stem = name.rpartition(".")[0]
        if not pulled & {f"{stem}{end}" for end in STARTERS}:
            continue
        # A shell or env(1) may stand before the program.
        words = [word for _program, command in own_commands(path) for word in command.replace('"', " ").split()]
        if run := {os.path.basename(word) for word in words if word.startswith("/")} & set(names):
            made[name] = run
    return made


def program(process: str) -> str:
    """The name of the file that a process runs; one that was replaced since is still that program."""
    return os.path.basename(os.readlink(f"{process}/exe")).partition(" (deleted)")[0]


def unit(cgroup: str) -> str:
    """The unit of a process, as proc(5) tells its cgroup (``0::/system.slice/x.service/child``); empty where none tells."""
    parts = [part for line in cgroup.splitlines() for part in line.split("/")[1:]]
    return next((part for part in reversed(parts) if part.endswith((".service", ".scope"))), "")
