# SPDX-License-Identifier: GPL-3.0-or-later
"""What the loaded packet filter does with the loopback interface, and with its addresses where they come in elsewhere."""

from __future__ import annotations

import functools
import ipaddress
import typing as t

from .packet_rules import Rules, Step, fate

Network = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
FAMILIES: dict[str, Network] = {"ip": ipaddress.ip_network("127.0.0.0/8"), "ip6": ipaddress.ip_network("::1")}
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

    def word(family: str, hook: str, source: Network | None, **interfaces: bool) -> str:
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


def _parts(family: str, network: Network, rules: Rules) -> list[Network]:
    """Networks inside of one that rules speak of."""
    steps = (step for listed in rules.values() for rule in listed for step in rule if "match" in step)
    written = [one for step in steps if _is_source(family, step) for one in networks(step["match"].get("right"))]
    return [one for one in dict.fromkeys(written) if one != network and _inside(one, network)]


def _is_source(family: str, step: Step) -> bool:
    return bool(step["match"].get("left") == {"payload": {"protocol": family, "field": "saddr"}})


def _inside(one: Network, other: Network) -> bool:
    first, last = int(one.network_address), int(one.broadcast_address)
    return one.version == other.version and int(other.network_address) <= first and last <= int(other.broadcast_address)


def networks(addresses: t.Any) -> list[Network]:
    """Networks of an address, a prefix, a range or a set of them (libnftables-json(5)); of other words none."""
    if isinstance(addresses, dict) and isinstance(addresses.get("set"), list):
        return [one for part in addresses["set"] for one in networks(part)]
    try:
        if isinstance(addresses, dict) and "prefix" in addresses:
            return [ipaddress.ip_network(f"{addresses['prefix']['addr']}/{addresses['prefix']['len']}")]
        if isinstance(addresses, dict) and "range" in addresses:
            first, last = (ipaddress.ip_address(one) for one in addresses["range"])
            return list(ipaddress.summarize_address_range(first, last))
        return [ipaddress.ip_network(addresses)] if isinstance(addresses, str) else []
    except (TypeError, ValueError):
        return []


def _matches(family: str, interfaces: t.Mapping[str, bool], source: Network | None, step: Step) -> bool:
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
        return equal and source is not None and any(_inside(source, one) for one in networks(right))
    return False
