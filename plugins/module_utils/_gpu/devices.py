# SPDX-License-Identifier: GPL-3.0-or-later
"""GPUs on PCI and in the device tree, with the nodes that programs open."""

from __future__ import annotations

import os
import re
import typing as t

from .tree import Tree

Device = dict[str, t.Any]

PCI = "sys/bus/pci/devices"
SLOT = re.compile(r"[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
# https://pcisig.com (class codes): 03 is a display controller, 12 a processing accelerator.
DISPLAY, ACCELERATOR = "03", "12"
# Accelerator is also what network and AI cards call themselves, and a co-processor may be anything: only these vendors' are GPUs.
GPU_VENDORS = {"10de": "NVIDIA", "1002": "AMD", "8086": "Intel"}
# An NVSwitch is a "bridge, other" of NVIDIA; a driver for it is part of NVIDIA's.
NVSWITCH = ("10de", "0680")
# Generic names of nodes (Devicetree Specification 2.2.2) and those that mainline uses beside them.
NODE = re.compile(r"(gpu|gpu3d|gpu2d|npu|v3d|mali)(@|$)")
DEVICE_TREE = "proc/device-tree"


def pci_devices(tree: Tree) -> tuple[list[Device], list[str]]:
    """The GPUs on PCI, one entry a function, and the slots of NVSwitches.

    A function that a driver splits into partitions is one entry, with all its render nodes.
    """
    kfd = kfd_nodes(tree)
    gpus, switches = [], []
    for slot in tree.names(PCI):
        kind = tree.text(PCI, slot, "class")[2:]
        vendor = tree.text(PCI, slot, "vendor")[2:]
        if (vendor, kind[:4]) == NVSWITCH:
            switches.append(slot)
        if kind[:2] == DISPLAY or (kind[:2] == ACCELERATOR and vendor in GPU_VENDORS):
            gpus.append(_pci_device(tree, slot, vendor, kind, kfd.get(slot.rpartition(".")[0], [])))
    return gpus, switches


def gpus(tree: Tree) -> tuple[list[Device], list[Device]]:
    """What is watched: the GPUs on PCI of the vendors that drivers are decided for, and the board's that are switched on.

    A virtual function is a guest's, or whose it was made for: without a driver nothing is wrong with it.
    """
    return (
        [one for one in pci_devices(tree)[0] if one["id"][:4] in GPU_VENDORS and not one["sriov"]["function_of"]],
        [one for one in device_tree(tree).get("gpus", ()) if one["enabled"]],
    )


def _pci_device(tree: Tree, slot: str, vendor: str, kind: str, kfd: list[Device]) -> Device:
    ancestors = _ancestors(tree, slot)
    nodes = tree.names(PCI, slot, "drm")
    renders = {name for name in nodes if name.startswith("renderD")} | {
        f"renderD{node['render_minor']}" for node in kfd if node["render_minor"]
    }
    return {
        "bus": "pci",
        "slot": slot,
        "id": f"{vendor}:{tree.text(PCI, slot, 'device')[2:]}",
        "subsystem": f"{tree.text(PCI, slot, 'subsystem_vendor')[2:]}:{tree.text(PCI, slot, 'subsystem_device')[2:]}".strip(
            ":"
        ),
        "class": kind,
        "modalias": tree.text(PCI, slot, "modalias"),
        "driver": tree.link_name(PCI, slot, "driver"),
        "boot_vga": tree.text(PCI, slot, "boot_vga") == "1",
        "numa_node": tree.number(PCI, slot, "numa_node"),
        "iommu_group": tree.link_name(PCI, slot, "iommu_group"),
        "power_state": tree.text(PCI, slot, "power_state"),
        "link": {
            name: tree.text(PCI, slot, name)
            for name in ("current_link_speed", "current_link_width", "max_link_speed", "max_link_width")
        },
        "sriov": {
            "total": tree.number(PCI, slot, "sriov_totalvfs") or 0,
            "enabled": tree.number(PCI, slot, "sriov_numvfs") or 0,
            "function_of": tree.link_name(PCI, slot, "physfn"),
        },
        # Mediated devices: vGPU of NVIDIA, GVT-g of Intel (https://docs.kernel.org/driver-api/vfio-mediated-device.html).
        "mdev": tree.is_directory(PCI, slot, "mdev_supported_types"),
        "behind": [ancestor["slot"] for ancestor in ancestors],
        "external": any(ancestor["removable"] for ancestor in ancestors) or _removable(tree, slot),
        "cards": [name for name in nodes if name.startswith("card")],
        "renders": sorted(renders, key=lambda name: (len(name), name)),
        "gfx_target_version": max((node["gfx_target_version"] for node in kfd), default=0),
    }


def _removable(tree: Tree, slot: str) -> bool:
    """Whether the kernel takes the device for one that can be unplugged: behind Thunderbolt, USB4 or another external port.

    See ``removable`` in https://docs.kernel.org/admin-guide/abi-testing.html (sysfs-devices-removable, Linux 5.14).
    """
    return tree.text(PCI, slot, "removable") == "removable"


def _ancestors(tree: Tree, slot: str) -> list[Device]:
    """The bridges above a function, nearest first."""
    real = os.path.realpath(tree.path(PCI, slot)).split("/")
    return [
        {"slot": name, "removable": _removable(tree, name)}
        for name in reversed(real)
        if SLOT.fullmatch(name) and name != slot
    ]


def kfd_nodes(tree: Tree) -> dict[str, list[Device]]:
    """What the compute driver of AMD says, by PCI device (slot without function): a partition is a node of its own.

    See https://docs.kernel.org/gpu/amdgpu (topology of KFD): location_id is bus, device and function as in PCI.
    """
    base = "sys/class/kfd/kfd/topology/nodes"
    nodes: dict[str, list[Device]] = {}
    for number in tree.names(base):
        pairs = (line.split() for line in tree.text(base, number, "properties").splitlines())
        properties = {pair[0]: pair[1] for pair in pairs if len(pair) == 2}
        numbers = {name: int(value) for name, value in properties.items() if value.isdecimal()}
        if not numbers.get("simd_count"):  # the processor
            continue
        location, domain = numbers.get("location_id", 0), numbers.get("domain", 0)
        device = f"{domain:04x}:{location >> 8 & 0xFF:02x}:{location >> 3 & 0x1F:02x}"
        nodes.setdefault(device, []).append(
            {
                "render_minor": numbers.get("drm_render_minor", 0),
                "gfx_target_version": numbers.get("gfx_target_version", 0),
            }
        )
    return nodes


def device_tree(tree: Tree) -> Device:
    """The board, and its nodes that by their name are GPUs: ``{model, compatible, gpus: [...]}``. Empty where there is none."""
    if not tree.is_directory(DEVICE_TREE):
        return {}
    platform = _platform_devices(tree)
    gpus = []
    for path in _gpu_nodes(tree, ""):
        compatible = tree.strings(DEVICE_TREE, path, "compatible")
        if compatible:
            gpus.append(
                {
                    "bus": "of",
                    "path": f"/{path}",
                    "compatible": compatible,
                    # Missing means okay (Devicetree Specification 2.3.4).
                    "enabled": (tree.strings(DEVICE_TREE, path, "status") or ["okay"])[0] in ("okay", "ok"),
                    "driver": "",
                    "renders": [],
                    **platform.get(f"/{path}", {}),
                    # How the kernel writes it (of_device_get_modalias); no type is the text (null).
                    "modalias": f"of:N{os.path.basename(path).partition('@')[0]}T(null)"
                    + "".join(f"C{one}" for one in compatible),
                }
            )
    return {
        "model": next(iter(tree.strings(DEVICE_TREE, "model")), ""),
        "compatible": tree.strings(DEVICE_TREE, "compatible"),
        "gpus": gpus,
    }


def _gpu_nodes(tree: Tree, path: str, depth: int = 0) -> t.Iterator[str]:
    """Paths of nodes below PATH. A GPU lies on the root or a bus; buses are nested less than eight deep on every board."""
    try:
        with os.scandir(tree.path(DEVICE_TREE, path)) as entries:
            children = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return
    for name in children:
        child = os.path.join(path, name)
        if NODE.match(name):
            yield child
        elif depth < 8:
            yield from _gpu_nodes(tree, child, depth + 1)


def _platform_devices(tree: Tree) -> dict[str, Device]:
    """Driver and render nodes by device-tree node."""
    base = "sys/bus/platform/devices"
    devices = {}
    for name in tree.names(base):
        for line in tree.text(base, name, "uevent").splitlines():
            key, _sign, value = line.partition("=")
            if key == "OF_FULLNAME":
                renders = [node for node in tree.names(base, name, "drm") if node.startswith("renderD")]
                devices[value] = {"driver": tree.link_name(base, name, "driver"), "renders": renders}
    return devices
