# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration files of keys and values, merged as the program that reads them merges them."""

from __future__ import annotations

from .command import read
from .paths import precedence
from .section import Reader, Section

SYSTEMD = {
    "journald": "journald.conf",
    "coredump": "coredump.conf",
    "timesyncd": "timesyncd.conf",
}
SINGLE = {
    "faillock": "/etc/security/faillock.conf",
    "pwhistory": "/etc/security/pwhistory.conf",
    "auditd": "/etc/audit/auditd.conf",
    "ufw": "/etc/default/ufw",
    "ufw_main": "/etc/ufw/ufw.conf",
    "useradd": "/etc/default/useradd",
}
Values = dict[str, dict[str, str]]


def parse(path: str, found: Values, *, separator: str = "=") -> None:
    """Add a file's settings to FOUND; a key without a value counts as "yes"."""
    for line in (read(path) or "").splitlines():
        line = line.strip()
        if not line or line[0] in "#;[":
            continue
        key, _mark, value = line.partition(separator) if separator == "=" else _words(line)
        found[key.strip()] = {"value": value.strip().strip('"') if value.strip() else "yes", "source": path}


def _words(line: str) -> tuple[str, str, str]:
    key, *rest = line.split(None, 1)
    return key, " ", rest[0] if rest else ""


def systemd(name: str) -> Values:
    found: Values = {}
    main = next((path for path in (f"/etc/systemd/{name}", f"/usr/lib/systemd/{name}") if read(path) is not None), "")
    if main:
        parse(main, found)
    directories = tuple(f"{base}/systemd/{name}.d" for base in ("/etc", "/run", "/usr/local/lib", "/usr/lib"))
    for path in precedence(directories, ".conf"):
        parse(path, found)
    return found


class Settings(Reader):
    def read(self) -> Section:
        return Section(config())


def config() -> dict[str, object]:
    found: dict[str, object] = {name: systemd(file) for name, file in SYSTEMD.items()}
    for name, path in SINGLE.items():
        settings: Values = {}
        parse(path, settings)
        found[name] = settings
    quality: Values = {}
    for path in (*precedence(("/etc/security/pwquality.conf.d",), ".conf"), "/etc/security/pwquality.conf"):
        parse(path, quality)
    found["pwquality"] = quality
    definitions: Values = {}
    parse("/etc/login.defs", definitions, separator=" ")
    found["login_defs"] = definitions
    return found
