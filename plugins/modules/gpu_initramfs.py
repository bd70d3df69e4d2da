#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the initramfs of each kernel anew where it does not say which GPU drivers load."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_initramfs
short_description: Write the initramfs anew where it is older than the file that decides which GPU drivers load
version_added: 0.2.0
description:
  - Compares the age of the initramfs of each kernel that can boot with C(/etc/modprobe.d/unified-gpu.conf), which the role C(gpu) writes, and runs
    C(update-initramfs) or C(dracut) where one is older. Where that file has gone, the initramfs is written without it.
  - What failed or was killed is done by the next run. An initramfs that the program did not write is an error.
author:
  - The unified.deploy authors (@unified-deploy)
seealso:
  - module: unified.deploy.gpu_driver
attributes:
  check_mode:
    description: Can run in check mode.
    support: full
  diff_mode:
    description: Has nothing to show in diff mode.
    support: none
  idempotent:
    description: What is newer than the file is left as it is.
    support: full
"""

EXAMPLES = r"""
- name: Have each kernel load the drivers that were decided
  unified.deploy.gpu_initramfs:
"""

RETURN = r"""
images:
  description: What was or would be written anew.
  type: list
  elements: str
  returned: success
"""

import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change.step import run_module
from ansible_collections.unified.deploy.plugins.module_utils._gpu.steps import initramfs


def main() -> t.NoReturn:
    run_module(initramfs.SPEC, initramfs.act)


if __name__ == "__main__":
    main()
