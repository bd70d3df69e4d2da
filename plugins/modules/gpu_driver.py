#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Install a driver that was proven for every kernel that can boot."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_driver
short_description: Install a GPU driver that was built and proven for every kernel that can boot
version_added: 0.2.0
description:
  - Downloads the driver's packages, builds what is for DKMS in a directory of its own for every kernel that can boot, and proves each module by its
    vermagic, its symbols and, where the kernel insists, its signature. Only then apt installs. Where anything stands in the way, the old driver stays.
  - The driver's source packages are pinned to the installed version in C(/etc/apt/preferences.d/unified-gpu), and their packages excluded
    from unattended upgrades.
  - What a killed run began is finished or undone by the next one. Where apt fails, the packages of before come back, as far as the archive still had
    them before apt changed anything; RV(said) names those that it had not.
  - Headers and DKMS are installed first. They stay where the driver does not build.
  - With dnf, O(extra) is installed, and undone where dnf fails. NVIDIA's driver is not installed. RV(because) has the commands as long as it is not there, and
    once it is, each kernel is proven as above.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  name:
    description: Name of the kernel module, by which packages of other versions of the driver are known too.
    type: str
    default: nvidia
  packages:
    description: The driver's packages, which must all be of O(branch) and of one upstream version.
    type: list
    elements: str
    default: []
  extra:
    description: Firmware and user space, in the version that the package manager prefers.
    type: list
    elements: str
    default: []
  branch:
    description: First part of the driver's version, such as V(580). Needed with O(packages).
    type: str
    default: ""
  version:
    description:
      - The upstream version, such as V(580.178.04), or V(newest) of the branch. Where it is empty, a driver of the branch that is there stays as it
        is, and where there is none the newest comes.
    type: str
    default: ""
  manager:
    description: Which package manager installs. With V(auto) it is apt, where the host has it.
    type: str
    choices: [auto, apt, dnf]
    default: auto
  state:
    description: With V(absent), all that this module installed is removed, with apt its configuration too, and the pin and the exclusion go.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: unified.deploy.gpu_plan
  - module: unified.deploy.gpu_repository
  - module: unified.deploy.gpu_mok
  - module: unified.deploy.gpu_smoke_info
attributes:
  check_mode:
    description: Can run in check mode. It says what the package manager would do, and builds nothing.
    support: full
  diff_mode:
    description: Shows what was or would be done, one line a package or file.
    support: full
  idempotent:
    description:
      - A second run installs and builds nothing, and proves again what is there. What a compiler refused is not built again while nothing has changed.
    support: full
notes:
  - It does not load, unload or blacklist modules, and never boots the host.
"""

EXAMPLES = r"""
- name: Install NVIDIA's driver, or say why not
  unified.deploy.gpu_driver:
    packages: [nvidia-driver, nvidia-kernel-dkms]
    extra: [firmware-nvidia-gsp]
    branch: "550"
  register: driver

- name: Give up where it does not build
  ansible.builtin.assert:
    that: not driver.blocked
    fail_msg: "{{ driver.because }}"
"""

RETURN = r"""
blocked:
  description: Whether something stood in the way. Then the host has the driver that it had before.
  type: bool
  returned: always
because:
  description: What stood in the way, with the compiler's line where it was that.
  type: str
  returned: always
unbuilt:
  description: Whether that was a module that does not build for a kernel that can boot, or would not load into it. Another driver may.
  type: bool
  returned: always
said:
  description: What was done, or in check mode what would be.
  type: list
  elements: str
  returned: always
versions:
  description: Versions of the driver's packages, by name.
  type: dict
  returned: always
proofs:
  description: What keeps the driver's modules from loading, by kernel that can boot. An empty list is a proof.
  type: dict
  returned: always
reboot_reason:
  description: Why the running kernel does not use the installed driver. Empty where it does.
  type: str
  returned: always
"""

import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change.step import run_module
from ansible_collections.unified.deploy.plugins.module_utils._gpu.steps import driver


def main() -> t.NoReturn:
    run_module(driver.SPEC, driver.act)


if __name__ == "__main__":
    main()
