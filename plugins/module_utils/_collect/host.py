# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host is."""

from __future__ import annotations

import os

from .command import read
from .section import Reader, Section


class Host(Reader):
    def read(self) -> Section:
        return Section(host())


def host() -> dict[str, object]:
    release = {}
    for line in (read("/etc/os-release") or read("/usr/lib/os-release") or "").splitlines():
        key, mark, value = line.partition("=")
        if mark:
            release[key] = value.strip().strip("\"'")
    system = os.uname()
    return {
        "os": release.get("ID", "unknown"),
        "version": release.get("VERSION_ID", "unknown"),
        "name": release.get("PRETTY_NAME", "unknown"),
        "like": release.get("ID_LIKE", ""),
        "architecture": system.machine,
        "kernel": system.release,
        "hostname": system.nodename,
        "container": os.path.exists("/run/.containerenv") or "container=" in (read("/proc/1/environ") or ""),
        "uid": os.geteuid(),
        "fips": (read("/proc/sys/crypto/fips_enabled") or "0").strip() == "1",
    }
