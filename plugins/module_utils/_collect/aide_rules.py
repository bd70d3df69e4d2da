# SPDX-License-Identifier: GPL-3.0-or-later
"""What AIDE compares of single files, in its own words.

Items: by path of a file that is there ``{attributes, source}``: what the rule that decides on it has AIDE compare, none where it leaves the file
out, and where that rule stands (``file:line``).
"""

from __future__ import annotations

import os
import re
import typing as t

from .aide import CONFIGURATIONS
from .command import Command
from .section import Reader, Section

# "[x] f=ext4:/sbin/auditd: selective rule: '/sbin f p+u+g' (/etc/aide/aide.conf:9: '/sbin Full')"; a mark in the brackets where it counts.
_MATCH = re.compile(r"^\[(.)\] f[^:]*:(/.*?): .*?rule: '.*? ?([a-z0-9_+]+|\(none\))' \((.*?:\d+): ", re.MULTILINE)


# It reads two hundred files first, beside all other readers: 0.4 s on a server, more than 60 s on an emulated machine among others.
SECONDS = 100


class AideRules(Reader):
    """Args: request: paths of files.

    One dry run limited to them: asking for each (--path-check) would read the configuration as often, which takes 0.4 s.
    """

    def __init__(self, request: list[str] | None = None) -> None:
        super().__init__(request)
        self.places = {path: os.path.realpath(path) for path in request or () if os.path.isfile(path)}
        configuration = next((path for path in CONFIGURATIONS if os.path.exists(path)), CONFIGURATIONS[0])
        limit = "|".join(re.escape(place) for place in sorted(set(self.places.values())))
        # Without a file nothing is asked; an empty limit would be none.
        argv = ("aide", f"--config={configuration}", "--dry-init", f"--limit=^({limit})$")
        self.command = Command(*argv, timeout=SECONDS) if self.places else None

    def read(self) -> Section:
        asked = self.command is not None and self.command.installed
        decided = matches(self.command.text()) if self.command and asked else {}
        none: dict[str, t.Any] = {"attributes": [], "source": ""}
        return Section({path: decided.get(place, none) for path, place in self.places.items()})


def matches(printed: str) -> dict[str, dict[str, t.Any]]:
    """By file, what a dry run said of it."""
    return {
        path: {"attributes": sorted(attributes.split("+")) if mark in "xX" else [], "source": source}
        for mark, path, attributes, source in _MATCH.findall(printed)
    }
