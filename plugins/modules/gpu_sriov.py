#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual functions of GPUs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_sriov
short_description: Split GPUs into virtual functions (SR-IOV)
version_added: 0.2.0
description:
  - Compares the number of virtual functions with the one that is asked for, and writes it only where it differs.
  - Refuses while a process, a virtual machine for one, has a function open, and what a device does not have. All GPUs are looked at before one is
    changed.
  - Writes a unit that makes the functions at every boot, as the GPUs forget them.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  functions:
    description:
      - The number of virtual functions by the PCI slot of the GPU. A GPU that is not named is left alone.
    type: dict
    default: {}
  state:
    description: With V(absent), the unit is removed, and the GPUs that it names have no virtual functions any more.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: unified.deploy.gpu_info
  - module: unified.deploy.gpu_mig
attributes:
  check_mode:
    description: Can run in check mode.
    support: full
  diff_mode:
    description: Shows the numbers before and after.
    support: full
  idempotent:
    description: Compares before it writes.
    support: full
notes:
  - Another number means that all functions of the GPU go and come again, as the kernel knows no other way.
  - Functions of NVIDIA's driver are vGPU, which needs a licence and its own tools. They are refused.
"""

EXAMPLES = r"""
- name: Four guests share a card
  unified.deploy.gpu_sriov:
    functions:
      "0000:03:00.0": 4
"""

RETURN = r"""
slots:
  description: GPUs whose number was or would be changed.
  type: list
  elements: str
  returned: success
"""

import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change.step import run_module
from ansible_collections.unified.deploy.plugins.module_utils._gpu.steps import sriov


def main() -> t.NoReturn:
    run_module(sriov.SPEC, sriov.act)


if __name__ == "__main__":
    main()
