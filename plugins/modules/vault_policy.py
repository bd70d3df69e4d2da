#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manage ACL policies."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vault_policy
short_description: Manage ACL policies
version_added: 0.2.0
description:
  - Writes a policy where its text differs.
extends_documentation_fragment:
  - unified.deploy.vault
options:
  name:
    description: Name of the policy.
    type: str
    required: true
  policy:
    description: Rules, in HCL or JSON. Needed with O(state=present).
    type: str
  state:
    description: Whether it is there.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: unified.deploy.vault_approle
  - module: unified.deploy.vault_auth
attributes:
  diff_mode:
    description: Shows whether it changes.
    support: full
  idempotent:
    description: What is there is not written.
    support: full
"""

EXAMPLES = r"""
- name: Let the application read its secrets
  unified.deploy.vault_policy:
    name: app
    policy: |
      path "secret/data/app/*" { capabilities = ["read"] }
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
from ansible_collections.unified.deploy.plugins.module_utils._vault.module import run_module, settle

SPEC: dict[str, dict[str, t.Any]] = {
    "name": {"type": "str", "required": True},
    "policy": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def act(client: VaultClient, params: Answer, check_mode: bool) -> Answer:
    path = f"sys/policies/acl/{params['name']}"
    return settle(client, path, {"policy": params["policy"]}, state=params["state"], check_mode=check_mode)


def main() -> t.NoReturn:
    run_module(SPEC, act, required_if=[("state", "present", ["policy"])])


if __name__ == "__main__":
    main()
