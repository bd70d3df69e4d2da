# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the second judge's program is."""

from __future__ import annotations

from .command import Command
from .section import Reader, Section


class Goss(Reader):
    def __init__(self, request: None = None) -> None:
        super().__init__(request)
        # Started, not only looked for: the first start from a cold disk is slow, and Goss is needed soon.
        self.command = Command("goss", "--help")

    def read(self) -> Section:
        return Section({"path": self.command.program})
