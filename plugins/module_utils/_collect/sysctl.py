# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel parameters: what is live, and what the files on disk ask for at the next boot.

Items: by key ``{live, disk, source, written, ufw, interfaces}``. ``disk`` is what systemd-sysctl(8), or systemd-networkd after it, will set,
``source`` and ``written`` the file and the key as it stands there; ``ufw`` the same three and ``enabled`` where ufw's file names the key, else
None: it is loaded only while ufw is enabled; ``interfaces`` the live and stored values of every network interface, for keys of ``all`` and ``default``,
for ``accept_ra`` with ``advertised``, whether the kernel has an address or a route of it from a router's advertisement.
"""

from __future__ import annotations

import fnmatch
import os
import re
import typing as t

from . import networkd
from .configuration import drop_ins, text, texts
from .section import Reader, Section
from .settings import shell

DIRECTORIES = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d")
# systemd-sysctl(8), CREDENTIALS: read after all files, the first of these that is there (systemd.exec(5), ImportCredential=).
CREDENTIALS = tuple(
    f"{directory}/sysctl.extra"
    for directory in (
        "/run/credentials/@system",
        "/etc/credstore",
        "/run/credstore",
        "/usr/local/lib/credstore",
        "/usr/lib/credstore",
    )
)
# ufw(8) loads the file that IPT_SYSCTL names each time it starts.
UFW_MAIN, UFW_DEFAULTS = "/etc/ufw/ufw.conf", "/etc/default/ufw"
# ipv6_route.h: made by the kernel of an advertisement (RTF_ADDRCONF); what for: RTF_DEFAULT, RTF_PREFIX_RT (with an address), RTF_ROUTEINFO.
ADVERTISED, PURPOSES = 0x40000, 0x10000 | 0x80000 | 0x800000
NO_INTERFACES = frozenset(("all", "default", "lo"))
# Two names of one variable in the kernel (net/ipv4/devinet.c).
ALIASES = {"net/ipv4/ip_forward": "net/ipv4/conf/all/forwarding"}

WILDCARDS = re.compile(r"[*?[]")


class Assignment(t.NamedTuple):
    """What a line asks for. ``value`` is None for a line that only keeps globs away from a key (``-key``)."""

    value: str | None
    source: str
    written: str


Assignments = t.Dict[str, Assignment]


class Parameters(Reader):
    """Args: request: keys, with dots."""

    def read(self) -> Section:
        left_out: dict[str, str] = {}
        assignments: Assignments = {}
        credential = [path for path in CREDENTIALS if os.path.exists(path)][:1]
        for path, content in texts([*drop_ins(*DIRECTORIES), *credential], left_out).items():
            merge(content, path, assignments, left_out)
        by_networkd = networkd.parameters(sorted(set(_listed("/proc/sys/net/ipv4/conf")) - NO_INTERFACES), left_out)
        # It names what it sets, and comes last: no line of a file wins over it.
        assignments.update({path: Assignment(*given) for path, given in by_networkd.items()})
        ufw, enabled = ufw_assignments(left_out)
        return Section({key: parameter(key, assignments, ufw, enabled=enabled) for key in self.request}, left_out)


def normalised(key: str) -> str:
    """A key as a path below /proc/sys: where a dot comes first, dots and slashes change places (sysctl.d(5))."""
    separator = re.search(r"[./]", key)
    path = key.translate(str.maketrans("./", "/.")) if separator and separator[0] == "." else key
    return ALIASES.get(path, path)


def merge(content: str, path: str, assignments: Assignments, left_out: dict[str, str]) -> None:
    """Add a file's lines to ASSIGNMENTS, in the order in which systemd-sysctl will carry them out."""
    for line in content.splitlines():
        line = line.strip()
        if not line or line[0] in "#;":
            continue
        key, mark, value = (part.strip() for part in line.partition("="))
        if not mark and not key.startswith("-"):
            continue  # no assignment: systemd-sysctl passes over it too
        key = key[1:].strip() if key.startswith("-") else key
        if "{" in key:
            left_out[path] = f"'{key}' is a pattern with braces, which is not followed here"
            continue
        name = normalised(key)
        if mark and name in assignments and assignments[name].value == value:
            continue  # systemd keeps the earlier place in the order
        assignments.pop(name, None)
        assignments[name] = Assignment(value if mark else None, path, key)


def stored(name: str, assignments: Assignments) -> Assignment | None:
    """What will be set for a path below /proc/sys: a line that names it wins over every glob, else the last glob."""
    if name in assignments:
        return assignments[name] if assignments[name].value is not None else None
    matching = [a for pattern, a in assignments.items() if a.value is not None and matches(name, pattern)]
    return matching[-1] if matching else None


def matches(name: str, pattern: str) -> bool:
    """glob(7): a wildcard does not cross a slash."""
    if not WILDCARDS.search(pattern):
        return False
    parts, patterns = name.split("/"), pattern.split("/")
    return len(parts) == len(patterns) and all(fnmatch.fnmatchcase(part, one) for part, one in zip(parts, patterns))


def ufw_assignments(left_out: dict[str, str]) -> tuple[Assignments, bool]:
    """What ufw's file sets, and whether ufw is enabled."""
    enabled = shell(text(UFW_MAIN, left_out) or "", "").get("ENABLED", {}).get("value", "no").lower() == "yes"
    path = shell(text(UFW_DEFAULTS, left_out) or "", "").get("IPT_SYSCTL", {}).get("value", "")
    assignments: Assignments = {}
    if path:
        merge(text(path, left_out) or "", path, assignments, left_out)
    return assignments, enabled


def live(name: str) -> str | None:
    try:
        with open(f"/proc/sys/{name}", encoding="ascii", errors="replace") as handle:
            return " ".join(handle.read().split()) or None
    except OSError:
        return None  # absent; and a few keys exist but refuse to be read


def parameter(key: str, assignments: Assignments, ufw: Assignments, *, enabled: bool) -> dict[str, object]:
    name = normalised(key)
    by_ufw = stored(name, ufw)
    interfaces: dict[str, dict[str, object]] = {}
    scope = re.fullmatch(r"(net/ipv[46]/conf)/(?:all|default)/(\w+)", name)
    if scope:
        for interface in sorted(set(_listed(f"/proc/sys/{scope[1]}")) - {"all", "default"}):
            own = f"{scope[1]}/{interface}/{scope[2]}"
            interfaces[interface] = {"live": live(own), **_shown(stored(own, assignments))}
            if scope[2] == "accept_ra":
                interfaces[interface]["advertised"] = interface in advertised()
    return {
        "live": live(name),
        **_shown(stored(name, assignments)),
        "ufw": {**_shown(by_ufw), "enabled": enabled} if by_ufw else None,
        "interfaces": interfaces,
    }


def advertised(path: str = "/proc/net/ipv6_route") -> frozenset[str]:
    """Interfaces with a route, or an address and so the route of its prefix, that the kernel has from a router's advertisement."""
    try:
        with open(path, encoding="ascii") as handle:
            routes = [line.split() for line in handle]
    except OSError:
        return frozenset()
    flags = [(route[9], int(route[8], 16)) for route in routes]
    return frozenset(name for name, bits in flags if bits & ADVERTISED and bits & PURPOSES)


def _shown(assignment: Assignment | None) -> dict[str, str | None]:
    if assignment is None:
        return {"disk": None, "source": None, "written": None}
    return {"disk": assignment.value, "source": assignment.source, "written": assignment.written}


def _listed(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except OSError:
        return []
