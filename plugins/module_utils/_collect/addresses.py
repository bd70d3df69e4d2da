# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses as nft's rules name them (libnftables-json(5))."""

from __future__ import annotations

import ipaddress
import typing as t


class Span(t.NamedTuple):
    """Addresses of IP ``version`` from ``first`` to ``last``, as numbers."""

    version: int
    first: int
    last: int

    @property
    def share(self) -> float:
        """Which part of all addresses of its version it is."""
        return float((self.last - self.first + 1) / 2 ** (32 if self.version == 4 else 128))

    def within(self, other: Span) -> bool:
        return self == self.common(other)

    def common(self, other: Span) -> Span | None:
        """What both take in."""
        first, last = max(self.first, other.first), min(self.last, other.last)
        return Span(self.version, first, last) if self.version == other.version and first <= last else None


def spans(addresses: t.Any) -> list[Span]:
    """Of an address, a prefix, a range or a set of them; of other words, and of hardware addresses, none."""
    if isinstance(addresses, dict) and isinstance(addresses.get("set"), list):
        return [one for part in addresses["set"] for one in spans(part)]
    try:
        if isinstance(addresses, dict) and "prefix" in addresses:
            prefix = addresses["prefix"]
            # Bits beyond the prefix do not count.
            network = ipaddress.ip_network(f"{prefix['addr']}/{prefix['len']}", strict=False)
            return [Span(network.version, int(network.network_address), int(network.broadcast_address))]
        if isinstance(addresses, dict) and "range" in addresses:
            ends = [ipaddress.ip_address(one) for one in addresses["range"]]
        else:
            ends = [ipaddress.ip_address(addresses)] * 2 if isinstance(addresses, str) else []
        return [Span(ends[0].version, int(ends[0]), int(ends[1]))] if ends else []
    except (TypeError, ValueError):
        return []
