# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual functions of GPUs (https://docs.kernel.org/PCI/pci-iov-howto.html): how many there are, who uses them, how many there are to be."""

from __future__ import annotations

import glob
import os
import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change.errors import ChangeError

from . import devices
from .tree import Tree

NAME = "unified-gpu-sriov.service"
UNIT = """# Written by unified.deploy.gpu_sriov: a GPU forgets its virtual functions when the host boots.
[Unit]
Description=Virtual functions of GPUs
After=systemd-modules-load.service systemd-udev-settle.service
Wants=systemd-udev-settle.service
Before=libvirtd.service

[Service]
Type=oneshot
RemainAfterExit=yes
{starts}
[Install]
WantedBy=multi-user.target
"""
START = """ExecStart=/bin/sh -c '[ "$(cat {path})" = {number} ] || echo {number} >{path}'\n"""


class SriovError(ChangeError):
    """The number of functions cannot be had; with the slot, and what to do."""


def check(tree: Tree, slot: str, number: t.Any) -> None:
    """Refuse what the device cannot have.

    Raises:
        SriovError: no such device, no driver that makes functions, or more than it has.
    """
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise SriovError(f"functions: {slot} has a number, not '{number}'")
    if not devices.SLOT.fullmatch(slot) or not tree.is_directory(devices.PCI, slot):
        raise SriovError(f"{slot} is not there. gpu_info lists the slots of the GPUs")
    total, driver = tree.number(devices.PCI, slot, "sriov_totalvfs"), tree.link_name(devices.PCI, slot, "driver")
    if driver == "nvidia":
        raise SriovError(
            f"{slot}: functions of NVIDIA's driver are vGPU, which its own sriov-manage makes, not this module"
        )
    if tree.text(devices.PCI, slot, "class")[2:4] not in (devices.DISPLAY, devices.ACCELERATOR):
        raise SriovError(f"{slot} is no GPU")
    if not total:
        raise SriovError(f"{slot} has no virtual functions with {driver or 'no driver'}. Is SR-IOV on in the firmware?")
    if not driver:
        raise SriovError(f"{slot} has no driver, which would have to make the functions")
    if number > total:
        raise SriovError(f"{slot} has at most {total} virtual functions, not {number}")


def current(tree: Tree, slot: str) -> int:
    return tree.number(devices.PCI, slot, "sriov_numvfs") or 0


def mediated(tree: Tree, slot: str) -> list[str]:
    """Mediated devices that were made of SLOT, such as a vGPU of a guest: ``mediated device <uuid>``."""
    types = [
        f"{devices.PCI}/{slot}/mdev_supported_types/{name}/devices"
        for name in tree.names(devices.PCI, slot, "mdev_supported_types")
    ]
    return sorted(f"mediated device {uuid}" for path in types for uuid in tree.names(path))


def users(tree: Tree, slot: str) -> list[str]:
    """Who has a node of a virtual function of SLOT open: ``process 4711 (/dev/vfio/17)``.

    Raises:
        SriovError: nodes of others cannot be seen, so that nothing is known.
    """
    nodes: set[str] = set()
    for name in tree.names(devices.PCI, slot):
        if not name.startswith("virtfn"):
            continue
        function = f"{devices.PCI}/{tree.link_name(devices.PCI, slot, name)}"
        nodes.update(f"/dev/dri/{node}" for node in tree.names(function, "drm"))
        if group := tree.link_name(function, "iommu_group"):
            nodes.add(f"/dev/vfio/{group}")
        nodes.update(f"/dev/vfio/devices/{node}" for node in tree.names(function, "vfio-dev"))
    if not nodes:
        return []
    holders = set()
    for link in glob.glob(os.path.join(glob.escape(tree.path("proc")), "[0-9]*", "fd", "*")):
        try:
            target = os.readlink(link)
        except FileNotFoundError:  # it has ended meanwhile
            continue
        except OSError as exc:
            raise SriovError(
                f"{link}: {exc.strerror}, so that nobody knows whether {slot} is in use. Run this as root"
            ) from exc
        if target in nodes:
            holders.add(f"process {link.split(os.sep)[-3]} ({target})")
    return sorted(holders)


def change(tree: Tree, slot: str, number: int) -> None:
    """Bring the device to the number; by way of none, as the kernel takes no other.

    Raises:
        SriovError: the kernel refuses; the device has the number of before again, or what is said.
    """
    before = current(tree, slot)
    try:
        if before:
            _write(tree, slot, 0)
        if number:
            _write(tree, slot, number)
    except OSError as exc:
        back = f"it has {before} again"
        try:
            if current(tree, slot) != before:
                _write(tree, slot, before)
        except OSError as again:
            back = f"and going back to {before} failed: {again.strerror}"
        raise SriovError(f"{slot}: the kernel refuses {number} virtual functions: {exc.strerror}; {back}") from exc


def _write(tree: Tree, slot: str, number: int) -> None:
    with open(tree.path(devices.PCI, slot, "sriov_numvfs"), "w", encoding="ascii") as handle:
        handle.write(f"{number}\n")


def unit(functions: t.Mapping[str, int]) -> str:
    """The unit that makes the functions at a boot; empty without any."""
    starts = "".join(
        START.format(path=f"/{devices.PCI}/{slot}/sriov_numvfs", number=number)
        for slot, number in sorted(functions.items())
        if number
    )
    return UNIT.format(starts=starts) if starts else ""
