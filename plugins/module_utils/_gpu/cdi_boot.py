# SPDX-License-Identifier: GPL-3.0-or-later
"""The specifications of all GPUs but NVIDIA's, written anew at a boot and where render nodes come or go.

Drivers number the nodes as they find GPUs. No link of /dev/dri/by-path can stand in a specification: runtimes take nodes only (lstat in
container-device-interface, pkg/cdi/container-edits_unix.go).
gpu_cdi installs this as a program, which imports nothing but what lies beside it.
"""

from __future__ import annotations

import os
import pkgutil
import typing as t

from . import cdi, devices
from .report import write
from .tree import Tree

PARTS = ("__init__", "cdi", "cdi_boot", "devices", "report", "tree")
PROGRAM = "/usr/local/lib/unified/unified_gpu_cdi"
SERVICE, PATH = "unified-gpu-cdi-nodes.service", "unified-gpu-cdi-nodes.path"
UNITS = {
    SERVICE: """# Written by unified.deploy.gpu_cdi.
[Unit]
Description=Describe render nodes to container runtimes
# No container starts before, not even one that nothing but its own unit starts.
DefaultDependencies=no
After=sysinit.target
Before=basic.target shutdown.target
Conflicts=shutdown.target
# Nodes come one by one.
StartLimitIntervalSec=0

[Service]
Type=oneshot
TimeoutStartSec=90s
# The boot waits for this, and a GPU that hangs would keep it waiting; what comes later is described when it comes.
ExecStartPre=-/usr/bin/env udevadm settle --timeout=30
ExecStart=/usr/bin/python3 -I -B -c 'import sys; sys.path.insert(0, "{above}"); from {package}.cdi_boot import main; main("{directory}")'

[Install]
WantedBy=multi-user.target
""",
    PATH: """# Written by unified.deploy.gpu_cdi.
[Unit]
Description=Watch for render nodes that come and go

[Path]
PathChanged=/dev/dri
Unit=unified-gpu-cdi-nodes.service

[Install]
WantedBy=multi-user.target
""",
}


def files(directory: str, unit_directory: str) -> dict[str, str]:
    """Text by path of the program, and of the units that start it."""
    above, package = os.path.split(PROGRAM)
    texts = {
        os.path.join(PROGRAM, f"{part}.py"): (pkgutil.get_data(__package__, f"{part}.py") or b"").decode()
        for part in PARTS
    }
    for name, text in UNITS.items():
        named = text.replace("{above}", above).replace("{package}", package).replace("{directory}", directory)
        texts[os.path.join(unit_directory, name)] = named
    return texts


def gpus(tree: Tree) -> list[devices.Device]:
    return devices.pci_devices(tree)[0] + list(devices.device_tree(tree).get("gpus", ()))


def specifications(tree: Tree, found: t.Sequence[t.Mapping[str, t.Any]]) -> tuple[dict[str, cdi.Spec], dict[str, str]]:
    return cdi.specifications(found, kfd=tree.is_directory("sys/class/kfd/kfd"))


def main(directory: str, root: str = "/") -> None:
    """Write what differs; a kind of which nothing is left has no file, so that a container does not get another GPU's node."""
    tree = Tree(root)
    specs, _left_out = specifications(tree, gpus(tree))
    if tree.left_out:
        raise SystemExit(f"the host's GPUs cannot be read: {tree.left_out}")
    for kind in cdi.OUR_KINDS:
        path = os.path.join(directory, cdi.file_name(kind))
        written = _read(path)
        text = cdi.content(specs[kind], written) if kind in specs else ""
        if text and text != written:
            write(path, text)
        elif written and not text:
            os.unlink(path)


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as handle:
            return handle.read()
    except FileNotFoundError:
        return ""
