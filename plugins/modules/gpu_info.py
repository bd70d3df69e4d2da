#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The GPUs of a host, and what decides about their drivers."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_info
short_description: Read a host's GPUs and what decides about their drivers
version_added: 0.2.0
description:
  - Reads C(/sys), the device tree, the kernels in C(/boot) with their modules, and the EFI variables. It starts no process, needs no
    program and changes nothing.
  - GPUs are counted by function. A function that its driver splits into partitions is one GPU with many render nodes.
  - That no GPU was seen says something only where there was a place to look. RV(gpu.looked_at) tells.
author:
  - The unified.deploy authors (@unified-deploy)
seealso:
  - module: unified.deploy.gpu_plan
  - module: unified.deploy.gpu_health_info
extends_documentation_fragment:
  - unified.deploy.reading
"""

EXAMPLES = r"""
- name: Which GPUs are there?
  unified.deploy.gpu_info:
  register: gpus

- name: Show the kernels that a GPU's driver must be there for
  ansible.builtin.debug:
    msg: "{{ gpus.gpu.kernels | map(attribute='release') }}"
"""

RETURN = r"""
gpu:
  description: What was read.
  type: dict
  returned: success
  contains:
    schema:
      description: Version of this structure.
      type: int
    architecture:
      description: Architecture as uname gives it.
      type: str
    system:
      description: The keys C(os), C(version) and C(like) of os-release.
      type: dict
    virtualisation:
      description: The C(container) and the C(machine) that the host runs in. Empty where it does not.
      type: dict
    devices:
      description:
        - GPUs on PCI, with id, class, driver, DRM nodes, NUMA node, IOMMU group, link, SR-IOV, and whether they can be unplugged.
      type: list
      elements: dict
    nvswitches:
      description: Slots of NVSwitches.
      type: list
      elements: str
    board:
      description: Model, compatibles and GPU nodes of the device tree. Empty without one.
      type: dict
    kernels:
      description:
        - Each kernel that can boot, with headers, which modules claim each GPU, and the modules of DKMS.
        - Of a module that was built, C(kernel) is the one that it was built for, C(signer) the path of the host's own certificate
          that it was signed for, C(another key), or empty, and C(unread) why nothing is known.
      type: list
      elements: dict
    running_kernel:
      description: Release of the running kernel.
      type: str
    loaded:
      description: Loaded modules that drive GPUs, by name, with version, taint and, for NVIDIA's, flavour.
      type: dict
    secure_boot:
      description:
        - State of Secure Boot, lockdown, whether the kernel refuses unsigned modules (C(enforced)), and whether the host's own keys are enrolled,
          pending or absent.
      type: dict
    parameters:
      description: Parameters of the running kernel that concern GPUs, IOMMU and modules.
      type: list
      elements: str
    blacklisted:
      description: Modules that modprobe.d or the running kernel's command line keeps from loading.
      type: list
      elements: str
    looked_at:
      description: How many PCI functions and kernels there are, whether there is a device tree, and the DRM nodes.
      type: dict
    left_out:
      description: Files that could not be read, with the reason.
      type: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.unified.deploy.plugins.module_utils._gpu.facts import gather


def main() -> t.NoReturn:
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    module.exit_json(changed=False, gpu=gather())


if __name__ == "__main__":
    main()
