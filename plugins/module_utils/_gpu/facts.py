# SPDX-License-Identifier: GPL-3.0-or-later
"""All that is decided on, in one reading."""

from __future__ import annotations

import os
import typing as t

from . import boot, devices, kernels
from .tree import Tree

SCHEMA = 1


def gather(root: str = "/", *, machine: str = "") -> dict[str, t.Any]:
    """The facts about a host's GPUs.

    Args:
        root: the directory that holds ``sys``, ``proc``, ``boot``, ``lib``, ``etc``, ``run``, ``var``.
        machine: the architecture as uname(2) has it; asked where it is not given.
    """
    tree = Tree(root)
    gpus, switches = devices.pci_devices(tree)
    board = devices.device_tree(tree)
    modaliases = [gpu["modalias"] for gpu in gpus + board.get("gpus", []) if gpu["modalias"]]
    return {
        "schema": SCHEMA,
        "architecture": machine or os.uname().machine,
        "system": system(tree),
        "virtualisation": boot.virtualisation(tree),
        "devices": gpus,
        "nvswitches": switches,
        "board": board,
        "kernels": [kernels.kernel(tree, release, modaliases) for release in kernels.bootable(tree)],
        "running_kernel": kernels.running(tree),
        "loaded": boot.loaded(tree),
        "secure_boot": boot.secure_boot(tree),
        "parameters": boot.parameters(tree),
        "blacklisted": boot.blacklisted(tree),
        "looked_at": _looked_at(tree),
        "left_out": tree.left_out,
    }


def system(tree: Tree) -> dict[str, str]:
    """ID, VERSION_ID and ID_LIKE of os-release(5)."""
    text = tree.text("etc/os-release") or tree.text("usr/lib/os-release")
    entries = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    values = {key: value.strip("\"'") for key, value in entries.items()}
    return {"os": values.get("ID", ""), "version": values.get("VERSION_ID", ""), "like": values.get("ID_LIKE", "")}


def _looked_at(tree: Tree) -> dict[str, t.Any]:
    """Where GPUs were looked for: that none was seen says something only where the place exists."""
    return {
        "pci": len(tree.names(devices.PCI)) if tree.is_directory(devices.PCI) else None,
        "device_tree": tree.is_directory(devices.DEVICE_TREE),
        "drm": [name for name in tree.names("sys/class/drm") if "-" not in name and name != "version"],
        "kernels": len(kernels.bootable(tree)),
    }
