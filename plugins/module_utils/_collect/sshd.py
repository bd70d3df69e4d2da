# SPDX-License-Identifier: GPL-3.0-or-later
"""The SSH daemon's own view of its configuration."""

from __future__ import annotations

import glob

from .command import Command, CommandError, read
from .section import Reader, Section


class Sshd(Reader):
    """The daemon's own view of its configuration (sshd -T) and what Match blocks change of it."""

    def __init__(self, wanted: None = None) -> None:
        super().__init__(wanted)
        # Where sshd never ran, its privilege separation directory is missing and -T refuses.
        self.command = Command("sshd", "-T")

    def read(self) -> Section:
        if not self.command.found:
            return Section({"installed": False, "effective": {}, "match": [], "includes_dropins": False})
        effective: dict[str, str] = {}
        for line in self.command.text().splitlines():
            key, _mark, value = line.partition(" ")
            effective[key] = f"{effective[key]} {value}" if key in effective else value
        if "port" not in effective:
            raise CommandError("'sshd -T' printed no configuration")
        main = read("/etc/ssh/sshd_config") or ""
        blocks: list[dict[str, object]] = []
        for path in ("/etc/ssh/sshd_config", *sorted(glob.glob("/etc/ssh/sshd_config.d/*.conf"))):
            blocks += _match_blocks(path, read(path) or "")
        first = next(
            (
                line.split()[0].lower()
                for line in main.splitlines()
                if line.strip() and not line.lstrip().startswith("#")
            ),
            "",
        )
        return Section(
            {"installed": True, "effective": effective, "match": blocks, "includes_dropins": first == "include"}
        )


def _match_blocks(path: str, text: str) -> list[dict[str, object]]:
    blocks: list[dict[str, object]] = []
    settings: dict[str, str] | None = None
    for line in text.splitlines():
        words = line.split("#", 1)[0].replace("=", " ").split(None, 1)
        if len(words) < 2:
            continue
        keyword, value = words[0].lower(), words[1].strip()
        if keyword == "match":
            settings = {}
            if value.lower() != "all":
                blocks.append({"source": path, "criteria": value, "settings": settings})
        elif settings is not None:
            settings.setdefault(keyword, value)
    return blocks
