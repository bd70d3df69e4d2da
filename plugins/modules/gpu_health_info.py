#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a host's GPUs are."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_health_info
short_description: Read how a host's GPUs are
version_added: 0.2.0
description:
  - Looks for errors of NVIDIA's driver in the kernel's log since the boot (XID, SXid), uncorrected errors of memory, rows that wait to be remapped,
    a reset that the driver asks for, slowdowns, temperatures beside their limits, links with fewer lanes than both ends can have, and a driver
    whose module, libraries and pin are not of one version.
  - Of NVIDIA's GPUs C(nvidia-smi -q -x) is asked, of others sysfs, and the journal of the kernel. It changes nothing.
  - What should be known and is not is V(unread), which is not healthy. What a GPU or its driver does not have is V(absent).
author:
  - The unified.deploy authors (@unified-deploy)
seealso:
  - module: unified.deploy.gpu_info
  - module: unified.deploy.gpu_smoke_info
extends_documentation_fragment:
  - unified.deploy.reading
"""

EXAMPLES = r"""
- name: How are the GPUs?
  unified.deploy.gpu_health_info:
  register: health

- name: Stop where one is not well
  ansible.builtin.assert:
    that: health.healthy
    fail_msg: "{{ health.lines }}"
"""

RETURN = r"""
healthy:
  description: Whether a GPU was seen, nothing is bad, and nothing is unread.
  type: bool
  returned: success
findings:
  description:
    - Each check of each GPU, with C(name), C(where) (a slot, or empty for the host), C(state) (C(ok), C(bad), C(unread) or C(absent)) and what
      was C(said).
  type: list
  elements: dict
  returned: success
lines:
  description: What is bad or unread, a line each.
  type: list
  elements: str
  returned: success
samples:
  description: Numbers, each with C(name), C(labels) and C(value).
  type: list
  elements: dict
  returned: success
"""

import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change.step import run_module
from ansible_collections.unified.deploy.plugins.module_utils._gpu.steps import health


def main() -> t.NoReturn:
    run_module(health.SPEC, health.act)


if __name__ == "__main__":
    main()
