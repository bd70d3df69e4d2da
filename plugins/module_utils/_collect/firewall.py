# SPDX-License-Identifier: GPL-3.0-or-later
"""The packet filter as the kernel has it, and the ports that ufw's own files open."""

from __future__ import annotations

import json
import re
import typing as t

from .command import Command, CommandError, read
from .loopback import loopback
from .packet_rules import Opening, Rules, elements_of, expanded, jumps, with_elements, with_words
from .section import Reader, Section
from .ufw_files import stored

UFW_SETTINGS = ("/etc/default/ufw", "/etc/ufw/ufw.conf")
UFW_RULES = ("/etc/ufw/user.rules", "/etc/ufw/user6.rules")
# What prints the matches of iptables, by nft's name of the family (xtables-nft(8)).
SAVE = {"ip": "iptables-nft-save", "ip6": "ip6tables-nft-save"}
ADDRESSES = "/proc/net/if_inet6"
# Tables that the old interface holds are invisible to nft.
LEGACY = ("/proc/net/ip_tables_names", "/proc/net/ip6_tables_names")


class Firewall(Reader):
    """Base chains with what they come to, and the settings of the tools that write them.

    Items: ``chains`` (family, table, name, type, hook, policy, ``jumps`` to other chains, whether what is not ufw's
    ``accepts`` or ``refuses`` something, and whether the chain is ``open``: what it accepts leaves its policy nothing), whether the host
    has addresses of ``ipv6``, ``legacy`` tables, ``loopback`` (see there), ``ufw`` (its settings), ``stored`` (by hook the files by which
    ufw's next start accepts everything), ``rules`` (ports that ufw decides on for everybody, in order), and ``zone`` of firewalld.
    """

    def __init__(self, request: None = None) -> None:
        super().__init__(request)
        self.command = Command("nft", "-j", "list", "ruleset")
        self.zone = Command("firewall-cmd", "--list-all")

    def read(self) -> Section:
        left_out: dict[str, str] = {}
        entries: list[dict[str, t.Any]] = []
        if self.command.installed:
            entries = json.loads(self.command.output())["nftables"]
        legacy = [name for path in LEGACY for name in (read(path) or "").split()]
        rules = _rules(entries, left_out)
        bases = [entry["chain"] for entry in entries if "hook" in entry.get("chain", {})]
        items: dict[str, t.Any] = {
            "installed": self.command.installed,
            "chains": [_base_chain(chain, rules) for chain in bases],
            "ipv6": bool(read(ADDRESSES)),
            "legacy": sorted(set(legacy)),
            "loopback": loopback(bases, rules),
            "ufw": {name: value for path in UFW_SETTINGS for name, value in _assignments(read(path) or "")},
            "stored": stored(left_out),
            "rules": ufw_rules("".join(read(path) or "" for path in UFW_RULES)),
        }
        if self.zone.installed:
            try:
                items["zone"] = zone(self.zone.text())
            except CommandError as exc:
                left_out["firewalld"] = str(exc)
        return Section(items, left_out)


def _rules(entries: list[dict[str, t.Any]], left_out: dict[str, str]) -> Rules:
    """The rules of each chain, those of iptables with what nft does not show of them."""
    rules: Rules = {}
    named: dict[tuple[str, str], dict[str, list[t.Any]]] = {}
    for one in (entry[kind] for entry in entries for kind in ("set", "map") if kind in entry):
        named.setdefault((one["family"], one["table"]), {})[one["name"]] = elements_of(one)
    for rule in (entry["rule"] for entry in entries if "rule" in entry):
        steps = with_elements(rule["expr"], named.get((rule["family"], rule["table"]), {}))
        rules.setdefault((rule["family"], rule["table"], rule["chain"]), []).append(steps)
    of_iptables = {place[0] for place, listed in rules.items() for rule in listed for step in rule if "xt" in step}
    saved = {family: Command(SAVE[family], "-t", "filter") for family in sorted(of_iptables & SAVE.keys())}
    outputs = {}
    for family, command in saved.items():
        try:
            outputs[family] = command.text()
        except CommandError as exc:
            left_out[command.argv[0]] = str(exc)
    for family, table, chain in with_words(rules, outputs):
        left_out[f"chain {chain} of table {family} {table}"] = "conditions of iptables that nft does not show"
    return {place: [one for rule in listed for one in expanded(rule)] for place, listed in rules.items()}


def _base_chain(chain: dict[str, t.Any], rules: Rules) -> dict[str, t.Any]:
    place = (chain["family"], chain["table"], chain["name"])
    targets = jumps(rules.get(place, []))
    reached, todo = {place}, [place]
    while todo:
        for target in jumps(rules.get(todo.pop(), [])):
            other = (place[0], place[1], target)
            if not target.startswith("ufw") and other not in reached:
                reached.add(other)
                todo.append(other)
    steps = [step for one in reached for rule in rules.get(one, []) for step in rule]
    kept = {key: chain.get(key) for key in ("family", "table", "name", "type", "hook", "policy")}
    return {
        **kept,
        "jumps": targets,
        "accepts": any("accept" in step for step in steps),
        "refuses": any("drop" in step or "reject" in step for step in steps),
        "open": Opening(rules).lets_all_in(place),
    }


def _assignments(text: str) -> list[tuple[str, str]]:
    return re.findall(r"^\s*([A-Z0-9_]+)=[\"']?([^\"'\s#]*)", text, re.MULTILINE)


def ufw_rules(text: str) -> list[dict[str, t.Any]]:
    """Ports that ufw decides on for everybody, in order.

    Its files note each rule as a tuple: action, protocol, port, to, port, from, the application, and the direction,
    with the interface where it is for one only.
    """
    decided = []
    for action, protocol, port, to, source_port, source, rest in re.findall(
        r"^### tuple ### (\S+) (\S+) (\S+) (\S+) (\S+) (\S+)(.*)$", text, re.MULTILINE
    ):
        words = [word for word in rest.split() if not word.startswith("comment=")]
        anywhere = {to, source} <= {"0.0.0.0/0", "::/0"} and source_port == "any" and words[-1:] == ["in"]
        if not anywhere or action.startswith("route:"):
            continue
        for one in port.split(","):
            first, _mark, last = ("0", ":", "65535") if one == "any" else one.partition(":")
            decided.append(
                {"action": action.split("_")[0], "protocol": protocol, "first": int(first), "last": int(last or first)}
            )
    return decided


def zone(text: str) -> dict[str, t.Any]:
    """The default zone as `firewall-cmd --list-all` shows it (firewall-cmd(1))."""
    lines = text.splitlines()
    fields = dict(line.strip().split(":", 1) for line in lines[1:] if ":" in line)
    return {
        "name": lines[0].split()[0] if lines else "",
        "target": fields.get("target", "").strip(),
        "services": fields.get("services", "").split(),
        "ports": fields.get("ports", "").split(),
        "interfaces": fields.get("interfaces", "").split(),
    }
