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

import re
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.unified.deploy.plugins.module_utils._change.errors import ChangeError
from ansible_collections.unified.deploy.plugins.module_utils._change.files import text
from ansible_collections.unified.deploy.plugins.module_utils._gpu import boot_units, devices, sriov
from ansible_collections.unified.deploy.plugins.module_utils._gpu.tree import Tree

UNIT = f"/etc/systemd/system/{sriov.NAME}"
ROOT = "/"


def shown(numbers: t.Mapping[str, int]) -> str:
    return "".join(f"{slot} {number}\n" for slot, number in sorted(numbers.items()))


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            "functions": {"type": "dict", "default": {}},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    tree, asked, there = Tree(ROOT), module.params["functions"], text(UNIT)
    # What the unit made and nobody asks for any more goes too.
    ours = set(re.findall(rf"cat /{devices.PCI}/([0-9a-f:.]+)/sriov_numvfs", there))
    if module.params["state"] == "absent":
        asked = {}
    desired = {slot: 0 for slot in sorted(ours - set(asked)) if tree.is_directory(devices.PCI, slot)} | asked
    changed: list[str] = []
    try:
        for slot, number in asked.items():
            sriov.check(tree, slot, number)
        before = {slot: sriov.current(tree, slot) for slot in desired}
        changing = [slot for slot in sorted(desired) if before[slot] != desired[slot]]
        for slot in changing:
            if holders := sriov.users(tree, slot):
                raise sriov.SriovError(
                    f"{slot} is in use by {', '.join(holders)}. End that, and run again; nothing was changed"
                )
        for slot in changing if not module.check_mode else ():
            sriov.change(tree, slot, desired[slot])
            changed.append(slot)
        content = sriov.unit(asked)
        persisting = there != content.strip()
        if persisting and not module.check_mode:
            boot_units.persist(UNIT, content)
    except (sriov.SriovError, ChangeError) as exc:
        module.fail_json(msg=f"{exc}" + (f"; changed before: {', '.join(changed)}" if changed else ""), slots=changed)
    module.exit_json(
        changed=bool(changing) or persisting,
        slots=changing,
        diff={"before": shown(before), "after": shown(desired)},
    )


if __name__ == "__main__":
    main()
