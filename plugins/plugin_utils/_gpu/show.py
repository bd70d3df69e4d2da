# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's plan as lines for people."""

from __future__ import annotations

import re
import typing as t

from .._printable import printable

Plan = t.Mapping[str, t.Any]
HEADER = ("HOST", "DEVICE", "WHERE", "DRIVER NOW", "DECISION", "STATE")
WIDTHS = (20, 30, 14, 24, 34, 0)


def lines(host: str, plan: Plan) -> list[str]:
    """A row a device, and below it what the operator must know: why not, what contradicts, where tables and host differ."""
    shown = [] if plan["devices"] else [f"{host:<{WIDTHS[0]}} no GPU seen; looked at: {plan['looked_at']}"]
    for device in plan["devices"]:
        shown.append(
            row(
                host,
                short(device["name"]),
                device["where"],
                device["driver_now"] or "-",
                decision(device),
                device["state"],
            )
        )
        if device["state"] != "as decided":
            offer = f"; offered elsewhere: {device['offer']}" if device["offer"] else ""
            shown.append(f"    why: {device['reason']} ({device['row']}){offer}")
        shown += [
            f"    {conflict['class']}: {conflict['because']}. {conflict['fix']}"
            for conflict in plan["conflicts"]
            if conflict["where"] == device["where"]
        ]
    shown += [f"    differs: {line}" for line in plan["differences"]]
    shown += [f"    not read: {line}" for line in plan["left_out"]]
    return [printable(line) for line in shown]


def row(*columns: str) -> str:
    """One line of the table; what is wider than its column is not cut."""
    return " ".join(f"{column:<{width}}" for column, width in zip(columns, WIDTHS)).rstrip()


def decision(device: Plan) -> str:
    """The decision in a few words, such as ``install nvidia 580 open``."""
    return " ".join(part for part in (device["action"], device["driver"], device["branch"], device["flavour"]) if part)


def short(name: str) -> str:
    """The product, which pci.ids puts in brackets after the chip; the whole name where there are none."""
    match = re.search(r"\[(.+)\]", name)
    return match.group(1) if match else name
