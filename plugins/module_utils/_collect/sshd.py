# SPDX-License-Identifier: GPL-3.0-or-later
"""The SSH daemon's own view of its configuration."""

from __future__ import annotations

import os
import typing as t

from .command import Command, CommandError, read
from .daemon import changed
from .section import Reader, Section
from .sshd_config import NEUTRAL, Directive, Sampler, directives, include_directories, specification
from .sshd_daemon import Units, configuration, reloaded, running, session, unseen, upcoming, without_log

MOST_BLOCKS = 64
# Homes on these may hang; whose keys lie there is not told.
REMOTE = ("nfs", "cifs", "smb", "fuse", "autofs", "ceph", "afs", "9p", "lustre", "gpfs", "beegfs", "glusterfs")


class Sshd(Reader):
    """What `sshd -T` says with the arguments of the daemon that runs: globally, and for each Match block.

    Args:
        request: units that run the daemon.
    """

    def __init__(self, request: t.Sequence[str] | None = None) -> None:
        super().__init__(request)
        self.units = Units(list(request or ()))
        self.daemons, self.unseen = running()
        self.options: list[str] = self.daemons[0]["arguments"] if self.daemons else []
        # Where sshd never ran, its privilege separation directory is missing and -T refuses.
        self.asked, self.log = without_log(self.options)
        self.command = Command("sshd", "-T", *self.asked)
        self.directives = list(directives(configuration(self.options)))
        self.session = session()
        self.cases: list[tuple[str, dict[str, str] | None, Command | None]] = []
        if self.command.installed:
            self._start_cases()

    def _start_cases(self) -> None:
        matches = list(dict.fromkeys(line["match"] for line in self.directives if line["match"]))
        groups = memberships()
        sampler = Sampler(matches, groups)
        for match in matches[:MOST_BLOCKS]:
            connection = sampler.connection(match)
            self.cases.append((match, connection, self._ask(connection) if connection else None))
        for match in matches[MOST_BLOCKS:]:
            self.unseen[f"Match {match}"] = f"more than {MOST_BLOCKS} Match blocks"
        self.own = self._ask(self._own_connection()) if self.session else None

    def _own_connection(self) -> dict[str, str]:
        own = self.session or {}
        address = own.get("address", "")
        return {
            **NEUTRAL,
            "user": own.get("user", ""),
            "host": address,
            "addr": address,
            "laddr": own.get("local_address", ""),
            "lport": own.get("port", ""),
        }

    def _ask(self, connection: dict[str, str]) -> Command:
        return Command("sshd", "-T", *self.asked, "-C", specification(connection))

    def read(self) -> Section:
        if not self.command.installed:
            return Section({"installed": False, "effective": {}})
        effective = settings(self.command, self.log)
        units = self.units.read()
        self.unseen.update(unseen(units, {daemon["pid"] for daemon in self.daemons}))
        for daemon in self.daemons:
            mine = [unit for unit in units if unit["Id"] == daemon["unit"]]
            daemon["loaded"] = round(max([daemon["loaded"], *(reloaded(unit) for unit in mine)]), 2)
        items: dict[str, t.Any] = {
            "installed": True,
            "effective": effective,
            "daemons": self.daemons,
            "newest": newest(self.directives, configuration(self.options)),
            "directives": self.directives,
            "cases": [self._case(match, connection, command, effective) for match, connection, command in self.cases],
            "variants": self._variants(units, effective),
            "session": self.session
            and {**self.session, "differs": differences(effective, settings(self.own, self.log))},
            "key_holders": key_holders(effective),
        }
        return Section(items, self.unseen)

    def _case(
        self, match: str, connection: dict[str, str] | None, command: Command | None, effective: dict[str, str]
    ) -> dict[str, t.Any]:
        """What a Match block changes, by the program's own answer; as it is written where the program cannot be asked."""
        inside = [line for line in self.directives if line["match"] == match and line["keyword"] != "match"]
        head = next(line for line in self.directives if line["match"] == match)
        if command is None:
            written: dict[str, str] = {}
            for line in inside:
                written.setdefault(line["keyword"], line["value"])
            changed = written
        else:
            changed = differences(effective, settings(command, self.log))
        return {
            "criteria": match,
            "source": head["source"],
            "line": head["line"],
            "connection": connection,
            "differs": changed,
        }

    def _variants(self, units: list[dict[str, str]], effective: dict[str, str]) -> list[dict[str, t.Any]]:
        """Other daemons that run, and what the next start would bring: where their arguments differ."""
        known = {tuple(self.options): ""}
        for daemon in self.daemons[1:]:
            known.setdefault(tuple(daemon["arguments"]), f"sshd {daemon['pid']}")
        for start, options in upcoming(units):
            known.setdefault(tuple(options), start)
        made = []
        for arguments, name in known.items():
            if name:
                asked, log = without_log(arguments)
                differs = differences(effective, settings(Command("sshd", "-T", *asked), log))
                made.append({"name": name, "arguments": list(arguments), "differs": differs})
        return made


def settings(command: Command | None, log: str = "") -> dict[str, str]:
    """Keywords and values that `sshd -T` printed; the level of the log with LOG, the file that has it in place of the system's log."""
    if command is None:
        return {}
    printed: dict[str, str] = {}
    for line in command.text().splitlines():
        key, _mark, value = line.partition(" ")
        printed[key] = f"{printed[key]} {value}" if key in printed else value
    if "port" not in printed:
        raise CommandError("'sshd -T' printed no configuration")
    if log:
        printed["loglevel"] = f"{printed['loglevel']} to {log}"
    return printed


def differences(base: dict[str, str], other: dict[str, str]) -> dict[str, str]:
    """Settings of OTHER that BASE has not, and empty values for what only BASE has."""
    changed = {key: value for key, value in other.items() if base.get(key) != value}
    return {**changed, **{key: "" for key in base if other and key not in other}}


def newest(lines: t.Sequence[Directive], main: str) -> dict[str, t.Any]:
    """The file or directory of includes that changed last, with its time in seconds since the epoch."""
    times = changed([main, *(line["source"] for line in lines), *include_directories(lines)])
    path = max(times, key=lambda one: times[one])
    return {"path": path, "modified": round(times[path], 2)}


def memberships() -> dict[str, list[str]]:
    """Accounts of the host with the names of their groups."""
    groups = _rows("/etc/group", 4)
    return {
        fields[0]: [group[0] for group in groups if group[2] == fields[3] or fields[0] in group[3].split(",")]
        for fields in _rows("/etc/passwd", 7)
    }


def _rows(path: str, columns: int) -> list[list[str]]:
    rows = [line.split(":") for line in (read(path) or "").splitlines()]
    return [row for row in rows if len(row) == columns]


def key_holders(effective: t.Mapping[str, str]) -> list[str]:
    """Accounts that have a file of keys they may log in with, as far as their homes are local."""
    mounts = [line.split() for line in _mount_table()]
    remote = [fields[1] for fields in mounts if fields[2].startswith(REMOTE)]
    holders = []
    for name, _hash, uid, _gid, _gecos, home, _shell in _rows("/etc/passwd", 7):
        for pattern in effective.get("authorizedkeysfile", "").split():
            path = pattern.replace("%%", "%").replace("%h", home).replace("%u", name).replace("%U", uid)
            path = os.path.join(home, path)
            if any(path.startswith(f"{point}/") for point in remote):
                continue
            try:
                if os.stat(path).st_size and name not in holders:
                    holders.append(name)
            except OSError:
                continue
    return holders


def _mount_table() -> list[str]:
    with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as handle:
        return [line for line in handle if len(line.split()) > 2]
