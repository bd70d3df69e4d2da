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
    release = os_release(read("/etc/os-release") or read("/usr/lib/os-release") or "")
    system = os.uname()
    return {
        "os": release.get("ID", "unknown"),
        "version": release.get("VERSION_ID", "unknown"),
        "name": release.get("PRETTY_NAME", "unknown"),
        "like": release.get("ID_LIKE", ""),
        "architecture": system.machine,
        "kernel": system.release,
        "hostname": system.nodename,
        "container": in_container(),
        "uid": os.geteuid(),
        "fips": (read("/proc/sys/crypto/fips_enabled") or "0").strip() == "1",
    }


def os_release(content: str) -> dict[str, str]:
    """os-release(5): shell-like assignments, quoted or not."""
    release = {}
    for line in content.splitlines():
        key, mark, value = line.strip().partition("=")
        if mark and not key.startswith("#"):
            release[key] = value.strip().strip("\"'")
    return release


def in_container() -> bool:
    """Whether systemd, or what started the first process, says that this is a container (systemd's container interface)."""
    try:
        environment = (read("/proc/1/environ") or "").split("\0")
    except PermissionError:  # not root: the evidence says so, and is refused for that
        environment = []
    return os.path.exists("/run/systemd/container") or any(entry.startswith("container=") for entry in environment)


def kernel_arguments() -> dict[str, list[str]]:
    """The kernel's command line, the values of each argument in order; in a container its first process's."""
    path, separator = ("/proc/1/cmdline", "\0") if in_container() else ("/proc/cmdline", None)
    arguments: dict[str, list[str]] = {}
    for word in (read(path) or "").split(separator):
        name, _mark, value = word.partition("=")
        arguments.setdefault(name.replace("-", "_"), []).append(value.strip('"'))
    return arguments
