# SPDX-License-Identifier: GPL-3.0-or-later
"""Specifications by which container runtimes find GPUs: https://github.com/cncf-tags/container-device-interface (SPEC.md)."""

from __future__ import annotations

import json
import typing as t

Spec = dict[str, t.Any]

# The first version in which a device's name may begin with a digit.
VERSION = "0.5.0"
KINDS = {"amdgpu": "amd.com/gpu", "radeon": "amd.com/gpu", "i915": "intel.com/gpu", "xe": "intel.com/gpu"}
# Drivers of boards, and nouveau: Mesa drives them all from the render node alone.
OTHER_KIND = "freedesktop.org/gpu"
OUR_KINDS = tuple(dict.fromkeys([*KINDS.values(), OTHER_KIND]))
ALL_KINDS = (*OUR_KINDS, "nvidia.com/gpu")
# NVIDIA's libraries must come into the container too, in the driver's version: nvidia-ctk knows which.
NVIDIA = "nvidia-ctk of NVIDIA's container toolkit describes it (nvidia-ctk cdi generate)"


def name(gpu: t.Mapping[str, t.Any]) -> str:
    """What a GPU is called among the devices: its slot, or its node in the device tree."""
    return str(gpu["slot"] if gpu["bus"] == "pci" else gpu["path"].rpartition("/")[2].replace("@", "-"))


def specifications(
    gpus: t.Sequence[t.Mapping[str, t.Any]], *, kfd: bool, dev: str = "/dev"
) -> tuple[dict[str, Spec], dict[str, str]]:
    """A specification by kind, and why a GPU is in none, by name.

    A container gets render nodes, never a card's node, by which it could set the screen's mode. A GPU that its driver split is one
    device with all its nodes and one a partition (``<slot>-<number>``); ``all`` is every GPU of the kind.

    Args:
        gpus: devices as gpu_info reads them, on PCI and in the device tree.
        kfd: whether the host has AMD's compute driver, whose one node serves all GPUs.
        dev: where the nodes lie on the host.
    """
    nodes: dict[str, dict[str, list[str]]] = {}
    left_out = {}
    for gpu in gpus:
        called = name(gpu)
        if gpu["driver"] == "nvidia":
            left_out[called] = NVIDIA
        elif not gpu["renders"]:
            left_out[called] = f"no render node: {gpu['driver'] or 'no driver'} gives it none"
        else:
            devices = nodes.setdefault(KINDS.get(gpu["driver"], OTHER_KIND), {})
            devices[called] = gpu["renders"]
            if len(gpu["renders"]) > 1:
                devices.update({f"{called}-{number}": [node] for number, node in enumerate(gpu["renders"])})
    return {kind: _specification(kind, devices, kfd, dev) for kind, devices in nodes.items()}, left_out


def _specification(kind: str, devices: t.Mapping[str, list[str]], kfd: bool, dev: str) -> Spec:
    every = list(dict.fromkeys(node for nodes in devices.values() for node in nodes))
    spec: Spec = {
        "cdiVersion": VERSION,
        "kind": kind,
        "devices": [
            {"name": name, "containerEdits": {"deviceNodes": [_node(f"dri/{node}", dev) for node in nodes]}}
            for name, nodes in [*devices.items(), ("all", every)]
        ],
    }
    if kfd and kind == "amd.com/gpu":
        spec["containerEdits"] = {"deviceNodes": [_node("kfd", dev)]}
    return spec


def _node(name: str, dev: str) -> dict[str, str]:
    return {"path": f"/dev/{name}", **({} if dev == "/dev" else {"hostPath": f"{dev}/{name}"})}


def file_name(kind: str) -> str:
    """The name of our file for a kind: runtimes read every file of the directory, and only ours are changed or removed."""
    return f"unified-{kind.replace('/', '-')}.json"


def content(spec: Spec, written: str) -> str:
    """What the file of a specification is to hold: what was written, where that says the same. nvidia-ctk writes all in one line."""
    text = json.dumps(spec, indent=2) + "\n"
    return written if shown(written) == text else text


def shown(text: str) -> str:
    """A specification as we would write it; another text as it is."""
    try:
        return json.dumps(json.loads(text), indent=2) + "\n"
    except ValueError:
        return text
