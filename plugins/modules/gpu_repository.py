#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Add a repository of packages by the fingerprint of its key."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_repository
short_description: Add a repository to apt or dnf by the fingerprint of its key
version_added: 0.2.0
description:
  - Writes a deb822 source, or a file for dnf, that is signed by one key, and that key, to files of its own.
  - Before anything is written, apt or dnf reads the repository into a directory of its own. One that is unsigned, signed by another key, or led to an
    unprotected address is refused, whatever the host's configuration of apt allows.
  - The key is refused where it is not the pinned one, has expired or was revoked.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  name:
    description: Name of the files, C(unified-<name>.sources) and C(unified-<name>.gpg); for dnf C(unified-<name>.repo) and C(unified-<name>.asc).
    type: str
    required: true
  url:
    description: Address of the repository, https or file. Plain http is taken only together with O(keyring). Needed where it is present.
    type: str
    default: ""
  suites:
    description: Suites, or one path that ends with a slash for a repository without suites. dnf knows none but V(/).
    type: list
    elements: str
    default: []
  components:
    description: Components of the suites.
    type: list
    elements: str
    default: []
  architectures:
    description: Architectures to read. All of the host where it is empty.
    type: list
    elements: str
    default: []
  fingerprints:
    description: Whole fingerprints of the keys that may sign.
    type: list
    elements: str
    default: []
  key:
    description: The armored public key. Where it is empty, O(key_url) is asked.
    type: str
    default: ""
  key_url:
    description: Where the host gets the key. Whatever comes from there counts only if it has the pinned fingerprint.
    type: str
    default: ""
  keyring:
    description: A keyring that is on the host already, in place of a key, such as the distribution's own.
    type: str
    default: ""
  manager:
    description: For which program. With V(auto), apt where the host has it, else dnf.
    type: str
    choices: [auto, apt, dnf]
    default: auto
  state:
    description: Whether the repository is there. With V(absent), its two files are removed.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: unified.deploy.gpu_driver
  - module: unified.deploy.gpu_plan
attributes:
  check_mode:
    description: Can run in check mode, and tries the repository then too.
    support: full
  diff_mode:
    description: Shows the source.
    support: full
  idempotent:
    description: Compares before it writes.
    support: full
"""

EXAMPLES = r"""
- name: Take NVIDIA's container toolkit from a mirror
  unified.deploy.gpu_repository:
    name: nvidia-container-toolkit
    url: https://mirror.example.com/libnvidia-container/stable/deb/amd64
    suites: [/]
    key: "{{ lookup('ansible.builtin.file', 'nvidia.asc') }}"
    fingerprints: [C95B321B61E88C1809C4F759DDCAE044F796ECB0]
"""

RETURN = r"""
paths:
  description: Files that were written or removed.
  type: list
  elements: str
  returned: success
fingerprint:
  description: Of the key that signs; empty with O(keyring).
  type: str
  returned: success
expires:
  description: When the key expires, in seconds since 1970; 0 where it does not.
  type: int
  returned: success
"""

import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change.step import run_module
from ansible_collections.unified.deploy.plugins.module_utils._gpu.steps import repository


def main() -> t.NoReturn:
    run_module(repository.SPEC, repository.act)


if __name__ == "__main__":
    main()
