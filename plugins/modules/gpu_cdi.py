#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Describe a host's GPUs to container runtimes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_cdi
short_description: Describe a host's GPUs to container runtimes
version_added: 0.2.0
description:
  - Writes specifications of the Container Device Interface (CDI), by which Podman, Docker, containerd and CRI-O give GPUs to containers.
  - Kinds are C(amd.com/gpu), C(intel.com/gpu) and, for boards and nouveau, C(freedesktop.org/gpu). Devices are named by their PCI slot
    or node, and C(all). A partition is C(<slot>-<number>).
  - A container gets render nodes and, for AMD, C(/dev/kfd); never a card's node.
  - Numbers of render nodes may change at a boot. Run this again where the driver or the hardware has changed.
  - Of GPUs with NVIDIA's driver it writes what C(nvidia-ctk) says, the kind C(nvidia.com/gpu), and a unit that writes it anew at a boot and where
    the driver or its partitions change. They are left out without C(nvidia-ctk), and where a file that it names, a node that computing needs or
    C(libcuda) is not there.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  directory:
    description: Where the runtimes look. It is made where there is something to write.
    type: path
    default: /etc/cdi
  unit_directory:
    description: Where the units of systemd lie.
    type: path
    default: /etc/systemd/system
  state:
    description: With V(absent), the files and units of this module are removed. Others in the directory are never touched.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: unified.deploy.gpu_info
  - module: unified.deploy.gpu_mig
  - module: unified.deploy.gpu_smoke_info
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

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.unified.deploy.plugins.module_utils._change import programs
from ansible_collections.unified.deploy.plugins.module_utils._change.errors import ChangeError
from ansible_collections.unified.deploy.plugins.module_utils._gpu import boot_units, cdi, cdi_nvidia, devices, texts
from ansible_collections.unified.deploy.plugins.module_utils._gpu.tree import Tree


def desired_files(
    asked: t.Mapping[str, t.Any], tree: Tree, gpus: t.Sequence[t.Mapping[str, t.Any]]
) -> tuple[dict[str, str], dict[str, t.Any], dict[str, str]]:
    """Content by path, empty for what is not to be there; the specifications by kind; and why a GPU has none."""
    specs, left_out = cdi.specifications(gpus, kfd=tree.is_directory("sys/class/kfd/kfd"))
    nvidia = [name for name, reason in left_out.items() if reason == cdi.NVIDIA and asked["state"] == "present"]
    directories = sorted({asked["directory"], *cdi_nvidia.DIRECTORIES})
    if nvidia:
        spec, why = cdi_nvidia.specification(directories)
        left_out.update(dict.fromkeys(nvidia, why))
        if spec:
            specs[cdi_nvidia.KIND] = spec
            left_out = {name: reason for name, reason in left_out.items() if name not in nvidia}
    specs = specs if asked["state"] == "present" else {}
    paths = {kind: os.path.join(asked["directory"], cdi.file_name(kind)) for kind in cdi.ALL_KINDS}
    files = {path: cdi.content(specs[kind], texts.read(path)) if kind in specs else "" for kind, path in paths.items()}
    # Where the driver does not answer before the next boot, the units that are there describe its GPUs then.
    waits = nvidia and not cdi_nvidia.others(directories)
    for name, text in cdi_nvidia.units(asked["directory"]).items():
        path = os.path.join(asked["unit_directory"], name)
        files[path] = text if cdi_nvidia.KIND in specs or (waits and texts.read(path)) else ""
    return files, specs, left_out


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "default": "/etc/cdi"},
            "unit_directory": {"type": "path", "default": "/etc/systemd/system"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    tree = Tree()
    gpus = devices.pci_devices(tree)[0] + devices.device_tree(tree).get("gpus", [])
    if tree.left_out:
        module.fail_json(msg=f"the host's GPUs cannot be read: {tree.left_out}. Run this as root")
    try:
        desired, specs, left_out = desired_files(module.params, tree, gpus)
        old = texts.differing(desired)
        units = [path for path in old if path.startswith(module.params["unit_directory"] + "/")]
        going = [os.path.basename(path) for path in units if not desired[path]]
        coming = [path for path in units if desired[path]]
        if not module.check_mode:
            if going:
                programs.must(["systemctl", "daemon-reload"])
                programs.must(["systemctl", "disable", "--now", *going])
            texts.put({path: desired[path] for path in old})
            if coming:
                boot_units.enable(
                    coming, start=[name for name in (cdi_nvidia.PATH,) if name in map(os.path.basename, coming)]
                )
    except ChangeError as exc:
        module.fail_json(msg=str(exc))
    except OSError as exc:
        module.fail_json(msg=f"{exc.filename}: {exc.strerror}")
    names = [f"{kind}={device['name']}" for kind, spec in specs.items() for device in spec["devices"]]
    diff = texts.diff(old, desired, cdi.shown)
    module.exit_json(changed=bool(old), files=list(old), devices=names, left_out=left_out, diff=diff)


if __name__ == "__main__":
    main()
