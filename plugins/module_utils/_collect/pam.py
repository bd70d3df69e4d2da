# SPDX-License-Identifier: GPL-3.0-or-later
"""PAM stacks (pam.conf(5))."""

from __future__ import annotations

import re

from .command import read
from .section import Reader, Section


class Stacks(Reader):
    def read(self) -> Section:
        return Section(pam(self.wanted))


def pam(services: list[str]) -> dict[str, list[dict[str, object]]]:
    """The lines of PAM stacks: type, control, module, arguments (pam.conf(5))."""
    stacks = {}
    for service in services:
        lines: list[dict[str, object]] = []
        for line in re.sub(r"\\\n", " ", read(f"/etc/pam.d/{service}") or "").splitlines():
            found = re.match(r"\s*-?(auth|account|password|session)\s+(\[[^\]]*\]|\S+)\s+(\S+)\s*(.*)", line)
            if found:
                arguments = found[4].split("#", 1)[0].split()
                lines.append(
                    {"type": found[1], "control": found[2], "module": found[3].rpartition("/")[2], "args": arguments}
                )
        stacks[service] = lines
    return stacks
