# SPDX-License-Identifier: GPL-3.0-or-later
"""Units, as systemd has merged them from their files, drop-ins and generators.

Items: by unit ``{load, file, active, refused, wanted_by, drop_ins, exec, replaced}``; ``replaced`` is whether a drop-in makes the unit
run other programs than its own file says, ``refused`` whether the unit's own
conditions kept it from its last start (systemd.unit(5), Condition...).
"""

from __future__ import annotations

import re

from .command import Command, CommandError
from .configuration import text
from .section import Reader, Section


class Units(Reader):
    """State of the units that rules speak of, from one call."""

    PROPERTIES = (
        "Id",
        "LoadState",
        "UnitFileState",
        "ActiveState",
        "WantedBy",
        "RequiredBy",
        "UpheldBy",
        "FragmentPath",
        "DropInPaths",
        "ExecStart",
        "ConditionResult",
        "ConditionTimestampMonotonic",
    )

    def __init__(self, request: list[str]) -> None:
        super().__init__(request)
        names = self.names = request
        options = [f"--property={','.join(self.PROPERTIES)}", "--"]
        self.command = Command("systemctl", "show", *options, *names) if names else None

    def read(self) -> Section:
        if self.command is None:
            return Section({})
        blocks = self.command.text().strip().split("\n\n")
        if len(blocks) != len(self.names):
            raise CommandError(f"systemctl described {len(blocks)} units of {len(self.names)}")
        return Section({name: unit(block) for name, block in zip(self.names, blocks)})


def unit(properties: str) -> dict[str, object]:
    """A block of ``systemctl show``. ``exec`` is the program of each ExecStart, ``wanted_by`` what pulls the unit in."""
    values = dict(line.split("=", 1) for line in properties.splitlines() if "=" in line)
    pulled = [name for key in ("WantedBy", "RequiredBy", "UpheldBy") for name in values.get(key, "").split()]
    fragment, drop_ins = values.get("FragmentPath", ""), values.get("DropInPaths", "").split()
    # A unit with several commands has a line each; a dictionary keeps the last.
    programs = re.findall(r"^ExecStart=\{ path=(\S+) ;", properties, re.MULTILINE)
    return {
        "load": values.get("LoadState", ""),
        "file": values.get("UnitFileState", ""),
        "active": values.get("ActiveState", ""),
        "refused": values.get("ConditionTimestampMonotonic", "0") != "0" and values.get("ConditionResult") == "no",
        "wanted_by": sorted(set(pulled)),
        "drop_ins": drop_ins,
        "exec": programs,
        "replaced": bool(fragment and drop_ins) and programs != own_programs(fragment),
    }


def own_programs(fragment: str) -> list[str]:
    """Programs of the ExecStart lines of a unit's own file (systemd.service(5)); the marks before a path are not part of it."""
    content = text(fragment, {}) or ""
    return re.findall(r"^ExecStart=[-@:+!|]*(\S+)", content, re.MULTILINE)
