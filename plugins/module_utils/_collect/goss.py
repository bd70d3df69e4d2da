# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the second judge's program is."""

from __future__ import annotations

import contextlib
import os
import shutil

from .command import SEARCH_PATH
from .section import Reader, Section


class Goss(Reader):
    def __init__(self, request: None = None) -> None:
        super().__init__(request)
        self.program = shutil.which("goss", path=SEARCH_PATH)
        if self.program:
            # The first start from a cold disk is slow, and Goss is needed soon.
            with contextlib.suppress(OSError), open(self.program, "rb") as handle:
                os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)

    def read(self) -> Section:
        return Section({"path": self.program})
