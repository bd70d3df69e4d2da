# SPDX-License-Identifier: GPL-3.0-or-later
"""Sockets that others can reach."""

from __future__ import annotations

import re

from .command import Command
from .section import Reader, Section

# ss(8) -H -n: protocol, state, queues, local and peer address, and the processes.
ROW = re.compile(r"(\S+)\s+\S+\s+\d+\s+\d+\s+(\S+):(\d+)\s+\S+\s*(.*)")


class Sockets(Reader):
    """Listening TCP and UDP sockets: ``protocol``, ``address``, ``port``, and the ``processes`` that hold them."""

    def __init__(self, request: None = None) -> None:
        super().__init__(request)
        self.command = Command("ss", "-Htlunp")

    def read(self) -> Section:
        sockets = []
        for line in self.command.text().splitlines():
            row = ROW.match(line)
            if row is None:
                raise ValueError(f"ss printed '{line.strip()[:80]}'")
            processes = sorted(set(re.findall(r'\("([^"]*)",pid=', row[4])))
            address = row[2].split("%")[0].strip("[]")
            sockets.append({"protocol": row[1], "address": address, "port": int(row[3]), "processes": processes})
        return Section(sockets)
