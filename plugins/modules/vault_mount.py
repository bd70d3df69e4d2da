#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manage secrets engines."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vault_mount
short_description: Manage secrets engines
version_added: 0.2.0
description:
  - Enables secrets engines and tunes them. The type of one that is there is never changed.
extends_documentation_fragment:
  - unified.deploy.vault
options:
  path:
    description: Where it is mounted.
    type: str
    required: true
  type:
    description: Type, for example V(kv), V(pki), V(ssh) or V(database). Needed with O(state=present).
    type: str
  description:
    description: What it is for.
    type: str
  options:
    description: Options of the type, for example V(version) of V(kv).
    type: dict
    default: {}
  config:
    description: Settings to tune, named as in the API. See U(https://openbao.org/api-docs/system/mounts/#tune-mount-configuration).
    type: dict
    default: {}
  state:
    description: Whether it is there. With V(absent) all that it holds is lost.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: unified.deploy.vault_kv
  - module: unified.deploy.vault_pki_root
  - module: unified.deploy.vault_ssh_ca
  - module: unified.deploy.vault_database_connection
attributes:
  diff_mode:
    description: Shows names, never values.
    support: full
  idempotent:
    description: What is there is not written.
    support: full
"""

EXAMPLES = r"""
- name: Versioned secrets
  unified.deploy.vault_mount:
    path: team
    type: kv
    options: {version: 2}
"""

RETURN = r"""
changed_names:
  description: Names of settings that differ.
  type: list
  elements: str
  returned: success
"""

import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._vault.client import Answer, VaultClient
from ansible_collections.unified.deploy.plugins.module_utils._vault.module import run_module
from ansible_collections.unified.deploy.plugins.module_utils._vault.mounts import settle_mount

SPEC: dict[str, dict[str, t.Any]] = {
    "path": {"type": "str", "required": True},
    "type": {"type": "str"},
    "description": {"type": "str"},
    "options": {"type": "dict", "default": {}},
    "config": {"type": "dict", "default": {}},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def act(client: VaultClient, params: Answer, check_mode: bool) -> Answer:
    return settle_mount(client, "mounts", params, check_mode=check_mode)


def main() -> t.NoReturn:
    run_module(SPEC, act, required_if=[("state", "present", ["type"])])


if __name__ == "__main__":
    main()
