#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Partition NVIDIA GPUs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_mig
short_description: Partition NVIDIA GPUs (MIG) by a layout
version_added: 0.2.0
description:
  - Compares the layout with the instances that are there, by profile and place, and changes only what differs.
  - Refuses while a process computes on a GPU that would change, while guests have a part of it (vGPU),
    and where the layout does not fit. All GPUs are looked at before one is changed.
  - Writes a unit that switches MIG on and makes the same partitions at every boot, as the GPUs forget them.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  layout:
    description:
      - Instances by the PCI slot of the GPU. Each is a dict with C(profile), such as V(3g.71gb), and optionally C(start), the first memory slice.
      - A GPU with an empty list gets no instances. One that is not named is left alone, unless the unit makes its partitions. Then it loses those, and MIG.
      - Each instance has one compute instance over all of it. Slices of one, such as C(1c.3g.71gb), cannot be asked for.
    type: dict
    default: {}
  state:
    description: With V(absent), the unit is removed, and the GPUs that it names have no partitions and no MIG any more.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: unified.deploy.gpu_info
  - module: unified.deploy.gpu_sriov
  - module: unified.deploy.gpu_cdi
attributes:
  check_mode:
    description: Can run in check mode.
    support: full
  diff_mode:
    description: Shows the instances before and after.
    support: full
  idempotent:
    description: Instances that are as they should be are not touched.
    support: full
notes:
  - Where MIG is off, it is switched on. Some GPUs take another mode only with a reset or boot, which RV(pending) tells and the module never does.
"""

EXAMPLES = r"""
- name: Split one GPU in two halves, and leave the second whole
  unified.deploy.gpu_mig:
    layout:
      "0000:83:00.0":
        - profile: 3g.71gb
          start: 0
        - profile: 3g.71gb
          start: 4
"""

RETURN = r"""
created:
  description: Instances that came, as C(slot profile:start).
  type: list
  elements: str
  returned: success
destroyed:
  description: Instances that went.
  type: list
  elements: str
  returned: success
pending:
  description: GPUs that switch MIG on or off only when they are reset or the host boots.
  type: list
  elements: str
  returned: success
"""

import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change.step import run_module
from ansible_collections.unified.deploy.plugins.module_utils._gpu.steps import mig


def main() -> t.NoReturn:
    run_module(mig.SPEC, mig.act)


if __name__ == "__main__":
    main()
