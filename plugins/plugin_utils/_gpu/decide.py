# SPDX-License-Identifier: GPL-3.0-or-later
"""From a device to a decision: which table speaks of it."""

from __future__ import annotations

import re
import typing as t

from . import intree, nvidia
from .model import Decision, GpuError, Target
from .tables import Tables

IDENTITY = re.compile(r"[0-9a-f]{4}:[0-9a-f]{4}")
VENDORS: dict[str, t.Callable[[Tables, str, Target], Decision]] = {
    "10de": nvidia.decide,
    "1002": intree.amd,
    "8086": intree.intel,
}


def decide_pci(tables: Tables, identity: str, kind: str, target: Target) -> Decision:
    """The decision about a function on PCI.

    Args:
        identity: ``vendor:device``, four hex digits each.
        kind: class, six hex digits.
    """
    if refused := unsupported(tables, target):
        return refused
    if not IDENTITY.fullmatch(identity):
        return Decision(action="unknown", reason=f"'{identity}' is no id of a PCI device", row="gpu_info")
    vendor, _colon, device = identity.partition(":")
    decision = (
        VENDORS[vendor](tables, device, target) if vendor in VENDORS else intree.other(tables, identity, kind, target)
    )
    if target.purpose == "passthrough" and decision.action not in ("unknown", "display"):
        reason = f"given to a guest: vfio-pci takes it instead of {decision.driver or 'no driver'}"
        return passthrough(identity, reason, decision.row)
    return decision


def passthrough(identity: str, reason: str, row: str) -> Decision:
    """A device for guests: vfio-pci takes it by its id, before another driver does."""
    return Decision(
        action="passthrough", driver="vfio-pci", parameters=(f"vfio-pci.ids={identity}",), reason=reason, row=row
    )


def decide_board(tables: Tables, board: t.Mapping[str, t.Any], target: Target) -> list[tuple[str, Decision]]:
    """The decisions about a board's GPU nodes; where it has none, one about the board, or none where no table speaks of it.

    Args:
        board: ``{compatible: [...], gpus: [{compatible: [...], path: ...}]}``.
    """
    if refused := unsupported(tables, target):
        return [(gpu["path"], refused) for gpu in board["gpus"]]
    soc = next((one for one in board["compatible"] if one in tables.dt_socs), "")
    nodes = [(gpu["path"], intree.board_gpu(tables, gpu["compatible"], soc, target)) for gpu in board["gpus"]]
    if nodes or not board["compatible"]:
        return nodes
    alone = intree.board_without_gpu(tables, board["compatible"], target)
    return [("/", alone)] if alone else []


def unsupported(tables: Tables, target: Target) -> Decision | None:
    """The refusal where the system does not have the architecture at all.

    Raises:
        GpuError: policy.yml does not have the system.
    """
    system = tables.systems.get(target.system)
    if system is None:
        raise GpuError(f"policy.yml has no system '{target.system}'")
    if target.architecture in system.architectures:
        return None
    return Decision(
        action="refuse",
        reason=f"the architecture {target.architecture} is none of {system.name} that we have tables for ({', '.join(system.architectures)})",
        row="policy.yml:systems",
    )
