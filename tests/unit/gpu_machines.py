"""Recorded machines as directories that look like their /sys, /proc, /boot and /lib (tests/unit/fixtures/gpu/machines.json)."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

FIXTURES = Path(__file__).parent / "fixtures" / "gpu"
MACHINES: dict[str, dict[str, t.Any]] = {
    machine["name"]: machine for machine in json.loads((FIXTURES / "machines.json").read_text())
}
RELEASE = "6.12.107+deb13-amd64"
# ID and VERSION_ID of os-release, and the kernel that the release brings.
SYSTEMS = {
    "debian12": ("debian", "12", "6.1.0-41-amd64"),
    "debian13": ("debian", "13", RELEASE),
    "ubuntu2204": ("ubuntu", "22.04", "5.15.0-204-generic"),
    "ubuntu2404": ("ubuntu", "24.04", "6.8.0-151-generic"),
    "ubuntu2604": ("ubuntu", "26.04", "7.0.0-43-generic"),
    "rhel9": ("rhel", "9.6", "5.14.0-570.el9.x86_64"),
    "rhel10": ("rhel", "10.0", "6.12.0-55.el10.x86_64"),
}
# Nodes that serve a GPU, and what mainline calls them.
SERVING = {"gmu": "gmu", "smmu": "iommu", "v3d": "v3d"}


def put(root: Path, path: str, content: str | bytes) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())


def link(root: Path, path: str, target: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.symlink_to(target)


def build(root: Path, machine: dict[str, t.Any], system: str = "debian13") -> Path:
    """Write the machine below ROOT."""
    os, version, release = SYSTEMS[system]
    put(root, "etc/os-release", f'ID={os}\nVERSION_ID="{version}"\n')
    put(root, "proc/sys/kernel/osrelease", release + "\n")
    put(root, f"boot/vmlinuz-{release}", "")
    put(root, f"lib/modules/{release}/modules.alias", "# Aliases extracted from modules themselves.\n")
    # A bridge: every machine with PCI has one.
    put(root, "sys/bus/pci/devices/0000:00:00.0/class", "0x060000\n")
    for device in machine.get("pci", []):
        pci(root, device)
    if "fabric" in machine:
        # The recording says that there are NVSwitches, and not where.
        put(root, "sys/bus/pci/devices/0000:ff:00.0/class", "0x068000\n")
        put(root, "sys/bus/pci/devices/0000:ff:00.0/vendor", "0x10de\n")
    if "devicetree" in machine:
        board(root, machine["devicetree"])
    return root


def pci(root: Path, device: dict[str, t.Any]) -> None:
    """One function, below the bridges that it was recorded behind."""
    slot = device["slot"]
    where = f"sys/devices/pci{slot[:7]}"
    for bridge in reversed(device.get("behind", [])):
        where = f"{where}/{bridge.split()[0]}"
        if device.get("external"):
            put(root, f"{where}/removable", "removable\n")
    where = f"{where}/{slot}"
    for name in (
        "class",
        "vendor",
        "device",
        "subsystem_vendor",
        "subsystem_device",
        "boot_vga",
        "numa_node",
        "power_state",
    ):
        if name in device:
            put(root, f"{where}/{name}", device[name] + "\n")
    vendor, product, kind = device["vendor"][2:].upper(), device["device"][2:].upper(), device["class"][2:].upper()
    put(
        root,
        f"{where}/modalias",
        f"pci:v0000{vendor}d0000{product}sv00000000sd00000000bc{kind[:2]}sc{kind[2:4]}i{kind[4:]}\n",
    )
    if device.get("external"):
        put(root, f"{where}/removable", "removable\n")
    for name in ("current", "max"):
        if f"{name}_link" in device:
            speed, _, width = device[f"{name}_link"].rpartition(" x")
            put(root, f"{where}/{name}_link_speed", f"{speed} PCIe\n")
            put(root, f"{where}/{name}_link_width", f"{width}\n")
    if "driver" in device:
        link(root, f"{where}/driver", f"../../../bus/pci/drivers/{device['driver']}")
    if "card" in device:
        put(root, f"{where}/drm/{device['card']}/dev", "226:0\n")
    link(root, f"sys/bus/pci/devices/{slot}", f"../../../{where.removeprefix('sys/')}")
    for minor in device.get("render_minors", []):
        domain, bus, function = slot.split(":")
        place = int(bus, 16) << 8 | int(function.split(".")[0], 16) << 3 | minor % 8
        put(
            root,
            f"sys/class/kfd/kfd/topology/nodes/{minor}/properties",
            f"simd_count 304\nlocation_id {place}\ndomain {int(domain, 16)}\ndrm_render_minor {minor}\n"
            f"gfx_target_version {device.get('gfx_target_version', 0)}\n",
        )


def board(root: Path, tree: dict[str, t.Any]) -> None:
    base = "sys/firmware/devicetree/base"
    link(root, "proc/device-tree", "/sys/firmware/devicetree/base")
    put(root, f"{base}/model", tree["model"] + "\0")
    put(root, f"{base}/compatible", "".join(f"{one}\0" for one in tree["compatible"]))
    for number, gpu in enumerate(tree["gpu"]):
        name = node_name(gpu["compatible"])
        for copy in range(gpu["count"]):
            node = f"{base}/soc/{name}@{number}{copy}000000"
            put(root, f"{node}/compatible", "".join(f"{one}\0" for one in gpu["compatible"]))


def node_name(compatible: list[str]) -> str:
    return next((name for part, name in SERVING.items() if part in compatible[0]), "gpu")
