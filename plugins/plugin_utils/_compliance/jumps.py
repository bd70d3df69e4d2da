# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts are reached through another: what arguments of ssh(1) say of jumps (ssh_config(5), ProxyJump and ProxyCommand)."""

from __future__ import annotations

import posixpath
import shlex
import typing as t

VARIABLES = ("ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args")


def through(arguments: t.Iterable[object]) -> set[str]:
    """Hosts, in lower case and without user and port, that a login with these arguments goes through.

    Args:
        arguments: texts as they stand in an inventory; what is none, or does not split into words, names nobody.
    """
    named: set[str] = set()
    for words in map(_words, arguments):
        for word, following in zip(words, [*words[1:], ""]):
            if word == "-J":
                named |= _jumps(following)
            elif word.startswith("-J"):
                named |= _jumps(word[2:])
            elif word == "-o":
                named |= _option(following)
            elif word.startswith("-o"):
                named |= _option(word[2:])
    return named - {"none", ""}


def reached_through(names: t.Collection[str], hosts: t.Mapping[str, t.Mapping[str, t.Any]]) -> tuple[str, ...]:
    """The hosts of an inventory whose logins go through one of NAMES.

    Args:
        hosts: each host's variables.
    """
    own = {name.lower() for name in names if name}
    return tuple(name for name, variables in hosts.items() if through(variables.get(one) for one in VARIABLES) & own)


def _words(argument: object) -> list[str]:
    try:
        return shlex.split(str(argument)) if argument else []
    except ValueError:
        return []


def _option(text: str) -> set[str]:
    keyword, _mark, value = text.replace("=", " ", 1).strip().partition(" ")
    if keyword.lower() == "proxyjump":
        return _jumps(value.strip())
    if keyword.lower() == "proxycommand":
        words = _words(value)
        if any(posixpath.basename(word) == "ssh" for word in words):
            return {_host(word) for word in words if not word.startswith("-")} | through([value])
    return set()


def _jumps(text: str) -> set[str]:
    return {_host(one) for one in text.split(",")}


def _host(destination: str) -> str:
    """``[ssh://][user@]host[:port]`` without all but the host (ssh(1))."""
    place = destination.strip().removeprefix("ssh://").rpartition("@")[2].rstrip("/").lower()
    if place.startswith("["):
        return place[1:].partition("]")[0]
    return place.partition(":")[0] if place.count(":") == 1 else place
