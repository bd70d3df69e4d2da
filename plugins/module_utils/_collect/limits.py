# SPDX-License-Identifier: GPL-3.0-or-later
"""Hard limits (limits.conf(5))."""

from __future__ import annotations

from .command import read
from .paths import precedence
from .section import Reader, Section


class Limits(Reader):
    def read(self) -> Section:
        return Section(limits())


def limits() -> dict[str, list[str]]:
    """Hard limits for everybody (``*``), by item, in the order in which pam_limits reads them."""
    found: dict[str, list[str]] = {}
    for path in ("/etc/security/limits.conf", *precedence(("/etc/security/limits.d",), ".conf")):
        for line in (read(path) or "").splitlines():
            words = line.split("#", 1)[0].split()
            if len(words) == 4 and words[0] == "*" and words[1] in ("hard", "-"):
                found.setdefault(words[2], []).append(words[3])
    return found
