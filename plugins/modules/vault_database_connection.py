#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manage connections of a database engine."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vault_database_connection
short_description: Manage connections of a database engine
version_added: 0.2.0
description:
  - Tells a database engine how to reach a database. The server connects to it before it keeps that, unless O(verify=false).
extends_documentation_fragment:
  - unified.deploy.vault
options:
  name:
    description: Name of the connection, the C(db_name) of M(unified.deploy.vault_database_role).
    type: str
    required: true
  mount:
    description: Where the engine is mounted.
    type: str
    default: database
  plugin_name:
    description: Plugin, for example V(postgresql-database-plugin). Needed with O(state=present).
    type: str
  connection_url:
    description: Address of the database, with C({{username}}) and C({{password}}) where these belong, so that it shows no password.
    type: str
  username:
    description: User that makes users.
    type: str
  database_password:
    description: Password of O(username).
    type: str
  update_password:
    description:
      - Whether O(database_password) is sent when the connection is new only, or V(always), which always reports a change. The server shows it to
        nobody.
    type: str
    choices: [on_create, always]
    default: on_create
  rotate:
    description:
      - Whether the server gives O(username) a password of its own when the connection is new, which then nobody else has. Excludes
        O(update_password=always).
    type: bool
    default: false
  allowed_roles:
    description: Roles that may use it, V(*) for all.
    type: list
    elements: str
  verify:
    description: Whether the server connects before it keeps the settings.
    type: bool
    default: true
  config:
    description: More settings, of the plugin, named as in the API. See U(https://openbao.org/api-docs/secret/databases/).
    type: dict
    default: {}
  state:
    description: Whether it is there.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: unified.deploy.vault_database_role
  - module: unified.deploy.vault_mount
attributes:
  diff_mode:
    description: Shows names of settings, never values.
    support: full
  idempotent:
    description: Settings that are there are not written.
    support: full
"""

EXAMPLES = r"""
- name: A database whose administrator only Vault knows from now on
  unified.deploy.vault_database_connection:
    name: main
    plugin_name: postgresql-database-plugin
    connection_url: "postgresql://{% raw %}{{username}}:{{password}}{% endraw %}@db.example.org/app"
    username: vault
    database_password: "{{ lookup('unified.deploy.secret', 'sops://db.yaml#password') }}"
    rotate: true
    allowed_roles: [app]
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
from ansible_collections.unified.deploy.plugins.module_utils._vault.errors import VaultError
from ansible_collections.unified.deploy.plugins.module_utils._vault.module import run_module, warnings_of
from ansible_collections.unified.deploy.plugins.module_utils._vault.paths import segment
from ansible_collections.unified.deploy.plugins.module_utils._vault.settings import differing, names_diff

SPEC: dict[str, dict[str, t.Any]] = {
    "name": {"type": "str", "required": True},
    "mount": {"type": "str", "default": "database"},
    "plugin_name": {"type": "str"},
    "connection_url": {"type": "str", "no_log": True},
    "username": {"type": "str"},
    "database_password": {"type": "str", "no_log": True},
    "update_password": {"type": "str", "choices": ["on_create", "always"], "default": "on_create", "no_log": False},
    "rotate": {"type": "bool", "default": False},
    "allowed_roles": {"type": "list", "elements": "str"},
    "verify": {"type": "bool", "default": True},
    "config": {"type": "dict", "default": {}, "no_log": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}
SHOWN = ("plugin_name", "connection_url", "username", "allowed_roles")


def act(client: VaultClient, params: Answer, check_mode: bool) -> Answer:
    if params["rotate"] and params["update_password"] == "always":
        what = "rotate and update_password: always contradict each other"
        raise VaultError(
            what, kind="invalid", fix="The password that is given is no longer the one after it was rotated"
        )
    mount, name = params["mount"].strip("/"), segment(params["name"], "name")
    path = f"{mount}/config/{name}"
    answer = client.read(path)
    shown = {**answer["data"], **(answer["data"].get("connection_details") or {})} if answer else None
    if params["state"] == "absent":
        if shown is not None and not check_mode:
            client.delete(path)
        return {"changed": shown is not None, "changed_names": [], "diff": names_diff(shown or (), shown, None)}
    settings = {**params["config"], **{option: params[option] for option in SHOWN if params[option] is not None}}
    changed = differing(settings, shown)
    password = {"password": params["database_password"]} if params["database_password"] is not None else {}
    if password and (shown is None or params["update_password"] == "always"):
        changed = sorted([*changed, "database_password"])
    remarks: list[str] = []
    if changed and not check_mode:
        sent = password if "database_password" in changed else {}
        remarks = warnings_of(client.write(path, **settings, **sent, verify_connection=params["verify"]), settings)
        if shown is None and params["rotate"]:
            client.write(f"{mount}/rotate-root/{name}")
    return {
        "changed": bool(changed),
        "changed_names": changed,
        "warnings": remarks,
        "diff": names_diff(changed, shown, {**settings, **dict.fromkeys(changed)}),
    }


def main() -> t.NoReturn:
    run_module(SPEC, act, required_if=[("state", "present", ["plugin_name"])])


if __name__ == "__main__":
    main()
