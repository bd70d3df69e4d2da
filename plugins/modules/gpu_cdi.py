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
  - Numbers of render nodes may change at a boot. A unit writes the specifications anew before any container starts, and where nodes come or go;
    its program lies in C(/usr/local/lib/unified/unified_gpu_cdi).
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
  required:
    description: GPUs that containers must be able to have, by slot or node. RV(passed) is false where one of them is not described, whosever the file.
    type: list
    elements: str
    default: []
  state:
    description: With V(absent), the files, units and program of this module are removed. Others in the directory are never touched.
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
lines:
  description: Each of O(required) that containers cannot have, with the reason.
  type: list
  elements: str
  returned: success
passed:
  description: Whether containers can have all of O(required).
  type: bool
  returned: success
"""

import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change.step import run_module
from ansible_collections.unified.deploy.plugins.module_utils._gpu.steps import cdi


def main() -> t.NoReturn:
    run_module(cdi.SPEC, cdi.act)


if __name__ == "__main__":
    main()
