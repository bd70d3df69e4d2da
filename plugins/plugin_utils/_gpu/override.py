# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operator decides instead of the tables (gpu_devices), by slot or id."""

from __future__ import annotations

import typing as t

from .model import PURPOSES, Decision, GpuError, Request, Target
from .tables import Tables

KEYS = ("branch", "driver", "flavour", "purpose")
FORCED = {"xe": ("xe.force_probe={device}", "i915.force_probe=!{device}"), "i915": ("i915.force_probe={device}",)}


def check(request: Request, facts: t.Mapping[str, t.Any]) -> None:
    """Raises:
    GpuError: gpu_devices names a key that there is not, or a device that the host does not have.
    """
    there = {gpu[key] for gpu in facts["devices"] for key in ("slot", "id")}
    for device, asked in request.devices.items():
        for key in sorted(set(asked) - set(KEYS)):
            raise GpuError(f"gpu_devices: '{device}' has the key '{key}'", fix=f"Keys are {', '.join(KEYS)}")
        if asked.get("purpose", request.purpose) not in PURPOSES:
            raise GpuError(
                f"gpu_devices: '{device}' has the purpose '{asked['purpose']}'", fix=f"Use one of {', '.join(PURPOSES)}"
            )
        if device not in there:
            have = ", ".join(sorted(there)) or "none"
            raise GpuError(f"gpu_devices names '{device}', which this host does not have", fix=f"It has {have}")


def apply(
    tables: Tables, gpu: t.Mapping[str, t.Any], decided: Decision, asked: t.Mapping[str, str], target: Target
) -> Decision:
    """The decision that the operator asks for; the conflict rules judge it as they do ours.

    Args:
        decided: what the tables say for the purpose that the operator gives the device.
    """
    if not set(asked) - {"purpose"}:
        return decided
    reason, row = "gpu_devices says so", f"gpu_devices ({decided.row})"
    if asked.get("driver") == "vfio-pci":
        return Decision(action="passthrough", driver="vfio-pci", reason=reason, row=row)
    device = gpu["id"].partition(":")[2]
    if asked.get("driver", "nvidia") != "nvidia":
        parameters = tuple(one.format(device=device) for one in FORCED.get(asked["driver"], ()))
        return Decision(action="kernel", driver=asked["driver"], parameters=parameters, reason=reason, row=row)
    if not gpu["id"].startswith("10de:"):
        raise GpuError(f"gpu_devices: '{gpu['id']}' is not NVIDIA's, and can have a driver and a purpose only")
    branches = tuple(
        branch
        for branch, _listed in tables.branches_of(target.system, target.architecture)
        if branch.number == asked.get("branch", branch.number)
        and branch.flavour == asked.get("flavour", branch.flavour)
    )
    if not branches:
        wish = " ".join(f"{key} {value}" for key, value in asked.items())
        return Decision(
            action="refuse", reason=f"gpu_devices asks for {wish}, and {target.system} has no such driver", row=row
        )
    first = branches[0]
    return Decision(
        action="install" if first.repository == "distribution" else "vendor",
        driver="nvidia",
        branch=first,
        packages=first.packages,
        repository=first.repository,
        reason=f"{reason}; {first.row}",
        row=row,
        branches=branches,
    )
