# SPDX-License-Identifier: GPL-3.0-or-later
"""The packet filter as the kernel has it, and the ports that ufw's own files open."""

from __future__ import annotations

import json
import re
import typing as t

from .command import Command, CommandError, read
from .loopback import loopback
from .section import Reader, Section

# What names a packet's protocol in nft's words (libnftables-json(5)); iptables writes the last two.
PROTOCOLS = (
    {"meta": {"key": "l4proto"}},
    {"meta": {"key": "protocol"}},
    {"payload": {"protocol": "ip", "field": "protocol"}},
    {"payload": {"protocol": "ip6", "field": "nexthdr"}},
)
Place = tuple[str, str, str]
Rule = list[dict[str, t.Any]]
Rules = dict[Place, list[Rule]]
UFW_SETTINGS = ("/etc/default/ufw", "/etc/ufw/ufw.conf")
UFW_RULES = ("/etc/ufw/user.rules", "/etc/ufw/user6.rules")
# Tables that the old interface holds are invisible to nft.
LEGACY = ("/proc/net/ip_tables_names", "/proc/net/ip6_tables_names")


class Firewall(Reader):
    """Base chains with what they come to, and the settings of the tools that write them.

    Items: ``chains`` (family, table, name, type, hook, policy, ``jumps`` to other chains, whether what is not ufw's
    ``accepts`` or ``refuses`` something, and whether the chain is ``open``: what it accepts leaves its policy nothing),
    ``legacy`` tables, ``loopback`` (see there), ``ufw`` (its settings), ``rules`` (ports that ufw decides on for everybody, in order), and ``zone``
    of firewalld.
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
        rules: Rules = {}
        for rule in (entry["rule"] for entry in entries if "rule" in entry):
            rules.setdefault((rule["family"], rule["table"], rule["chain"]), []).append(rule["expr"])
        items: dict[str, t.Any] = {
            "installed": self.command.installed,
            "chains": [_base_chain(entry["chain"], rules) for entry in entries if "hook" in entry.get("chain", {})],
            "legacy": sorted(set(legacy)),
            "loopback": loopback(entries),
            "ufw": {name: value for path in UFW_SETTINGS for name, value in _assignments(read(path) or "")},
            "rules": ufw_rules("".join(read(path) or "" for path in UFW_RULES)),
        }
        if self.zone.installed:
            try:
                items["zone"] = zone(self.zone.text())
            except CommandError as exc:
                left_out["firewalld"] = str(exc)
        return Section(items, left_out)


def _base_chain(chain: dict[str, t.Any], rules: Rules) -> dict[str, t.Any]:
    place = (chain["family"], chain["table"], chain["name"])
    jumps = _jumps(rules.get(place, []))
    reached, todo = {place}, [place]
    while todo:
        for target in _jumps(rules.get(todo.pop(), [])):
            other = (place[0], place[1], target)
            if not target.startswith("ufw") and other not in reached:
                reached.add(other)
                todo.append(other)
    steps = [step for one in reached for rule in rules.get(one, []) for step in rule]
    kept = {key: chain.get(key) for key in ("family", "table", "name", "type", "hook", "policy")}
    return {
        **kept,
        "jumps": jumps,
        "accepts": any("accept" in step for step in steps),
        "refuses": any("drop" in step or "reject" in step for step in steps),
        "open": lets_all_in(place, rules, {place}),
    }


def lets_all_in(place: Place, rules: Rules, seen: set[Place]) -> bool:
    """Whether a chain, or one that it hands everything to, accepts new connections from anybody to any port."""
    for rule in rules.get(place, []):
        conditions = [step for step in rule if set(step) & {"match", "xt"}]
        if not all(_is_wide(step) for step in conditions):
            continue
        if any("accept" in step for step in rule):
            return True
        for target in _jumps([rule]):
            other = (place[0], place[1], target)
            if other not in seen:
                seen.add(other)
                if lets_all_in(other, rules, seen):
                    return True
        if not conditions and any({"drop", "reject", "return"} & set(step) for step in rule):
            return False
    return False


def _is_wide(step: dict[str, t.Any]) -> bool:
    """Whether a condition leaves out next to nobody: an interface other than the loopback, a protocol, new connections."""
    match = step.get("match", {})
    left, right = match.get("left", {}), match.get("right")
    if match.get("op") not in ("==", "in"):
        return False
    listed = right if isinstance(right, list) else [right]
    if left in PROTOCOLS:
        return bool({"tcp", "udp", "ip", "ip6"} & {str(one) for one in listed})
    if left == {"meta": {"key": "iifname"}} or left == {"meta": {"key": "iif"}}:
        return bool(right != "lo")
    return left == {"ct": {"key": "state"}} and "new" in listed


def _jumps(rules: list[Rule]) -> list[str]:
    return [
        step[verb]["target"]
        for rule in rules
        for step in rule
        for verb in ("jump", "goto")
        if isinstance(step.get(verb), dict)
    ]


def _assignments(text: str) -> list[tuple[str, str]]:
    return re.findall(r"^\s*([A-Z_]+)=[\"']?([^\"'\s#]*)", text, re.MULTILINE)


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
