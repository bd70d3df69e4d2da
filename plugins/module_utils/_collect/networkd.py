# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel parameters that systemd-networkd sets when it starts or brings up an interface: after systemd-sysctl, over what that has set.

Of the settings of systemd.network(5) and networkd.conf(5) those that rules on kernel parameters speak of.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import typing as t

from .configuration import drop_ins, logical_lines, texts
from .settings import SYSTEMD_BASES, boolean

DIRECTORIES = tuple(f"{base}/network" for base in SYSTEMD_BASES)
# Links by which a boot starts it, those of generators (netplan's) among them; and what it keeps while it runs.
SIGNS = (
    "/etc/systemd/system/*.wants/systemd-networkd.*",
    "/run/systemd/*/*.wants/systemd-networkd.*",
    "/usr/lib/systemd/system/*.wants/systemd-networkd.*",
    "/run/systemd/netif/state",
)
FAMILIES = {
    "IPForward": ("ipv4", "ipv6"),
    "IPv4Forwarding": ("ipv4",),
    "IPv6Forwarding": ("ipv6",),
    "IPMasquerade": ("ipv4",),
}
FAMILY_WORDS = {"ipv4": ("ipv4",), "ipv6": ("ipv6",), "both": ("ipv4", "ipv6")}
FILTER = {"no": "0", "strict": "1", "loose": "2"}


class Setting(t.NamedTuple):
    """A ``key`` with its ``value`` in ``section`` of the file ``source``."""

    section: str
    key: str
    value: str
    source: str


class Parameter(t.NamedTuple):
    """What a path below /proc/sys gets, by which key of which file."""

    value: str
    source: str
    written: str


def parameters(interfaces: t.Iterable[str], left_out: dict[str, str]) -> dict[str, Parameter]:
    """By path below /proc/sys what networkd will set for those INTERFACES and for all; empty where nothing starts it.

    An interface gets the first file that matches it, and may get those before it of which that cannot be told here. What lets packets on
    for any interface counts for all: until systemd 256 it did.
    """
    if not any(glob.glob(sign) for sign in SIGNS):
        return {}
    made: dict[str, Parameter] = {}
    mains = drop_ins(*(f"{base}/networkd.conf.d" for base in SYSTEMD_BASES))
    main = next((path for base in SYSTEMD_BASES if os.path.lexists(path := f"{base}/networkd.conf")), "")
    _forwarding(_settings([*([main] if main else []), *mains], left_out), made)
    networks = [_network(path, left_out) for path in drop_ins(*DIRECTORIES, suffix=".network")]
    for interface in interfaces:
        for settings in networks:
            fits = _fits([one for one in settings if one.section == "Match"], interface)
            if fits is False:
                continue
            _forwarding(settings, made)
            for one in settings:
                if (one.section, one.key) == ("Network", "IPv4ReversePathFilter") and one.value in FILTER:
                    path = f"net/ipv4/conf/{interface}/rp_filter"
                    made[path] = Parameter(FILTER[one.value], one.source, one.key)
            if fits:
                break
    return made


def _network(path: str, left_out: dict[str, str]) -> list[Setting]:
    directories = [f"{base}/{os.path.basename(path)}.d" for base in DIRECTORIES]
    return _settings([path, *drop_ins(*directories)], left_out)


def _settings(paths: list[str], left_out: dict[str, str]) -> list[Setting]:
    """The settings of files in their order, without those that an empty value takes back (systemd.syntax(7))."""
    made: list[Setting] = []
    for path, content in texts(paths, left_out).items():
        section = ""
        for line in logical_lines(content, "#;"):
            if line.startswith("["):
                section = line.strip("[]")
                continue
            key, mark, value = (part.strip() for part in line.partition("="))
            if mark and not value:
                made = [one for one in made if (one.section, one.key) != (section, key)]
            elif mark:
                made.append(Setting(section, key, value, path))
    return made


def _fits(criteria: t.Sequence[Setting], interface: str) -> bool | None:
    """Whether a file is for an interface, by its name; None where other criteria decide, too."""
    patterns = [word for one in criteria if one.key == "Name" for word in one.value.split()]
    if patterns:
        turned = patterns[0].startswith("!")
        patterns[0] = patterns[0].lstrip("!")
        if any(fnmatch.fnmatchcase(interface, pattern) for pattern in patterns) is turned:
            return False
    return None if any(one.key != "Name" for one in criteria) else True


def _forwarding(settings: t.Iterable[Setting], made: dict[str, Parameter]) -> None:
    """Add what settings let packets on by; the last word of a key counts."""
    last = {one.key: one for one in settings if one.section == "Network"}
    for key, families in FAMILIES.items():
        word = boolean(last[key].value) if key in last else "no"
        for family in families if word == "yes" else FAMILY_WORDS.get(word, ()):
            made.setdefault(f"net/{family}/conf/all/forwarding", Parameter("1", last[key].source, key))
