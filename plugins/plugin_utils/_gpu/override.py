# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operator decides instead of the tables (gpu_devices), by slot or id."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from . import decide, intree, nvidia
from .model import PURPOSES, Branch, Decision, GpuError, Request, Target
from .tables import Tables

KEYS = ("branch", "driver", "flavour", "purpose")
FLAVOURS = ("open", "closed")
FORCED = {"xe": ("xe.force_probe={device}", "i915.force_probe=!{device}"), "i915": ("i915.force_probe={device}",)}
Asked = t.Mapping[str, str]


def checked(request: Request, facts: t.Mapping[str, t.Any]) -> Request:
    """The request with texts for all values of gpu_devices: YAML reads an unquoted branch as a number.

    Raises:
        GpuError: gpu_devices has what it cannot have, or names a device that the host does not have.
    """
    there = {gpu[key] for gpu in facts["devices"] for key in ("slot", "id")}
    devices = {}
    for device, asked in request.devices.items():
        where = f"gpu_devices: '{device}'"
        if not isinstance(asked, t.Mapping):
            raise GpuError(
                f"{where} has {_kind(asked)} where keys are needed", fix='Write them, such as {branch: "580"}'
            )
        for key in sorted({str(key) for key in asked} - set(KEYS)):
            raise GpuError(f"{where} has the key '{key}'", fix=f"Keys are {', '.join(KEYS)}")
        for key, value in asked.items():
            if isinstance(value, bool) or not isinstance(value, (str, int)) or value == "":
                raise GpuError(
                    f"{where} has {_kind(value)} for the key '{key}'", fix="Write a text, or leave the key out"
                )
        devices[device] = {key: str(value) for key, value in asked.items()}
        _sensible(where, devices[device], request)
        if device not in there:
            have = ", ".join(sorted(there)) or "none"
            raise GpuError(f"gpu_devices names '{device}', which this host does not have", fix=f"It has {have}")
    return replace(request, devices=devices)


def _kind(value: t.Any) -> str:
    return {type(None): "nothing", str: "a text", list: "a list", dict: "keys"}.get(type(value), f"the value {value}")


def _sensible(where: str, asked: Asked, request: Request) -> None:
    """Raises:
    GpuError: a value that there is not, or keys that contradict each other.
    """
    for key, choices in (("purpose", PURPOSES), ("flavour", FLAVOURS)):
        if asked.get(key, choices[0]) not in choices:
            raise GpuError(f"{where} has the {key} '{asked[key]}'", fix=f"Use one of {', '.join(choices)}")
    if not asked.get("branch", "0").isdecimal():
        raise GpuError(f"{where} has the branch '{asked['branch']}'", fix='A branch is a number, such as "580"')
    driver, of_nvidia = asked.get("driver", "nvidia"), sorted(set(asked) & {"branch", "flavour"})
    if driver != "nvidia" and of_nvidia:
        raise GpuError(f"{where} has the driver '{driver}' and a {of_nvidia[0]}, which only NVIDIA's has")
    if asked.get("purpose", request.purpose) == "passthrough" and (
        of_nvidia or asked.get("driver", "vfio-pci") != "vfio-pci"
    ):
        raise GpuError(
            f"{where} is to have a driver, and is for passthrough, which leaves the host none",
            fix="Name its purpose, such as compute, or leave the driver out",
        )


def apply(tables: Tables, gpu: t.Mapping[str, t.Any], decided: Decision, asked: Asked, target: Target) -> Decision:
    """The decision that the operator asks for; the conflict rules judge it as they do ours.

    Args:
        decided: what the tables say for the purpose that the operator gives the device.
        asked: as `checked` gives it.
    """
    if not set(asked) - {"purpose"}:
        return decided
    row = f"gpu_devices ({decided.row})"
    driver = asked.get("driver", "nvidia")
    if driver == "vfio-pci":
        return decide.passthrough(gpu["id"], "gpu_devices says so", row)
    if driver != "nvidia":
        return replace(of_the_kernel(tables, gpu["id"], decided, driver, target), reason="gpu_devices says so", row=row)
    if not gpu["id"].startswith("10de:"):
        raise GpuError(f"gpu_devices: '{gpu['id']}' is not NVIDIA's, and can have a driver and a purpose only")
    return replace(of_nvidia(tables, gpu["id"].partition(":")[2], asked, target), row=row)


def of_the_kernel(tables: Tables, identity: str, decided: Decision, driver: str, target: Target) -> Decision:
    """A driver of the kernel, with what the tables have beside it."""
    vendor, _colon, device = identity.partition(":")
    beside = decided
    if driver == "nouveau" and vendor == "10de" and device in tables.nvidia:
        beside = nvidia.nouveau(tables, tables.nvidia[device], target, "")
    elif driver in FORCED and vendor == "8086" and device in tables.intel:
        beside = intree.intel_kernel(tables, tables.intel[device], driver, target)
    parameters = tuple(one.format(device=device) for one in FORCED.get(driver, ()))
    if beside.action != "kernel":
        return Decision(action="kernel", driver=driver, parameters=parameters, reason="", row="")
    return replace(beside, driver=driver, parameters=parameters)


def of_nvidia(tables: Tables, device: str, asked: Asked, target: Target) -> Decision:
    """NVIDIA's driver in one of the branches that the operator means; of those the ones that drive the device, if there are any."""

    def meant(branch: Branch) -> bool:
        return branch.number == asked.get("branch", branch.number) and branch.flavour == asked.get(
            "flavour", branch.flavour
        )

    row = tables.nvidia.get(device)
    able = nvidia.drives(tables, row, target) if row else ()
    every = (branch for _rank, branch, _list in sorted(nvidia.ranked(tables, target), key=lambda one: one[0]))
    branches = tuple(filter(meant, able)) or tuple(filter(meant, every))
    if not branches:
        wish = " ".join(f"{key} {value}" for key, value in asked.items())
        reason = f"gpu_devices asks for {wish}, and {target.system} has no such driver"
        return Decision(action="refuse", reason=f"{reason}{_able(able)}", row="")
    first = branches[0]
    reason = f"gpu_devices says so; {first.row}"
    if row:
        reason += "" if first in able else _able(able)
        return replace(nvidia.with_branch(tables, row, target, first, branches), reason=reason)
    return Decision(
        action="install" if first.repository == "distribution" else "vendor",
        driver="nvidia",
        branch=first,
        packages=nvidia.packages(tables, target, first),
        firmware=nvidia.firmware(tables, target, first),
        repository=first.repository,
        reason=reason,
        row="",
        branches=branches,
    )


def _able(branches: t.Iterable[Branch]) -> str:
    return f"; what drives it here: {', '.join(dict.fromkeys(map(str, branches))) or 'nothing'}"
