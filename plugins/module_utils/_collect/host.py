# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host is, its packages and its units."""

from __future__ import annotations

import os

from .commands import Command, CommandError, read

FAMILIES = {
    "debian": "debian",
    "ubuntu": "debian",
    "rhel": "redhat",
    "rocky": "redhat",
    "almalinux": "redhat",
    "centos": "redhat",
    "fedora": "redhat",
}


def host() -> dict[str, object]:
    release = {}
    for line in (read("/etc/os-release") or read("/usr/lib/os-release") or "").splitlines():
        key, mark, value = line.partition("=")
        if mark:
            release[key] = value.strip().strip('"')
    system = os.uname()
    return {
        "os": release.get("ID", "unknown"),
        "version": release.get("VERSION_ID", "unknown"),
        "name": release.get("PRETTY_NAME", "unknown"),
        "family": FAMILIES.get(release.get("ID", ""), "unknown"),
        "architecture": system.machine,
        "kernel": system.release,
        "hostname": system.nodename,
        "container": os.path.exists("/run/.containerenv") or "container=" in (read("/proc/1/environ") or ""),
        "uid": os.geteuid(),
        "fips": (read("/proc/sys/crypto/fips_enabled") or "0").strip() == "1",
    }


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


class Units:
    """State of the units that rules speak of, from one call."""

    PROPERTIES = ("Id", "LoadState", "UnitFileState", "ActiveState")

    def __init__(self, names: list[str]) -> None:
        self.names = names
        options = [f"--property={','.join(self.PROPERTIES)}", "--"]
        self.command = Command("systemctl", "show", *options, *names) if names else None

    def collect(self) -> dict[str, dict[str, str]]:
        if self.command is None:
            return {}
        blocks = self.command.text().strip().split("\n\n")
        if len(blocks) != len(self.names):
            raise CommandError(f"systemctl described {len(blocks)} units of {len(self.names)}")
        found = {}
        for name, block in zip(self.names, blocks):
            facts = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
            found[name] = {
                "load": facts.get("LoadState", ""),
                "file": facts.get("UnitFileState", ""),
                "active": facts.get("ActiveState", ""),
            }
        return found
