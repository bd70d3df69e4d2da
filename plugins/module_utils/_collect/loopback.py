# SPDX-License-Identifier: GPL-3.0-or-later
"""What the loaded packet filter does with the loopback interface, and with its addresses where they come in elsewhere."""

from __future__ import annotations

import functools
import typing as t

from .packet_rules import Rules, Step, fate

FAMILIES = {"ip": {"prefix": {"addr": "127.0.0.0", "len": 8}}, "ip6": "::1"}
_INTERFACES = {"iifname": "in", "iif": "in", "oifname": "out", "oif": "out"}
# Statements that let on only a part of what they meet (libnftables-json(5)).
_SOMETIMES = {"limit", "quota", "ct count"}


def loopback(chains: t.Iterable[t.Mapping[str, t.Any]], rules: Rules) -> dict[str, dict[str, bool]]:
    """By family of addresses whether a chain accepts what comes ``in`` and goes ``out`` over ``lo``, and ``refuses`` what pretends to.

    Args:
        chains: base chains (libnftables-json(5)), of which only those of tables named ``filter`` count: what writes iptables' rules fills these.
    """
    bases = {
        (chain["family"], chain["hook"]): (chain["family"], chain["table"], chain["name"])
        for chain in chains
        if chain["table"] == "filter" and chain["type"] == "filter"
    }

    def word(family: str, hook: str, packet: dict[str, bool]) -> str:
        place = bases.get((family, hook))
        return fate(place, rules, functools.partial(_matches, family, packet)) if place else ""

    return {
        family: {
            "in": word(family, "input", {"in": True, "source": True}) == "accept",
            "out": word(family, "output", {"out": True}) == "accept",
            "refuses": word(family, "input", {"in": False, "source": True}) == "drop",
        }
        for family in FAMILIES
    }


def _matches(family: str, packet: t.Mapping[str, bool], step: Step) -> bool:
    """Whether a step of a rule lets the packet on for sure."""
    if "xt" in step:
        return bool(step["xt"] and step["xt"].get("type") == "target")
    if "match" not in step:
        return not _SOMETIMES & step.keys()
    match = step["match"]
    equal, left, right = match.get("op") in ("==", "in"), match.get("left", {}), match.get("right")
    interface = _INTERFACES.get(str((left.get("meta") or {}).get("key")))
    if interface:
        return right == "lo" and interface in packet and packet[interface] is equal
    if left == {"payload": {"protocol": family, "field": "saddr"}}:
        return equal and right == FAMILIES[family] and packet.get("source", False)
    return False
