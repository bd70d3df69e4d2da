#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manage AppRole roles and their secret ids."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vault_approle
short_description: Manage AppRole roles and their secret ids
version_added: 0.2.0
description:
  - Manages a role of the AppRole auth method, and keeps its role id and a valid secret id in files.
extends_documentation_fragment:
  - unified.deploy.vault
options:
  name:
    description: Name of the role.
    type: str
    required: true
  mount:
    description: Where the auth method is mounted.
    type: str
    default: approle
  config:
    description:
      - Settings, named as in the API. Settings that are not named stay as they are. Durations and lists may have any notation.
      - See U(https://openbao.org/api-docs/auth/approle/#createupdate-approle).
    type: dict
    default: {}
  role_id_path:
    description: File for the role id, mode 0600.
    type: path
  secret_id_path:
    description: File for a secret id, mode 0600. A new one is made where the file is missing or its secret id is no longer valid.
    type: path
  state:
    description: Whether it is there.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: unified.deploy.vault_auth
  - module: unified.deploy.vault_policy
attributes:
  diff_mode:
    description: Shows names, never values.
    support: full
  idempotent:
    description: What is there is not written.
    support: full
"""

EXAMPLES = r"""
- name: A role for the deployment, with its credentials on this host
  unified.deploy.vault_approle:
    name: deploy
    config:
      token_policies: [deploy]
      token_ttl: 10m
    role_id_path: /etc/deploy/role-id
    secret_id_path: /etc/deploy/secret-id
"""

RETURN = r"""
changed_names:
  description: Names of settings that differ.
  type: list
  elements: str
  returned: success
role_id:
  description: The role id. It is a name, not a secret.
  type: str
  returned: when the role is there
"""

import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change.files import Wanted, replace, text
from ansible_collections.unified.deploy.plugins.module_utils._vault.client import Answer, VaultClient
from ansible_collections.unified.deploy.plugins.module_utils._vault.module import run_module, settle
from ansible_collections.unified.deploy.plugins.module_utils._vault.paths import segment

SPEC: dict[str, dict[str, t.Any]] = {
    "name": {"type": "str", "required": True},
    "mount": {"type": "str", "default": "approle"},
    "config": {"type": "dict", "default": {}},
    "role_id_path": {"type": "path"},
    "secret_id_path": {"type": "path", "no_log": False},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def act(client: VaultClient, params: Answer, check_mode: bool) -> Answer:
    path = f"auth/{params['mount'].strip('/')}/role/{segment(params['name'], 'name')}"
    result = settle(client, path, params["config"], state=params["state"], check_mode=check_mode)
    answer = client.read(f"{path}/role-id") if params["state"] == "present" else None
    if answer is None:
        return result
    result["role_id"] = answer["data"]["role_id"]
    if params["role_id_path"] and text(params["role_id_path"]) != result["role_id"]:
        result["changed"] = True
        if not check_mode:
            replace(Wanted(params["role_id_path"], f"{result['role_id']}\n".encode()))
    if params["secret_id_path"] and not valid(client, path, text(params["secret_id_path"])):
        result["changed"] = True
        if not check_mode:
            made = client.write(f"{path}/secret-id")["data"]["secret_id"]
            replace(Wanted(params["secret_id_path"], f"{made}\n".encode()))
    return result


def valid(client: VaultClient, path: str, secret_id: str) -> bool:
    return bool(secret_id and client.write(f"{path}/secret-id/lookup", secret_id=secret_id).get("data"))


def main() -> t.NoReturn:
    run_module(SPEC, act)


if __name__ == "__main__":
    main()
