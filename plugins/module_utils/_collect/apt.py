# SPDX-License-Identifier: GPL-3.0-or-later
"""apt's options, as apt itself merges them."""

from __future__ import annotations

import os
import re

from .._url import masked_urls
from .command import Command
from .paths import precedence
from .section import Reader, Section

DIRECTORY = "/etc/apt/apt.conf.d"
LINE = re.compile(r'(\S+) "(.*)";')


class Apt(Reader):
    """Options by their lower-case name (apt.conf(5): case does not matter), and the files in the order apt reads them.

    Proxies are told without the user and password that they may hold.
    """

    def __init__(self, request: None = None) -> None:
        super().__init__(request)
        self.dump = Command("apt-config", "dump")

    def read(self) -> Section:
        options = {}
        if self.dump.installed:
            for line in self.dump.text().splitlines():
                pair = LINE.fullmatch(line)
                if pair:
                    options[pair[1].lower()] = masked_urls(pair[2])
        # apt.conf(5): the directory first, then the main file.
        files = [path for path in (*precedence((DIRECTORY,), ""), "/etc/apt/apt.conf") if os.path.isfile(path)]
        return Section({"options": options, "files": files})
