# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA's GPUs for container runtimes: nvidia-ctk knows which libraries of the driver must come along.

https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/cdi-support.html
"""

from __future__ import annotations

import json
import os
import re
import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change import programs
from ansible_collections.unified.deploy.plugins.module_utils._change.errors import ChangeError

from . import cdi

KIND = "nvidia.com/gpu"
# Runtimes read both. A device that two files of one directory name is kept from every container, and one of /var/run/cdi hides that of /etc/cdi.
DIRECTORIES = ("/etc/cdi", "/var/run/cdi")
MAKE_NODES = "nvidia-ctk system create-device-nodes --control-devices --load-kernel-modules"
# What a container needs beside a GPU's own node: without them it starts, and nothing computes in it.
CONTROL_NODES = ("/dev/nvidiactl", "/dev/nvidia-uvm")
GPU_NODE = re.compile(r"/dev/nvidia[0-9]+")
LIBRARY = "libcuda.so."
# What to do, by what a message ends with: NVML's own words, but for the first and the last, which is of a specification without devices.
ADVICE = {
    "is not installed": "install the package nvidia-container-toolkit, which NVIDIA offers",
    "ERROR_LIBRARY_NOT_FOUND": "libnvidia-ml.so.1 is not there: install the driver's libraries",
    "Driver Not Loaded": "load the driver's module, or boot",
    "Driver/library version mismatch": "the module that is loaded and the libraries are of two versions: boot",
    "empty device edits": "the driver shows no GPU that a container could have. One that MIG splits needs an instance",
}
SERVICE, PATH = "unified-gpu-cdi.service", "unified-gpu-cdi.path"
UNITS = {
    SERVICE: f"""# Written by unified.deploy.gpu_cdi.
[Unit]
Description=Describe NVIDIA GPUs to container runtimes
After=nvidia-persistenced.service unified-gpu-mig.service
ConditionPathExists=/proc/driver/nvidia/version

[Service]
Type=oneshot
# The boot waits for this, and a GPU that hangs would keep it waiting.
TimeoutStartSec=90s
# nvidia-ctk leaves out nodes that are not there, and nobody may have computed yet.
ExecStartPre=-/usr/bin/env {MAKE_NODES}
ExecStart=/usr/bin/env nvidia-ctk --quiet cdi generate --format=json --output={{file}}

[Install]
WantedBy=multi-user.target
""",
    # depmod writes modules.dep after each change of a driver; gpu_mig writes its unit with each change of partitions.
    PATH: """# Written by unified.deploy.gpu_cdi.
[Unit]
Description=Watch for changes of the driver and of partitions

[Path]
PathChanged=/lib/modules/%v/modules.dep
PathChanged=/etc/systemd/system/unified-gpu-mig.service
Unit=unified-gpu-cdi.service

[Install]
WantedBy=multi-user.target
""",
}


def units(directory: str) -> dict[str, str]:
    """Text by name of the units that write the specification anew."""
    file = os.path.join(directory, cdi.file_name(KIND))
    return {name: text.replace("{file}", file) for name, text in UNITS.items()}


def specification(directories: t.Sequence[str] = DIRECTORIES) -> tuple[dict[str, t.Any], str]:
    """What nvidia-ctk says of the host's GPUs, and why there is nothing where there is not."""
    if foreign := others(directories):
        return (
            {},
            f"{foreign} describes NVIDIA's GPUs already; a second description would be hidden, or keep both from containers",
        )
    try:
        answer = programs.run(["nvidia-ctk", "--quiet", "cdi", "generate", "--format=json"])
    except ChangeError as exc:
        return {}, advised(f"{cdi.NVIDIA}: {exc}")
    if answer.code:
        return {}, f"nvidia-ctk ended with {answer.code}: {advised(answer.err or answer.out)}"
    try:
        spec = json.loads(answer.out)
        if spec.get("kind") != KIND:
            return {}, f"nvidia-ctk described '{spec.get('kind')}', not {KIND}"
        lacks = lacking(spec)
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}, "nvidia-ctk wrote no specification that can be read"
    return ({}, lacks) if lacks else (spec, "")


def advised(said: str) -> str:
    """The message of what nvidia-ctk logs last, without the time that would make each run's another, and what to do."""
    last = (said.strip().splitlines() or [""])[-1]
    logged = re.search(r' msg="((?:[^"\\]|\\.)*)"', last)
    message = re.sub(r"\\(.)", r"\1", logged.group(1)) if logged else last
    return next((f"{message}: {advice}" for cause, advice in ADVICE.items() if message.endswith(cause)), message)


def lacking(spec: t.Mapping[str, t.Any]) -> str:
    """Why a container would not start by a specification, or nothing compute in it; empty where all is there.

    nvidia-ctk names what it finds, and ends with 0 where half of a driver is missing.
    """
    if paths := missing(spec):
        return (
            f"nvidia-ctk names files that are not there: {', '.join(paths[:3])}. Are the driver and NVIDIA's container toolkit wholly "
            "installed, and each of one version?"
        )
    common = spec.get("containerEdits", {})
    without = [
        device["name"]
        for device in spec["devices"]
        if not any(map(GPU_NODE.fullmatch, _nodes(device["containerEdits"])))
    ]
    if without:
        return f"nvidia-ctk finds no node /dev/nvidia<number> of device '{without[0]}': install nvidia-modprobe, which makes it"
    if absent := [path for path in CONTROL_NODES if path not in _nodes(common)]:
        return f"nvidia-ctk finds no {' and no '.join(absent)}: run '{MAKE_NODES}'"
    if not any(os.path.basename(mount["hostPath"]).startswith(LIBRARY) for mount in common.get("mounts", ())):
        return "nvidia-ctk finds no libcuda of the driver's version, without which nothing computes: install it"
    return ""


def _nodes(edits: t.Mapping[str, t.Any]) -> list[str]:
    return [node["path"] for node in edits.get("deviceNodes", ())]


def missing(spec: t.Mapping[str, t.Any]) -> list[str]:
    """Files, nodes and programs of the host that a specification names and that are not there."""
    edits = [spec.get("containerEdits", {}), *(device["containerEdits"] for device in spec["devices"])]
    paths = [node.get("hostPath") or node["path"] for edit in edits for node in edit.get("deviceNodes", ())]
    paths += [mount["hostPath"] for edit in edits for mount in edit.get("mounts", ())]
    paths += [hook["path"] for edit in edits for hook in edit.get("hooks", ())]
    return sorted({path for path in paths if not os.path.exists(path)})


def others(directories: t.Sequence[str]) -> str:
    """A file that is not ours and describes the same kind; empty where there is none."""
    for directory in directories:
        for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else []:
            path = os.path.join(directory, name)
            if name == cdi.file_name(KIND) or not name.endswith((".json", ".yaml")):
                continue
            with open(path, encoding="utf-8", errors="replace") as handle:
                if KIND in handle.read():
                    return path
    return ""
