# SPDX-License-Identifier: GPL-3.0-or-later
"""What the loaded packet filter does with the loopback interface, and with its addresses where they come in elsewhere."""

from __future__ import annotations

import typing as t

Place = tuple[str, str, str]
Entry = dict[str, t.Any]
FAMILIES = {"ip": {"prefix": {"addr": "127.0.0.0", "len": 8}}, "ip6": "::1"}
_INTERFACES = {"iifname": "in", "iif": "in", "oifname": "out", "oif": "out"}


def loopback(entries: list[Entry]) -> dict[str, dict[str, bool]]:
    """By family of addresses whether a chain accepts what comes ``in`` and goes ``out`` over ``lo``, and ``refuses`` what pretends to.

    Args:
        entries: as libnftables-json(5) has them, of which only tables named ``filter`` count: what writes iptables' rules fills these.
    """
    rules: dict[Place, list[list[Entry]]] = {}
    for rule in (entry["rule"] for entry in entries if "rule" in entry):
        rules.setdefault((rule["family"], rule["table"], rule["chain"]), []).append(rule["expr"])
    bases = {
        (chain["family"], chain["hook"]): (chain["family"], chain["table"], chain["name"])
        for chain in (entry["chain"] for entry in entries if "hook" in entry.get("chain", {}))
        if chain["table"] == "filter" and chain["type"] == "filter"
    }
    return {
        family: {
            "in": _fate(bases.get((family, "input")), rules, {"in": True, "source": True}) == "accept",
            "out": _fate(bases.get((family, "output")), rules, {"out": True}) == "accept",
            "refuses": _fate(bases.get((family, "input")), rules, {"in": False, "source": True}) == "drop",
        }
        for family in FAMILIES
    }


def _fate(
    place: Place | None, rules: t.Mapping[Place, list[list[Entry]]], packet: dict[str, bool], depth: int = 0
) -> str:
    """The first word, accept or drop, of a rule that surely matches; empty where none does. What may match decides nothing."""
    if place is None or depth > 16:
        return ""
    for rule in rules.get(place, []):
        if not all(_matches(step, place[0], packet) for step in rule):
            continue
        for step in rule:
            if "accept" in step:
                return "accept"
            if {"drop", "reject"} & step.keys():
                return "drop"
            if "return" in step:
                return ""
            for verb in ("jump", "goto"):
                if isinstance(step.get(verb), dict):
                    word = _fate((place[0], place[1], step[verb]["target"]), rules, packet, depth + 1)
                    if word or verb == "goto":
                        return word
    return ""


def _matches(step: Entry, family: str, packet: dict[str, bool]) -> bool:
    """Whether a step of a rule lets the packet on for sure."""
    if "xt" in step:
        return bool(step["xt"] and step["xt"].get("type") == "target")
    if "match" not in step:
        return True
    match = step["match"]
    equal, left, right = match.get("op") in ("==", "in"), match.get("left", {}), match.get("right")
    interface = _INTERFACES.get(str((left.get("meta") or {}).get("key")))
    if interface:
        return right == "lo" and interface in packet and packet[interface] is equal
    if left == {"payload": {"protocol": family, "field": "saddr"}}:
        return equal and right == FAMILIES[family] and packet.get("source", False)
    return False
