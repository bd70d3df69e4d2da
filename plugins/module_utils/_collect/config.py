# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration files of keys and values, merged as the program that reads them merges them."""

from __future__ import annotations

import glob
import re

from .commands import read
from .files import precedence

# systemd: main file first, drop-ins override it. pwquality: drop-ins first, the main file overrides them.
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
Settings = dict[str, dict[str, str]]


def parse(path: str, found: Settings, *, separator: str = "=") -> None:
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


def systemd(name: str) -> Settings:
    found: Settings = {}
    main = next((path for path in (f"/etc/systemd/{name}", f"/usr/lib/systemd/{name}") if read(path) is not None), "")
    if main:
        parse(main, found)
    directories = tuple(f"{base}/systemd/{name}.d" for base in ("/etc", "/run", "/usr/local/lib", "/usr/lib"))
    for path in precedence(directories, ".conf"):
        parse(path, found)
    return found


def limits() -> dict[str, list[str]]:
    """Hard limits for everybody (``*``), by item, in the order in which pam_limits reads them."""
    found: dict[str, list[str]] = {}
    for path in ("/etc/security/limits.conf", *precedence(("/etc/security/limits.d",), ".conf")):
        for line in (read(path) or "").splitlines():
            words = line.split("#", 1)[0].split()
            if len(words) == 4 and words[0] == "*" and words[1] in ("hard", "-"):
                found.setdefault(words[2], []).append(words[3])
    return found


def shell() -> dict[str, list[dict[str, str]]]:
    """Every place that sets TMOUT or the umask for login shells, in the order in which bash reads them."""
    found: dict[str, list[dict[str, str]]] = {"TMOUT": [], "umask": []}
    paths = ["/etc/profile", "/etc/bash.bashrc", "/etc/bashrc", *sorted(glob.glob("/etc/profile.d/*.sh"))]
    patterns = {
        "TMOUT": r"^\s*(?:readonly\s+|export\s+|typeset\s+-\w+\s+)*TMOUT=(\d+)",
        "umask": r"^\s*umask\s+(\d{3,4})",
    }
    for path in paths:
        text = read(path) or ""
        for name, pattern in patterns.items():
            found[name] += [{"value": value, "source": path} for value in re.findall(pattern, text, re.MULTILINE)]
    return found


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


def config() -> dict[str, object]:
    found: dict[str, object] = {name: systemd(file) for name, file in SYSTEMD.items()}
    for name, path in SINGLE.items():
        settings: Settings = {}
        parse(path, settings)
        found[name] = settings
    quality: Settings = {}
    for path in (*precedence(("/etc/security/pwquality.conf.d",), ".conf"), "/etc/security/pwquality.conf"):
        parse(path, quality)
    found["pwquality"] = quality
    definitions: Settings = {}
    parse("/etc/login.defs", definitions, separator=" ")
    found["login_defs"] = definitions
    found["limits"] = limits()
    found["shell"] = shell()
    found["rsyslog"] = rsyslog()
    return found
