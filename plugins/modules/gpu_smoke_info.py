#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether programs see the GPUs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_smoke_info
short_description: Look whether programs see the GPUs
version_added: 0.2.0
description:
  - Asks C(vulkaninfo), C(clinfo), the loader of Level Zero, C(nvidia-smi) or the compute driver of AMD (KFD) which devices there are.
  - A processor that renders or computes (llvmpipe, pocl) is no GPU, whatever the exit status of the program is.
  - It starts these programs as root, and changes nothing. A program that is not installed is a failure of its way, not of the module.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  ways:
    description: The ways that must show GPUs, each with the PCI slots of those. An empty list asks for any GPU.
    type: dict
    required: true
  software:
    description: Whether rendering on the processor is what was decided, so that a processor is enough.
    type: bool
    default: false
seealso:
  - module: unified.deploy.gpu_health_info
  - module: unified.deploy.gpu_cdi
attributes:
  check_mode:
    description: Can run in check mode, as it never changes anything.
    support: full
  diff_mode:
    description: Has nothing to show in diff mode.
    support: none
  idempotent:
    description: Never reports a change.
    support: full
notes:
  - C(vulkaninfo), C(clinfo) and Level Zero do not tell slots; of them as many GPUs are asked for as slots are named.
"""

EXAMPLES = r"""
- name: Does Vulkan see the GPU?
  unified.deploy.gpu_smoke_info:
    ways:
      vulkan: ["0000:03:00.0"]
  register: smoke
  failed_when: not smoke.passed
"""

RETURN = r"""
passed:
  description: Whether every way shows what it must. Without any way it is false, as nothing was looked at.
  type: bool
  returned: success
ways:
  description: For each way C(gpus) and C(processors) by name, and C(because), why it did not pass, or empty.
  type: dict
  returned: success
lines:
  description: Why ways did not pass, a line each.
  type: list
  elements: str
  returned: success
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.unified.deploy.plugins.module_utils._gpu import smoke


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={"ways": {"type": "dict", "required": True}, "software": {"type": "bool", "default": False}},
        supports_check_mode=True,
    )
    asked = module.params["ways"]
    for way, slots in asked.items():
        if way not in smoke.WAYS:
            module.fail_json(msg=f"ways: there is no '{way}'. Use {', '.join(smoke.WAYS)}")
        if not isinstance(slots, list):
            module.fail_json(msg=f"ways: {way} has a list of slots")
    ways = {}
    for way, slots in sorted(asked.items()):
        looked = smoke.look(way)
        because = smoke.passed(looked, slots, software=module.params["software"])
        ways[way] = {"gpus": looked.gpus, "processors": looked.processors, "because": because}
    lines = [f"{way}: {one['because']}" for way, one in ways.items() if one["because"]]
    module.exit_json(changed=False, passed=bool(ways) and not lines, ways=ways, lines=lines)


if __name__ == "__main__":
    main()
