# SPDX-License-Identifier: GPL-3.0-or-later
"""What the loaded packet filter does with the loopback interface, and with its addresses where they come in elsewhere."""

from __future__ import annotations

import functools
import typing as t

from .addresses import Span, spans
from .packet_rules import Rules, Step, fate

FAMILIES = {"ip": spans({"prefix": {"addr": "127.0.0.0", "len": 8}})[0], "ip6": spans("::1")[0]}
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

    def word(family: str, hook: str, source: Span | None, **interfaces: bool) -> str:
        place = bases.get((family, hook))
        return fate(place, rules, functools.partial(_matches, family, interfaces, source)) if place else ""

    return {
        family: {
            "in": word(family, "input", network, **{"in": True}) == "accept",
            "out": word(family, "output", None, out=True) == "accept",
            # A part of the network may fare otherwise than the rest.
            "refuses": all(
                word(family, "input", one, **{"in": False}) == "drop"
                for one in (network, *_parts(family, network, rules))
            ),
        }
        for family, network in FAMILIES.items()
    }


def _parts(family: str, network: Span, rules: Rules) -> set[Span]:
    """What rules speak of inside of a network."""
    steps = (step for listed in rules.values() for rule in listed for step in rule if "match" in step)
    written = [one for step in steps if _is_source(family, step) for one in spans(step["match"].get("right"))]
    return {part for one in written if (part := one.common(network))}


def _is_source(family: str, step: Step) -> bool:
    return bool(step["match"].get("left") == {"payload": {"protocol": family, "field": "saddr"}})


def _matches(family: str, interfaces: t.Mapping[str, bool], source: Span | None, step: Step) -> bool:
    """Whether a step of a rule lets the packet on for sure."""
    if "xt" in step:
        return bool(step["xt"] and step["xt"].get("type") == "target")
    if "match" not in step:
        return not _SOMETIMES & step.keys()
    match = step["match"]
    equal, left, right = match.get("op") in ("==", "in"), match.get("left", {}), match.get("right")
    interface = _INTERFACES.get(str((left.get("meta") or {}).get("key")))
    if interface:
        return right == "lo" and interface in interfaces and interfaces[interface] is equal
    if _is_source(family, step):
        return equal and source is not None and any(source.within(one) for one in spans(right))
    return False
