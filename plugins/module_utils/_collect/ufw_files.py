# SPDX-License-Identifier: GPL-3.0-or-later
"""What ufw will load at its next start: its files are input of iptables-restore(8), read here into the form of `packet_rules`."""

from __future__ import annotations

import ipaddress
import os
import shlex
import typing as t

from .configuration import text
from .packet_rules import Opening, Rule, Rules, Step

DIRECTORY = "/etc/ufw"
HOOKS = ("input", "output", "forward")
FAMILIES = {"ip": "", "ip6": "6"}
"""What stands behind ``ufw`` in the names of a family's chains, and behind the first word in those of its files."""
ORDER = ("before", "user", "after")
SCRIPTS = ("before.init", "after.init")
"""Programs that ufw runs when it starts, if they are executable (ufw-framework(8))."""
VERDICTS = {"ACCEPT": "accept", "DROP": "drop", "REJECT": "reject", "RETURN": "return"}
# Options of a line by their short or only name (iptables(8)); extensions have others, which stay words.
LONG = {
    "--jump": "-j", "--goto": "-j", "-g": "-j", "--protocol": "-p", "--in-interface": "-i", "--out-interface": "-o", "--match": "-m",
    "--source": "-s", "--destination": "-d", "--destination-port": "--dport", "--source-port": "--sport",
}  # fmt: skip
INTERFACES = {"-i": "iifname", "-o": "oifname"}
ADDRESSES = {"-s": "saddr", "-d": "daddr"}
PORTS = {"--dport": "dport", "--sport": "sport"}
VALUED = frozenset(("-j", "-p", "-m", *INTERFACES, *ADDRESSES, *PORTS))


def stored(left_out: dict[str, str]) -> dict[str, list[str]]:
    """By hook the files whose rules leave the policy nothing to decide on; LEFT_OUT gets the scripts that ufw runs."""
    opening: dict[str, list[str]] = {hook: [] for hook in HOOKS}
    for family, number in FAMILIES.items():
        paths = {name: f"{DIRECTORY}/{name}{number}.rules" for name in ORDER}
        files = {name: rules_of(text(path, left_out) or "", family) for name, path in paths.items()}
        for hook in HOOKS:
            rules: Rules = {}
            base = (family, "filter", "stored")
            for name in ORDER:
                rules.update(files[name])
                chains = (hook.upper(), f"ufw{number}-{name}-{hook}")
                rules.setdefault(base, []).extend([{"jump": {"target": chain}}] for chain in chains)
                if Opening(rules).lets_all_in(base):
                    opening[hook].append(paths[name])
                    break
    for name in SCRIPTS:
        if os.access(f"{DIRECTORY}/{name}", os.X_OK):
            left_out[f"{DIRECTORY}/{name}"] = "ufw runs it at each start: what it does to the rules was not looked at"
    return opening


def rules_of(content: str, family: str) -> Rules:
    """Rules of the table ``filter`` by chain."""
    rules: Rules = {}
    table = ""
    for line in content.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        command, *rest = line.split(None, 2) or [""]
        if table == "filter" and command in ("-A", "-I") and len(rest) == 2:
            rules.setdefault((family, "filter", rest[0]), []).append(rule(rest[1], family))
    return rules


def rule(words: str, family: str) -> Rule:
    """A line of iptables-restore's as nft would show it; matches of extensions keep the WORDS (`packet_rules.with_words`)."""
    made: Rule = []
    protocol, negated = "tcp", False
    try:
        options = iter(shlex.split(words))
    except ValueError:
        return []  # a quote that does not end: iptables-restore refuses the file
    for word in options:
        option = LONG.get(word, word)
        if option in VALUED:
            value = next(options, "")
            protocol = value if option == "-p" else protocol
            made += _step(option, value, family, protocol, words, op="!=" if negated else "==")
        negated = option == "!"
    return made


def _step(option: str, value: str, family: str, protocol: str, words: str, *, op: str) -> list[Step]:
    if option == "-j":
        return [{VERDICTS[value]: None} if value in VERDICTS else {"jump": {"target": value}}]
    if option == "-m":
        return [{"xt": {"type": "match", "name": value}, "words": words}]
    if option == "-p":
        return [] if value in ("all", "0") else [_match({"meta": {"key": "l4proto"}}, value, op)]
    if option in INTERFACES:
        return [_match({"meta": {"key": INTERFACES[option]}}, value, op)]
    if option in ADDRESSES:
        return [_match({"payload": {"protocol": family, "field": ADDRESSES[option]}}, _networks(value), op)]
    return [_match({"payload": {"protocol": protocol, "field": PORTS[option]}}, _ports(value), op)]


def _match(left: dict[str, t.Any], right: t.Any, op: str) -> Step:
    return {"match": {"op": op, "left": left, "right": right}}


def _ports(span: str) -> dict[str, t.Any]:
    first, mark, last = span.partition(":")
    if not (first + last).isdigit():
        return {"set": []}  # a service's name
    return {"set": [{"range": [int(first or 0), int(last or (65535 if mark else first))]}]}


def _networks(addresses: str) -> dict[str, t.Any]:
    networks = []
    for one in addresses.split(","):
        try:
            network = ipaddress.ip_network(one, strict=False)
        except ValueError:
            continue  # a host's name
        networks.append({"prefix": {"addr": str(network.network_address), "len": network.prefixlen}})
    return {"set": networks}
