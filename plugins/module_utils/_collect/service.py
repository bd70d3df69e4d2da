# SPDX-License-Identifier: GPL-3.0-or-later
"""Units."""

from __future__ import annotations

from .command import Command, CommandError
from .section import Reader, Section


class Units(Reader):
    """State of the units that rules speak of, from one call."""

    PROPERTIES = ("Id", "LoadState", "UnitFileState", "ActiveState")

    def __init__(self, wanted: list[str]) -> None:
        super().__init__(wanted)
        names = self.names = wanted
        options = [f"--property={','.join(self.PROPERTIES)}", "--"]
        self.command = Command("systemctl", "show", *options, *names) if names else None

    def read(self) -> Section:
        if self.command is None:
            return Section({})
        blocks = self.command.text().strip().split("\n\n")
        if len(blocks) != len(self.names):
            raise CommandError(f"systemctl described {len(blocks)} units of {len(self.names)}")
        found = {}
        for name, block in zip(self.names, blocks):
            facts = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
            found[name] = {
                "load": facts.get("LoadState", ""),
                "file": facts.get("UnitFileState", ""),
                "active": facts.get("ActiveState", ""),
            }
        return Section(found)
