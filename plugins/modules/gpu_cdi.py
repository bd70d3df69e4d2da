#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Describe a host's GPUs to container runtimes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_cdi
short_description: Describe a host's AMD, Intel and board GPUs to container runtimes
version_added: 0.2.0
description:
  - Writes specifications of the Container Device Interface (CDI), by which Podman, Docker, containerd and CRI-O give GPUs to containers.
  - Kinds are C(amd.com/gpu), C(intel.com/gpu) and, for boards and nouveau, C(freedesktop.org/gpu). Devices are named by their PCI slot
    or node, and C(all). A partition is C(<slot>-<number>).
  - A container gets render nodes and, for AMD, C(/dev/kfd); never a card's node.
  - Numbers of render nodes may change at a boot. Run this again where the driver or the hardware has changed.
  - GPUs with NVIDIA's driver are left out, because C(nvidia-ctk) describes them.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  directory:
    description: Where the runtimes look. It is made where there is something to write.
    type: path
    default: /etc/cdi
  state:
    description: With V(absent), the files of this module are removed. Others in the directory are never touched.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    description: Can run in check mode.
    support: full
  diff_mode:
    description: Shows the specifications.
    support: full
  idempotent:
    description: Compares before it writes.
    support: full
"""

EXAMPLES = r"""
- name: Let containers have the GPUs
  unified.deploy.gpu_cdi:

- name: Use one
  containers.podman.podman_container:
    name: render
    image: localhost/render
    device: [amd.com/gpu=all]
"""

RETURN = r"""
devices:
  description: Names by which containers can ask for the GPUs.
  type: list
  elements: str
  returned: success
files:
  description: Files that were written or removed.
  type: list
  elements: str
  returned: success
left_out:
  description: Why a GPU has no specification, by slot or node.
  type: dict
  returned: success
"""

import json
import os
import tempfile
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.unified.deploy.plugins.module_utils._gpu import cdi, devices
from ansible_collections.unified.deploy.plugins.module_utils._gpu.tree import Tree


def read(path: str) -> str:
    """What the file holds; empty where there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as handle:
            return handle.read()
    except FileNotFoundError:
        return ""


def replace(module: AnsibleModule, path: str, content: str) -> None:
    """Put CONTENT in the place of the file; with nothing, remove it."""
    if not content:
        os.unlink(path)
        return
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".unified-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        # Runtimes of users who are not root read it too.
        os.chmod(temporary, 0o644)
        module.atomic_move(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "default": "/etc/cdi"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    tree = Tree()
    gpus = devices.pci_devices(tree)[0] + devices.device_tree(tree).get("gpus", [])
    if tree.left_out:
        module.fail_json(msg=f"the host's GPUs cannot be read: {tree.left_out}. Run this as root")
    specs, left_out = cdi.specifications(gpus, kfd=tree.is_directory("sys/class/kfd/kfd"))
    desired = specs if module.params["state"] == "present" else {}
    files, before, after = [], "", ""
    try:
        for kind in cdi.ALL_KINDS:
            path = os.path.join(module.params["directory"], cdi.file_name(kind))
            content = json.dumps(desired[kind], indent=2) + "\n" if kind in desired else ""
            old = read(path)
            if old == content:
                continue
            files.append(path)
            before, after = before + old, after + content
            if not module.check_mode:
                replace(module, path, content)
    except OSError as exc:
        module.fail_json(msg=f"{exc.filename}: {exc.strerror}")
    names = [f"{kind}={device['name']}" for kind, spec in desired.items() for device in spec["devices"]]
    diff = {"before": before, "after": after}
    module.exit_json(changed=bool(files), files=files, devices=names, left_out=left_out, diff=diff)


if __name__ == "__main__":
    main()
