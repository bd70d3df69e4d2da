# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices of NVIDIA: which branches of its driver can drive one, and what there is where none can."""

from __future__ import annotations

import typing as t
from functools import lru_cache

from .model import Branch, Decision, Target
from .tables import Row, Tables

VENDOR_REPOSITORY = "nvidia-cuda"
RUNFILE = "NVIDIA's own installer of that branch, which is not maintained for present kernels"


def decide(tables: Tables, device: str, target: Target) -> Decision:
    """The decision about the device of this id (four hex digits)."""
    row = tables.nvidia.get(device)
    if row is None:
        return unlisted(tables, device)
    if target.architecture == "riscv64":
        return nouveau(tables, row, target, "NVIDIA has no driver for riscv64")
    if branches := drives(tables, row, target):
        return with_branch(tables, row, target, branches[0], branches)
    if row["last_branch"] == "current":
        return nouveau(
            tables, row, target, f"no archive or repository has a branch for it on {target.architecture} here"
        )
    return nouveau(tables, row, target, f"{row['last_branch']} is its last branch, which is not packaged here")


class Support(t.NamedTuple):
    """What decides which branches drive a device; many devices share one."""

    listed: frozenset[str]
    last_branch: str
    open_modules: str


def support(row: Row) -> Support:
    return Support(frozenset(row["listed"].split()), row["last_branch"], row["open_modules"])


def drives(tables: Tables, row: Row, target: Target) -> tuple[Branch, ...]:
    """The branches that drive a device on the target, the preferred first."""
    return _drives(tables, support(row), target)


@lru_cache(maxsize=4096)
def _drives(tables: Tables, device: Support, target: Target) -> tuple[Branch, ...]:
    """The preference is that of the target, then the flavour."""
    able = [
        ((rank, not recommended(tables, device, branch)), branch)
        for rank, branch, listed_as in ranked(tables, target)
        if in_list(device, listed_as)
        and flavour_drives(tables, device, branch)
        and not (target.fabric and not couples(tables, target, branch))
    ]
    return tuple(branch for _rank, branch in sorted(able, key=lambda one: one[0]))


def ranked(tables: Tables, target: Target) -> t.Iterator[tuple[tuple[bool, int, bool], Branch, str]]:
    """Every branch of the target with its rank and the name of its list: the distribution's before the vendor's; as policy.yml orders the
    branches; the edition for the purpose.
    """
    server = target.fabric or target.purpose == "compute"
    first: dict[tuple[str, str], int] = {}
    for place, (branch, listed_as) in enumerate(tables.branches_of(target.system, target.architecture)):
        rank = first.setdefault((branch.repository, branch.number), place)
        edition = branch.edition not in ("any", "server" if server else "desktop")
        yield (branch.repository != "distribution", rank, edition), branch, listed_as


def fabric_manager(tables: Tables, target: Target, branch: Branch) -> tuple[str, ...]:
    """The package that couples GPUs over NVSwitches, in exactly the driver's version; empty where the system has none."""
    if branch.repository != "distribution":
        names = tables.policy["vendor_fabric_managers"].get(branch.repository, {})
        return tuple(names.get("rhel" if target.system.startswith("rhel") else "apt", ()))
    name = f"nvidia-fabricmanager-{branch.number}"
    return (name,) if tables.has(target.system, target.architecture, name) else ()


def packages(tables: Tables, target: Target, branch: Branch) -> tuple[str, ...]:
    """Of one version: what a branch has names for here, and what couples the GPUs."""
    return branch.packages + (fabric_manager(tables, target, branch) if target.fabric else ())


def firmware(tables: Tables, target: Target, branch: Branch) -> tuple[str, ...]:
    """What GSP processors load; the vendor's packages bring their own."""
    if branch.repository != "distribution":
        return ()
    return tables.packages("nvidia", "firmware", target.system, target.architecture)


def couples(tables: Tables, target: Target, branch: Branch) -> bool:
    """Whether GPUs behind NVSwitches can compute with a branch: the fabric manager follows the server edition."""
    return branch.edition != "desktop" and bool(fabric_manager(tables, target, branch))


def in_list(device: Support, name: str) -> bool:
    """Whether the driver of a branch lists the device."""
    if name.startswith("last-"):
        return device.last_branch == name.removeprefix("last-")
    # No list of 595 was read. What 580 and 615 both list, it lists.
    return {"580", "615"} <= device.listed if name == "595" else name in device.listed


def flavour_drives(tables: Tables, device: Support, branch: Branch) -> bool:
    """Whether this flavour can drive the device, whatever the package's own list says.

    The lists of 595 and 615 mark Maxwell to Volta as driven by the open modules, and closed packages list Blackwell: neither is so.
    """
    last: int = tables.policy["nvidia"]["last_with_closed_only_devices"]
    if device.open_modules == "none":
        return branch.flavour == "closed" and int(branch.number) <= last
    return device.open_modules != "required" or branch.flavour == "open"


def recommended(tables: Tables, device: Support, branch: Branch) -> bool:
    """Whether the flavour is the one that NVIDIA recommends for the device and branch."""
    since: int = tables.policy["nvidia"]["open_preferred_from"]
    wants_open = device.open_modules == "required" or (
        device.open_modules == "possible" and int(branch.number) >= since
    )
    return (branch.flavour == "open") == wants_open


def with_branch(tables: Tables, row: Row, target: Target, branch: Branch, branches: tuple[Branch, ...]) -> Decision:
    """The decision for one of the branches that can drive the device."""
    return Decision(
        action="install" if branch.repository == "distribution" else "vendor",
        driver="nvidia",
        branch=branch,
        packages=packages(tables, target, branch),
        firmware=firmware(tables, target, branch) if row["open_modules"] != "none" else (),
        repository=branch.repository,
        reason=f"{row['architecture']}: open modules {row['open_modules']}, {_last(row)}; {branch.row} lists it",
        row=row.where,
        branches=branches,
    )


def _last(row: Row) -> str:
    return (
        "driven by present branches" if row["last_branch"] == "current" else f"{row['last_branch']} is its last branch"
    )


def nouveau(tables: Tables, row: Row, target: Target, why: str) -> Decision:
    """What there is without NVIDIA's driver: nouveau for a screen, nothing for computing."""
    offer = RUNFILE if row["last_branch"] != "current" and target.architecture != "riscv64" else ""
    if target.purpose == "compute":
        return Decision(
            action="refuse",
            reason=f"{row['architecture']}: {why}, and nouveau cannot compute",
            row=row.where,
            offer=offer,
        )
    chip = tables.nvidia_chips.get(row["chip"])
    knows = chip and chip[nouveau_column(target)] == "1"
    if chip is None or not knows:
        reason = f"{row['architecture']}: {why}, and nouveau of this kernel does not know the chip {row['chip'] or '(unnamed)'}"
        return Decision(action="refuse", reason=reason, row=row.where, offer=offer)
    gsp = chip["nouveau_needs_gsp"] == "1"
    return Decision(
        action="kernel",
        driver="nouveau",
        packages=tables.packages("nouveau", target.purpose, target.system, target.architecture),
        firmware=tables.packages("nouveau", "firmware", target.system, target.architecture) if gsp else (),
        reason=f"{row['architecture']}: {why}; nouveau knows {row['chip']} ({chip.where})",
        row=row.where,
        offer=offer,
    )


def nouveau_column(target: Target) -> t.Literal["nouveau_7_2", "nouveau_6_12", "nouveau_6_1"]:
    if target.kernel >= (7, 2):
        return "nouveau_7_2"
    return "nouveau_6_12" if target.kernel >= (6, 12) else "nouveau_6_1"


def unlisted(tables: Tables, device: str) -> Decision:
    """The refusal of an id that NVIDIA's driver does not list."""
    if row := tables.nvidia_unlisted.get(device):
        return Decision(
            action="refuse",
            reason=f"pci.ids calls it {row['name']} ({row['architecture']}), and no list of NVIDIA's driver has it",
            row=row.where,
            offer="a driver that NVIDIA gives with the product",
        )
    near = tables.nearest(tables.nvidia, device)
    return Decision(
        action="unknown",
        reason=f"10de:{device} stands in no table; the nearest is 10de:{near['device']}, {near['name']}. Name it in gpu_devices",
        row=near.where,
    )
