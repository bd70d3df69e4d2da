#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin gpu_plan; the code lies in plugins/action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_plan
short_description: Decide which driver each GPU of a host gets, and why
version_added: 0.2.0
description:
  - Reads the host with M(unified.deploy.gpu_info), and decides on the controller, by tables, about each GPU. It changes nothing.
  - All devices of NVIDIA's driver get one branch. Where no branch drives all of them, the refusal names two of them.
  - A device that no table has, a system that is not supported, and whatever contradicts itself is refused with the reason.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  purpose:
    description: What the GPUs are for. With V(passthrough) they are given to guests, and get no driver on the host.
    type: str
    choices: [compute, desktop, media, passthrough]
    default: compute
  driver:
    description: A branch of NVIDIA's driver, such as V(580), or V(auto) for the one that the tables prefer.
    type: str
    default: auto
  flavour:
    description: Which kernel modules of NVIDIA's driver. V(auto) takes what NVIDIA recommends for device and branch.
    type: str
    choices: [auto, open, closed]
    default: auto
  repository:
    description: Where NVIDIA's driver may come from. V(auto) takes the distribution's where it drives the device.
    type: str
    choices: [auto, distribution, vendor]
    default: auto
  devices:
    description:
      - What is decided by hand, by slot or C(vendor:device). Each value may have the keys C(branch), C(driver), C(flavour) and C(purpose).
      - The rules about contradictions hold for it as they do for the tables.
    type: dict
    default: {}
  egpu_allow:
    description: Slots or C(vendor:device) of the GPUs behind Thunderbolt or USB4 that may be used, or V(all). Another one that is plugged in blocks.
    type: list
    elements: str
    default: [all]
  mig:
    description: What NVIDIA's GPUs are to be split into, by slot, as M(unified.deploy.gpu_mig) takes it. Only whether it can be is judged.
    type: dict
    default: {}
  steps:
    description:
      - Whether M(unified.deploy.gpu_steps_info) reads the host, and says in the same execution whether the steps of the last run of the role
        C(gpu) would change anything.
    type: bool
    default: false
  show:
    description: Whether RV(lines) are shown on the terminal, where nothing blocks.
    type: bool
    default: false
seealso:
  - module: unified.deploy.gpu_info
  - module: unified.deploy.gpu_steps_info
  - module: unified.deploy.gpu_driver
extends_documentation_fragment:
  - unified.deploy.reading
"""

EXAMPLES = r"""
- name: Decide
  unified.deploy.gpu_plan:
    purpose: compute
  register: gpus

- name: Show the decisions
  ansible.builtin.debug:
    msg: "{{ [gpus.header] + gpus.lines }}"

- name: Decide about one device by hand
  unified.deploy.gpu_plan:
    devices:
      "10de:2335":
        branch: "580"
        flavour: open
"""

RETURN = r"""
plan:
  description: What was decided.
  type: dict
  returned: success
  contains:
    system:
      description: The system as the tables name it, such as C(debian13).
      type: str
    architecture:
      description: The architecture as Debian names it.
      type: str
    kernel:
      description: Version of the newest kernel that can boot, for which it was decided.
      type: str
    purpose:
      description: What the GPUs are for.
      type: str
    devices:
      description:
        - Each GPU with the driver that is bound now, the decision (action, driver, branch, flavour, version, packages, firmware,
          parameters, repository), its reason, the row of the table that decided, what is offered elsewhere, and how the host stands to it.
      type: list
      elements: dict
    conflicts:
      description: What contradicts, with class (inconsistent, risk or caution), place, reason and cure.
      type: list
      elements: dict
    differences:
      description: Where the host's kernels say something else than the tables.
      type: list
      elements: str
    left_out:
      description: What could not be read of the host. Then C(blocked) is true.
      type: list
      elements: str
    blocked:
      description: Whether something keeps the decisions from being carried out.
      type: bool
    awaits_key:
      description: Whether nothing keeps them but a key that is not enrolled, which M(unified.deploy.gpu_mok) can request.
      type: bool
    install:
      description:
        - What the role C(gpu) installs for the decisions. Empty where C(blocked) is true. It has the driver's C(name), C(branch) and C(packages),
          C(extra) packages, the C(repository) as M(unified.deploy.gpu_repository) takes it, the text of the C(modprobe) file, C(units),
          why the role cannot install it (C(refused)), and what could be asked for C(instead), where it does not build.
      type: dict
    smoke:
      description: By which ways programs must see the GPUs once the driver is loaded, as M(unified.deploy.gpu_smoke_info) takes them.
      type: dict
    reboot_reason:
      description: Which devices have a driver of the kernel, one for guests or the other flavour of NVIDIA's only after a boot. Empty where none waits.
      type: str
    looked_at:
      description: Where GPUs were looked for.
      type: str
steps:
  description: What M(unified.deploy.gpu_steps_info) says of the steps of the last run, of its answers those that the role reads.
  type: dict
  returned: success
header:
  description: Names of the columns of RV(lines).
  type: str
  returned: success
lines:
  description: The plan for people, one line a device and those that explain it.
  type: list
  elements: str
  returned: success
"""
