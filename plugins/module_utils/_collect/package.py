# SPDX-License-Identifier: GPL-3.0-or-later
"""Installed packages.

Items: name to version, which is empty for what is there in part only (unpacked, half configured).
"""

from __future__ import annotations

from .command import Command, CommandError
from .configuration import text
from .section import Reader, Section

DPKG_STATUS = "/var/lib/dpkg/status"
# deb-status as dpkg(1), "Package states", has it: the files are there and set up.
INSTALLED = ("installed", "triggers-awaited", "triggers-pending")
GONE = ("not-installed", "config-files")


class Packages(Reader):
    def read(self) -> Section:
        return Section(packages())


def packages() -> dict[str, str]:
    """Name to version: dpkg's own status file where there is one, else one rpm call.

    Raises:
        CommandError: there is neither, or no package at all.
    """
    unread: dict[str, str] = {}
    status = text(DPKG_STATUS, unread)
    if unread:
        raise CommandError(f"{DPKG_STATUS}: {unread[DPKG_STATUS]}")
    if status is not None:
        installed = dpkg(status)
    else:
        installed = rpm(Command("rpm", "-qa", "--qf", "%{NAME}\t%{VERSION}-%{RELEASE}\n").text())
    if not installed:
        raise CommandError("no package is installed, says the package manager's database")
    return installed


def dpkg(status: str) -> dict[str, str]:
    """Packages in dpkg's status file (deb822(5))."""
    installed = {}
    for paragraph in status.split("\n\n"):
        name = version = state = ""
        # These fields come first; a long description need not be looked at.
        for line in paragraph.split("\n", 12):
            if line.startswith("Package: "):
                name = line[9:]
            elif line.startswith("Status: "):
                state = line.rpartition(" ")[2]
            elif line.startswith("Version: "):
                version = line[9:]
        if not version:
            version = next((line[9:] for line in paragraph.split("\n") if line.startswith("Version: ")), "")
        if state in INSTALLED:
            installed[name] = version
        elif name and state not in GONE:
            installed[name] = ""
    return installed


def rpm(rows: str) -> dict[str, str]:
    """Packages in the output of ``rpm -qa --qf '%{NAME}\\t%{VERSION}-%{RELEASE}\\n'`` (rpm(8))."""
    return dict(line.split("\t", 1) for line in rows.splitlines() if "\t" in line)
