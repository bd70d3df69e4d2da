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
extends_documentation_fragment:
  - unified.deploy.reading
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

from ansible_collections.unified.deploy.plugins.module_utils._change.step import run_module
from ansible_collections.unified.deploy.plugins.module_utils._gpu.steps import smoke


def main() -> t.NoReturn:
    run_module(smoke.SPEC, smoke.act)


if __name__ == "__main__":
    main()
