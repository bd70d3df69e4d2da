# SPDX-License-Identifier: GPL-3.0-or-later
"""Installed packages."""

from __future__ import annotations

from .command import Command, CommandError, read
from .section import Reader, Section


class Packages(Reader):
    def read(self) -> Section:
        return Section(packages())


def packages() -> dict[str, str]:
    """Installed packages with their versions: dpkg's own status file where there is one, else one rpm call."""
    status = read("/var/lib/dpkg/status")
    if status is None:
        rows = Command("rpm", "-qa", "--qf", "%{NAME}\t%{VERSION}-%{RELEASE}\n").text()
        return dict(line.split("\t", 1) for line in rows.splitlines())
    found = {}
    for paragraph in status.split("\n\n"):
        name = version = ""
        installed = False
        for line in paragraph.split("\n", 12):
            if line.startswith("Package: "):
                name = line[9:]
            elif line.startswith("Status: "):
                installed = line.endswith(" ok installed")
            elif line.startswith("Version: "):
                version = line[9:]
        if installed and not version:
            version = next((line[9:] for line in paragraph.split("\n") if line.startswith("Version: ")), "")
        if installed:
            found[name] = version
    if not found:
        raise CommandError("/var/lib/dpkg/status lists no installed package")
    return found
