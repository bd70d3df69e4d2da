# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices that the kernel's own drivers take: AMD, Intel, consoles, and GPUs in a device tree."""

from __future__ import annotations

import typing as t

from .model import Decision, Kernel, Target, kernel_version
from .tables import Row, Tables

# The oldest kernel for boards whose tables were read. What it has may be older.
FIRST_BOARD_KERNEL: Kernel = (6, 1)


def written(kernel: Kernel) -> str:
    return ".".join(str(number) for number in kernel)


def amd(tables: Tables, device: str, target: Target) -> Decision:
    """The decision about the AMD device of this id (four hex digits)."""
    row = tables.amd.get(device)
    if row is None:
        near = tables.nearest(tables.amd, device)
        reason = f"1002:{device} stands in no table; the nearest is 1002:{near['device']}, {near['name']}. Name it in gpu_devices"
        return Decision(action="unknown", reason=reason, row=near.where)
    generation = row["generation"]
    if not row["since"]:
        reason = (
            f"{generation}: amdgpu takes it by class only, and needs a table that cards of {generation} do not hold"
        )
        return Decision(action="refuse", reason=reason, row=row.where)
    if target.kernel < kernel_version(row["since"]):
        return _newer(row, "amdgpu", row["since"], target, _dkms(tables, target))
    driver = row["default_7_2"] if target.kernel >= (7, 2) else row["default_6_12"]
    why = f"{generation}: {driver} is the kernel's default"
    if row["default_7_2"] != row["default_6_12"]:
        why = f"{generation}: radeon and amdgpu both list it; {driver} is the default of {written(target.kernel)}"
        if (6, 12) < target.kernel < (7, 2):
            driver, why = (
                "radeon amdgpu",
                f"{generation}: radeon is the default of 6.12, amdgpu of 7.2; modules.alias of the host decides",
            )
    if target.purpose == "compute":
        why += f"; {_rocm(tables, row)}"
    return Decision(
        action="kernel",
        driver=driver,
        packages=tables.packages("amd", target.purpose, target.system, target.architecture)
        if driver != "radeon"
        else (),
        firmware=tables.packages("amd", "firmware", target.system, target.architecture),
        repository="distribution",
        reason=why,
        row=row.where,
        offer="AMD's repository rocm"
        if target.architecture == "amd64" and tables.repository("rocm", target.system)
        else "",
    )


def _rocm(tables: Tables, row: Row) -> str:
    official = tables.amd_targets[row["gfx"]]["official_matrix"] if row["gfx"] in tables.amd_targets else ""
    return (
        f"ROCm's matrix names {row['gfx']} ({official})"
        if official
        else f"ROCm's matrix does not name {row['gfx'] or 'it'}"
    )


def _dkms(tables: Tables, target: Target) -> str:
    has = target.architecture == "amd64" and tables.repository("amdgpu", target.system)
    return "a newer kernel of the distribution, or amdgpu-dkms of AMD" if has else "a newer kernel of the distribution"


def _newer(row: Row, driver: str, since: str, target: Target, offer: str) -> Decision:
    reason = f"{driver} drives it from Linux {since}, and {written(target.kernel)} would boot"
    return Decision(action="newer_kernel", driver=driver, reason=reason, row=row.where, offer=offer)


def intel(tables: Tables, device: str, target: Target) -> Decision:
    """The decision about the Intel device of this id (four hex digits)."""
    row = tables.intel.get(device)
    if row is None:
        near = tables.nearest(tables.intel, device)
        reason = f"8086:{device} stands in no table; the nearest is 8086:{near['device']}, {near['name']}. Name it in gpu_devices"
        return Decision(action="unknown", reason=reason, row=near.where)
    # i915 is built for x86 only.
    since = {"i915": row["i915_since"] if target.architecture == "amd64" else "", "xe": row["xe_since"]}
    ready = [name for name, first in since.items() if first and kernel_version(first) <= target.kernel]
    what = row["platform"] or "unnamed platform"
    if ready:
        return intel_kernel(tables, row, ready[0], target)
    if coming := min(((kernel_version(first), name) for name, first in since.items() if first), default=None):
        return _newer(row, coming[1], written(coming[0]), target, "a newer kernel of the distribution")
    if row["xe_forced_since"]:
        reason = f"{what}: on {target.architecture} only xe could drive it, and only where xe.force_probe={device} forces it to"
        return Decision(action="refuse", reason=reason, row=row.where, offer="gpu_devices, with the driver xe")
    if row["i915_since"]:
        return Decision(action="refuse", reason=f"{what}: i915 drives it, which is built for x86 only", row=row.where)
    return Decision(
        action="refuse",
        reason=f"{what}: no kernel up to 7.3 claims it",
        row=row.where,
        offer="Intel's own modules (intel-graphics)" if tables.repository("intel-graphics", target.system) else "",
    )


def intel_kernel(tables: Tables, row: Row, driver: str, target: Target) -> Decision:
    """One of the kernel's drivers for an Intel device, with what computes or renders by it."""
    use, offer, why = target.purpose, "", f"{row['platform']}: {driver} claims it by default"
    if target.purpose == "compute":
        runtime = row["compute_runtime"]
        use = "compute" if runtime == "current" else f"compute_{runtime}"
        why += f"; compute runtime: {runtime}"
    packages = tables.packages("intel", use, target.system, target.architecture)
    if target.purpose == "compute" and not any("opencl" in name for name in packages):
        why += ", and none in the archive for it"
        offer = "Intel's repository intel-graphics" if tables.repository("intel-graphics", target.system) else ""
    return Decision(
        action="kernel",
        driver=driver,
        packages=packages,
        firmware=tables.packages("intel", "firmware", target.system, target.architecture),
        repository="distribution",
        reason=why,
        row=row.where,
        offer=offer,
    )


def other(tables: Tables, identity: str, kind: str, target: Target) -> Decision:
    """The decision about a display of another vendor: ``vendor:device`` and class as PCI has them."""
    row = tables.others.get(identity)
    if row is None:
        what = "display" if kind.startswith("03") else "accelerator"
        return Decision(action="unknown", reason=f"{identity}, a {what}, stands in no table", row="other_devices.csv")
    if target.architecture not in row["architectures"].split():
        reason = f"{row['driver']} is not built for {target.architecture}"
        return Decision(action="display", reason=f"a console only; {reason}", row=row.where)
    if target.kernel < kernel_version(row["since"]):
        return _newer(row, row["driver"], row["since"], target, "a newer kernel of the distribution")
    return Decision(action="display", driver=row["driver"], reason="a console only: nothing to install", row=row.where)


def board_gpu(tables: Tables, compatible: t.Sequence[str], soc: str, target: Target) -> Decision:
    """The decision about a GPU node: its compatibles, the most specific first, and the SoC that it is in."""
    if (known := tables.policy["socs"].get(soc)) and known["action"] == "refuse":
        return Decision(action="refuse", reason=known["reason"], row="policy.yml:socs", offer=known["offer"])
    rows = [tables.dt_drivers[one] for one in compatible if one in tables.dt_drivers]
    if not rows:
        return software(
            tables,
            f"no mainline driver takes {next(iter(compatible), 'a node without compatible')}",
            "dt_drivers.csv",
            target,
        )
    # A driver takes the node by any of its compatibles: the one that a kernel had first decides.
    row = min(rows, key=lambda row: kernel_version(row["since"]))
    why = f"{row['driver']} takes {row['compatible']}"
    if target.architecture not in row["architectures"].split():
        reason = f"{row['driver']} is built for {row['architectures']}, not for {target.architecture}"
        return software(tables, reason, row.where, target)
    if target.kernel < FIRST_BOARD_KERNEL == kernel_version(row["since"]):
        why += f" in {row['since']}; no older kernel was read: modules.alias of the host decides"
    elif target.kernel < kernel_version(row["since"]):
        return _newer(row, row["driver"], row["since"], target, "a newer kernel; until then software rendering")
    if row["driver"] == "nouveau" and target.purpose == "compute":
        reason = f"nouveau takes {compatible[0]}, and cannot compute"
        return Decision(action="refuse", reason=reason, row=row.where, offer="NVIDIA JetPack (Jetson Linux)")
    return Decision(
        action="kernel",
        driver=row["driver"],
        packages=tables.packages("board", target.purpose, target.system, target.architecture),
        repository="distribution",
        reason=why,
        row=row.where,
    )


def board_without_gpu(tables: Tables, compatible: t.Sequence[str], target: Target) -> Decision | None:
    """The decision about a board whose device tree shows no GPU; None where no table speaks of the board."""
    for one in compatible:
        if known := tables.policy["socs"].get(one):
            if known["action"] == "software":
                return software(tables, known["reason"], "policy.yml:socs", target, known["offer"])
            return Decision(action=known["action"], reason=known["reason"], row="policy.yml:socs", offer=known["offer"])
    if row := next((tables.dt_boards[one] for one in compatible if one in tables.dt_boards), None):
        if target.kernel < kernel_version(row["since"]):
            return _newer(row, "device tree", row["since"], target, "a newer kernel; until then software rendering")
        reason = (
            f"mainline has the node {row['gpu']} from Linux {row['since']}, and the host's own device tree has none"
        )
        return software(tables, reason, row.where, target)
    if row := next((tables.dt_socs[one] for one in compatible if one in tables.dt_socs), None):
        return software(
            tables, f"mainline's device trees show no GPU for this board of {row['soc']}", row.where, target
        )
    return None


def software(tables: Tables, why: str, row: str, target: Target, offer: str = "") -> Decision:
    """Rendering on the processor, where that is of use."""
    packages = tables.packages("software", target.purpose, target.system, target.architecture)
    return Decision(action="software", packages=packages, repository="distribution", reason=why, row=row, offer=offer)
