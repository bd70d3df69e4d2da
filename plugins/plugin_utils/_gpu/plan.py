# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan for a host: its devices with their decisions, what contradicts, and where tables and host differ."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from . import branch, conflicts, decide, installation, override, verification
from .model import ARCHITECTURES, REFUSALS, Decision, GpuError, Kernel, Request, Target, kernel_version
from .tables import System, Tables

Facts = t.Mapping[str, t.Any]


def plan(tables: Tables, facts: Facts, request: Request) -> dict[str, t.Any]:
    """What is decided for a host, as JSON has it.

    Args:
        facts: what gpu_info returns.

    Raises:
        GpuError: the system is in no table, there was no place to look for GPUs, or the request names what the host does not have.
    """
    if facts["looked_at"]["pci"] is None and not facts["looked_at"]["device_tree"]:
        raise GpuError("there is neither a PCI bus nor a device tree to look for GPUs on", fix="Is /sys mounted?")
    system = tables.system_of(facts["system"]["os"], facts["system"]["version"])
    request = override.checked(request, facts)
    devices = {gpu["slot"]: gpu for gpu in facts["devices"]} | {
        gpu["path"]: gpu for gpu in facts["board"].get("gpus", ())
    }
    target = Target(
        system=system.id,
        architecture=ARCHITECTURES.get(facts["architecture"], str(facts["architecture"])),
        kernel=kernel_to_boot(facts, system),
        purpose=request.purpose,
        fabric=bool(facts["nvswitches"]),
    )
    decisions = _decisions(tables, facts, target, request)
    names = {where: name(tables, devices.get(where, {})) for where in decisions}
    decisions = branch.agree(tables, decisions, names, request, target)
    rows = [(where, devices.get(where, {}), decision) for where, decision in decisions.items()]
    clashes = conflicts.check(tables, facts, target, request, rows)
    blocking = {conflict.rule for conflict in clashes if conflict.blocks}
    # What could not be read may hold a device, or a reason against a driver.
    refused = bool(facts["left_out"]) or any(one.action in REFUSALS for one in decisions.values())
    blocked = refused or bool(blocking)
    smoke = verification.verification(
        tables,
        [(where, decision, purpose(device, request, target)) for where, device, decision in rows],
    )
    programs = verification.programs(tables, smoke["ways"], system.id, target.architecture)
    return {
        "system": system.id,
        "architecture": target.architecture,
        "kernel": ".".join(str(number) for number in target.kernel),
        "purpose": request.purpose,
        "devices": [
            {
                "where": where,
                "id": device.get("id", " ".join(device.get("compatible", ()))),
                "name": names[where],
                "driver_now": driver_now(device, facts),
                "state": state(tables, device, decision, facts),
                **decision.as_dict(),
            }
            for where, device, decision in rows
        ],
        "conflicts": [conflict.as_dict() for conflict in clashes],
        "differences": [
            line for where, device, decision in rows for line in differences(tables, where, device, decision, facts)
        ],
        "left_out": [f"{path}: {reason}" for path, reason in facts["left_out"].items()],
        "blocked": blocked,
        "awaits_key": not refused and blocking == {conflicts.KEY_RULE},
        "install": {} if blocked else installation.installation(tables, decisions.values(), target, programs),
        "smoke": smoke,
        "reboot_reason": "; ".join(
            line for where, device, decision in rows for line in waits(tables, where, device, decision, facts)
        ),
        "looked_at": looked_at(facts),
    }


def _decisions(tables: Tables, facts: Facts, target: Target, request: Request) -> dict[str, Decision]:
    decisions: dict[str, Decision] = {}
    for gpu in facts["devices"]:
        if parent := gpu.get("sriov", {}).get("function_of"):
            reason = f"a virtual function of {parent}: a guest's, or whose it is made for"
            decisions[gpu["slot"]] = Decision(
                action="none", driver=gpu["driver"], reason=reason, row="gpu_info: sriov.function_of"
            )
            continue
        asked = by_hand(gpu, request)
        own = replace(target, purpose=purpose(gpu, request, target))
        decided = decide.decide_pci(tables, gpu["id"], gpu["class"], own)
        decisions[gpu["slot"]] = override.apply(tables, gpu, decided, asked, own)
    if facts["board"]:
        nodes = decide.decide_board(tables, facts["board"], target)
        # A board with cards in its slots and no GPU of its own is not a board that lacks one.
        decisions.update({where: decision for where, decision in nodes if where != "/" or not decisions})
    return decisions


def by_hand(device: Facts, request: Request) -> t.Mapping[str, str]:
    """What the operator says of a device, by its slot or its id."""
    return request.devices.get(device.get("slot", "")) or request.devices.get(device.get("id", "")) or {}


def purpose(device: Facts, request: Request, target: Target) -> str:
    """What a device is for: as the operator says of it, or as the host is for."""
    return by_hand(device, request).get("purpose", target.purpose)


def kernel_to_boot(facts: Facts, system: System) -> Kernel:
    """The version of the newest kernel that can boot, which boot loaders take; else of the running one.

    Raises:
        GpuError: a release that does not begin with a version.
    """
    if system.backports_drivers:
        return system.kernel
    releases = [kernel["release"] for kernel in facts["kernels"]] or [facts["running_kernel"]]
    versions = [kernel_version(release) for release in releases]
    if not all(versions):
        raise GpuError(f"the release '{releases[versions.index(())]}' does not begin with the version of a kernel")
    return max(versions)


def name(tables: Tables, device: Facts) -> str:
    """What people call the device: the tables' name, or its id."""
    identity = device.get("id", "")
    vendor, _colon, number = identity.partition(":")
    table = {"10de": tables.nvidia, "1002": tables.amd, "8086": tables.intel}.get(vendor, {})
    if number in table:
        return table[number]["name"]
    return identity or next(iter(device.get("compatible", ())), "the board")


def driver_now(device: Facts, facts: Facts) -> str:
    """The driver that is bound, for NVIDIA's with version and flavour."""
    bound: str = device.get("driver", "")
    loaded = facts["loaded"].get("nvidia")
    if bound == "nvidia" and loaded:
        return " ".join(part for part in (bound, loaded["version"], loaded.get("flavour", "")) if part)
    return bound


def state(tables: Tables, device: Facts, decision: Decision, facts: Facts) -> str:
    """How the host stands to the decision, in one or two words."""
    if decision.action in REFUSALS:
        return {"refuse": "refused", "unknown": "unknown device", "newer_kernel": "kernel too old"}[decision.action]
    bound = device.get("driver", "")
    accepted = {
        one for driver in decision.driver.split() for one in (driver, *tables.policy["bound_as"].get(driver, ()))
    }
    if not bound:
        return "as decided" if not decision.driver else "no driver"
    if bound not in accepted:
        return "other driver"
    loaded = facts["loaded"].get("nvidia", {})
    if bound == "nvidia" and decision.branch:
        if loaded.get("version", "").partition(".")[0] != decision.branch.number:
            return "other branch"
        if loaded.get("flavour") and loaded["flavour"] != decision.flavour:
            return "other flavour"
    return "as decided"


# What the boot after the switch changes. Of a driver that is installed gpu_driver tells, which sees what it installed.
WAITING: dict[str, tuple[str, ...]] = {
    "kernel": ("no driver", "other driver"),
    "passthrough": ("no driver", "other driver"),
    "install": ("other flavour",),
    "vendor": ("other flavour",),
}


def waits(tables: Tables, where: str, device: Facts, decision: Decision, facts: Facts) -> t.Iterator[str]:
    """Why a device has its driver only after a boot."""
    if state(tables, device, decision, facts) in WAITING.get(decision.action, ()):
        decided = " ".join(part for part in (decision.driver, decision.flavour) if part)
        yield f"{where} has {driver_now(device, facts) or 'no driver'}, and {decided} is decided"


def differences(tables: Tables, where: str, device: Facts, decision: Decision, facts: Facts) -> t.Iterator[str]:
    """Where the kernels of the host, which are the truth, say something else than the tables."""
    if decision.action not in ("kernel", "newer_kernel"):
        return
    drivers = set(decision.driver.split())
    for kernel in facts["kernels"]:
        modules = kernel["claims"].get(device.get("modalias", ""))
        if modules is None or not kernel["modules"]:
            continue
        claimed = ", ".join(modules) or "no module"
        if (
            decision.action == "kernel"
            and not drivers & set(modules)
            and not drivers <= set(tables.policy["loaded_by_display"])
        ):
            yield f"{where}: the tables say {decision.driver}, and of {kernel['release']} {claimed} claims it"
        if decision.action == "newer_kernel" and drivers & set(modules):
            yield f"{where}: the tables say that {decision.driver} comes later, and {kernel['release']} has it: {claimed}"


def looked_at(facts: Facts) -> str:
    """Where GPUs were looked for, for people: that none was seen is no answer where there was no place to look."""
    seen = facts["looked_at"]
    pci = "no PCI bus" if seen["pci"] is None else f"{seen['pci']} PCI functions"
    tree = "a device tree" if seen["device_tree"] else "no device tree"
    return f"{pci}, {tree}, {len(seen['drm'])} DRM nodes, {seen['kernels']} kernels that can boot"
