# SPDX-License-Identifier: GPL-3.0-or-later
"""What sudo(8) itself lists for an account (``sudo -ll -U``): for hosts without cvtsudoers(1), and for what only a directory service knows."""

from __future__ import annotations

import re
import typing as t

Entry = dict[str, t.Any]
# An option ends at a comma that is neither quoted nor escaped.
_OPTION = re.compile(r'(?:"(?:\\.|[^"\\])*"|\\.|[^,"\\])+')
_SETTING = re.compile(r"(!?)([\w]+)\s*(?:[+-]?=\s*(.*))?", re.DOTALL)
_BOUND = re.compile(r"Defaults([!>])(.+?) (\S.*?)(?=\s{4}Defaults[!>]|$)", re.MULTILINE)
_SOURCE = re.compile(r"^(?:Sudoers entry|LDAP Role|SSSD Role):[ \t]*(.*)$", re.MULTILINE)
_SCOPES = {"!": "command", ">": "runas"}


class Listing(t.NamedTuple):
    """What holds for one account on this host.

    Attributes:
        options: the last value of each of its Defaults by name, ``no`` where it is switched off.
        bound: Defaults for target users or commands, as `sudo` has them.
        rules: what it may run, as `sudo` has it.
    """

    options: dict[str, str]
    bound: list[Entry]
    rules: list[Entry]


def parse(user: str, text: str) -> Listing:
    """What `sudo -ll -U USER` printed in the C locale; nothing where the account may not run sudo."""
    matching = re.search(r"^Matching Defaults entries for .*:\n((?:[ \t]+\S.*\n?)+)", text, re.MULTILINE)
    bound = re.search(r"^Runas and Command-specific defaults for .*:\n((?:[ \t]+\S.*\n?)+)", text, re.MULTILINE)
    entries = [
        {"scope": _SCOPES[mark], "for": [names], **setting, "source": ""}
        for mark, names, written in (_BOUND.findall(bound[1]) if bound else ())
        for setting in settings(written)
    ]
    options = {one["name"]: one["value"] for one in settings(matching[1])} if matching else {}
    _head, *blocks = _SOURCE.split(text)
    return Listing(options, entries, [_rule(user, *pair) for pair in zip(blocks[::2], blocks[1::2])])


def settings(written: str) -> list[dict[str, str]]:
    """Options of a Defaults line, by name and value (sudoers(5))."""
    made = []
    for option in _OPTION.findall(written):
        if setting := _SETTING.fullmatch(option.strip()):
            off, name, value = setting.groups()
            value = "no" if off else "yes" if value is None else re.sub(r"\\(.)", r"\1", value.strip().strip('"'))
            made.append({"name": name, "value": value})
    return made


def _rule(user: str, source: str, block: str) -> Entry:
    fields = dict(re.findall(r"^\s+(RunAsUsers|Options):[ \t]*(.*)$", block, re.MULTILINE))
    commands = block.partition("Commands:")[2].partition("\n\n")[0]
    options = {one["name"]: one["value"] == "yes" for one in settings(fields.get("Options", ""))}
    return {
        "users": [user],
        "hosts": ["ALL"],
        "runas": [name.strip() for name in fields.get("RunAsUsers", "").split(",") if name.strip()],
        "commands": [line.strip() for line in commands.splitlines() if line.strip()],
        "authenticate": options.get("authenticate"),
        "source": source.strip(),
    }


def merged(listings: t.Mapping[str, Listing]) -> tuple[list[Entry], list[Entry]]:
    """Defaults and rules of several accounts: what not all of them have holds for nobody in general."""
    able = {user: one for user, one in listings.items() if one.options or one.rules}
    first = next(iter(able.values()), Listing({}, [], []))
    common = {name: value for name, value in first.options.items() if all(name in one.options for one in able.values())}
    defaults = [{"scope": "", "for": [], "name": name, "value": value, "source": ""} for name, value in common.items()]
    for user, one in able.items():
        defaults += [
            {"scope": "user", "for": [user], "name": name, "value": value, "source": ""}
            for name, value in one.options.items()
            if common.get(name) != value
        ]
    bound = [entry for one in able.values() for entry in one.bound]
    defaults += [entry for place, entry in enumerate(bound) if entry not in bound[:place]]
    return defaults, [rule for one in able.values() for rule in one.rules]
