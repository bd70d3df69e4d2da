# SPDX-License-Identifier: GPL-3.0-or-later
"""rsyslog's configuration."""

from __future__ import annotations

import re

from .command import read
from .paths import precedence
from .section import Reader, Section


class Rsyslog(Reader):
    def read(self) -> Section:
        return Section(rsyslog())


def rsyslog() -> dict[str, object]:
    """FileCreateMode, and the lines that open a listening socket, of rsyslog's merged configuration."""
    mode, listeners = None, []
    for path in ("/etc/rsyslog.conf", *precedence(("/etc/rsyslog.d",), ".conf")):
        for line in (read(path) or "").splitlines():
            line = line.strip()
            found = re.match(r"\$FileCreateMode\s+(\d+)", line) or re.search(r'fileCreateMode="(\d+)"', line)
            if found:
                mode = {"value": found[1].zfill(4), "source": path}
            if re.match(r'(\$(InputTCPServerRun|UDPServerRun)\b|(module|input)\(.*"im(tcp|udp|relp)")', line):
                listeners.append(f"{path}: {line}")
    return {"FileCreateMode": mode, "listen": listeners}
