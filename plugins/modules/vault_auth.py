#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manage auth methods."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vault_auth
short_description: Manage auth methods
version_added: 0.2.0
description:
  - Enables auth methods, and manages their settings and roles.
extends_documentation_fragment:
  - unified.deploy.vault
options:
  path:
    description: Where it is mounted. By default its type.
    type: str
  type:
    description: Type.
    type: str
    choices: [approle, cert, jwt, kubernetes, oidc, userpass]
    required: true
  description:
    description: What it is for.
    type: str
  tune:
    description: Settings of the mount. See U(https://openbao.org/api-docs/system/auth/#tune-auth-method).
    type: dict
    default: {}
  config:
    description: Settings of the method, for example V(oidc_discovery_url), named as in the API.
    type: dict
    default: {}
  roles:
    description:
      - Roles, and of V(userpass) users and of V(cert) certificates, by name, with settings as in the API.
      - A V(password) is sent when the user is new, or another setting of it changes. Roles that are not named stay.
    type: dict
    default: {}
  state:
    description: Whether it is there.
    type: str
    choices: [present, absent]
    default: present
attributes:
  diff_mode:
    description: Shows names, never values.
    support: full
  idempotent:
    description: What is there is not written.
    support: full
"""

EXAMPLES = r"""
- name: Let pods log in
  unified.deploy.vault_auth:
    type: kubernetes
    config:
      kubernetes_host: https://kubernetes.default.svc
    roles:
      app:
        bound_service_account_names: [app]
        bound_service_account_namespaces: [default]
        token_policies: [app]
"""

RETURN = r"""
changed_names:
  description: Names of settings that differ, those of roles with the role's name.
  type: list
  elements: str
  returned: success
"""

import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._vault.client import Answer, VaultClient
from ansible_collections.unified.deploy.plugins.module_utils._vault.module import run_module, settle
from ansible_collections.unified.deploy.plugins.module_utils._vault.mounts import settle_mount
from ansible_collections.unified.deploy.plugins.module_utils._vault.paths import segment

# https://openbao.org/api-docs/auth/
ROLES = {"approle": "role", "cert": "certs", "jwt": "role", "kubernetes": "role", "oidc": "role", "userpass": "users"}
WRITE_ONLY = ("password", "oidc_client_secret", "token_reviewer_jwt")

SPEC: dict[str, dict[str, t.Any]] = {
    "path": {"type": "str"},
    "type": {"type": "str", "choices": sorted(ROLES), "required": True},
    "description": {"type": "str"},
    "tune": {"type": "dict", "default": {}},
    "config": {"type": "dict", "default": {}, "no_log": True},
    "roles": {"type": "dict", "default": {}, "no_log": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def act(client: VaultClient, given: Answer, check_mode: bool) -> Answer:
    path = (given["path"] or given["type"]).strip("/")
    mount = {**given, "path": path, "config": given["tune"], "options": {}}
    result = settle_mount(client, "auth", mount, check_mode=check_mode)
    if given["state"] == "absent" or (check_mode and "type" in result["changed_names"]):
        return result
    parts = [("", f"auth/{path}/config", given["config"])] if given["config"] else []
    parts += [
        (f"{name}.", f"auth/{path}/{ROLES[given['type']]}/{segment(name, 'roles')}", settings or {})
        for name, settings in given["roles"].items()
    ]
    for prefix, place, settings in parts:
        one = settle(client, place, settings, check_mode=check_mode, write_only=WRITE_ONLY)
        result["changed"] = result["changed"] or one["changed"]
        result["changed_names"] += [f"{prefix}{name}" for name in one["changed_names"]] or (
            [prefix] if one["changed"] else []
        )
        for side in ("before", "after"):
            lines = one["diff"][side].splitlines(keepends=True)
            result["diff"][side] += "".join(f"{prefix}{line}" for line in lines)
    return result


def main() -> t.NoReturn:
    run_module(SPEC, act)


if __name__ == "__main__":
    main()
