# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA's GPUs for container runtimes: nvidia-ctk knows which libraries of the driver must come along.

https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/cdi-support.html
"""

from __future__ import annotations

import json
import os
import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change import programs
from ansible_collections.unified.deploy.plugins.module_utils._change.errors import ChangeError

from . import cdi

KIND = "nvidia.com/gpu"
# Runtimes read both; two files that name one device keep it from every container.
DIRECTORIES = ("/etc/cdi", "/var/run/cdi")
SERVICE, PATH = "unified-gpu-cdi.service", "unified-gpu-cdi.path"
UNITS = {
    SERVICE: """# Written by unified.deploy.gpu_cdi.
[Unit]
Description=Describe NVIDIA GPUs to container runtimes
After=nvidia-persistenced.service unified-gpu-mig.service
ConditionPathExists=/proc/driver/nvidia/version

[Service]
Type=oneshot
ExecStart=/usr/bin/env nvidia-ctk --quiet cdi generate --format=json --output={file}

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
        return {}, f"{foreign} describes NVIDIA's GPUs already; a second description would keep both from containers"
    try:
        answer = programs.run(["nvidia-ctk", "--quiet", "cdi", "generate", "--format=json"])
    except ChangeError:
        return {}, cdi.NVIDIA
    if answer.code:
        return {}, f"nvidia-ctk ended with {answer.code}: {answer.said}"
    try:
        spec = json.loads(answer.out)
        paths = missing(spec)
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}, "nvidia-ctk wrote no specification that can be read"
    if spec.get("kind") != KIND:
        return {}, f"nvidia-ctk described '{spec.get('kind')}', not {KIND}"
    if paths:
        return (
            {},
            f"nvidia-ctk names files that are not there: {', '.join(paths[:3])}. Is the driver wholly installed, and of one version?",
        )
    return spec, ""


def missing(spec: t.Mapping[str, t.Any]) -> list[str]:
    """Files and nodes of the host that a specification names and that are not there."""
    edits = [spec.get("containerEdits", {}), *(device["containerEdits"] for device in spec["devices"])]
    paths = [node.get("hostPath") or node["path"] for edit in edits for node in edit.get("deviceNodes", ())]
    paths += [mount["hostPath"] for edit in edits for mount in edit.get("mounts", ())]
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
