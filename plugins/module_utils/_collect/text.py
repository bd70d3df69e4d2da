# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts of the configuration files that a change would rewrite. None of them holds a secret."""

from __future__ import annotations

from .command import read
from .section import Reader, Section


class Texts(Reader):
    def read(self) -> Section:
        return Section({path: read(path) for path in self.wanted})
