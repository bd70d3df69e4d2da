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
    choices: [approle, cert, jwt, kubernetes, ldap, oidc, userpass]
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
      - Roles, and of V(userpass) users, of V(ldap) groups and of V(cert) certificates, by name, with settings as in the API.
      - Roles that are not named stay.
    type: dict
    default: {}
  update_secrets:
    description:
      - Settings that the server never shows (C(password), C(bindpass), C(oidc_client_secret), C(token_reviewer_jwt)) are sent when what they
        belong to is new, or another setting of it changes.
      - With V(changed) the C(password) of V(userpass) is also compared, by logging in with it. That also holds in check mode, where each run
        with another password is a failed login of that user, and the server locks a user for some minutes after five. What cannot be
        compared is listed in C(unchecked_names), with a warning.
      - V(always) sends them at each run, and always reports a change.
    type: str
    choices: [changed, always]
    default: changed
  state:
    description: Whether it is there.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: unified.deploy.vault_approle
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
unchecked_names:
  description: Settings of which nothing says whether they are the wanted ones, since the server shows them to nobody.
  type: list
  elements: str
  returned: success
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
ROLES = {
    "approle": "role", "cert": "certs", "jwt": "role", "kubernetes": "role", "ldap": "groups", "oidc": "role", "userpass": "users",
}  # fmt: skip
WRITE_ONLY = ("bindpass", "oidc_client_secret", "password", "token_reviewer_jwt")

SPEC: dict[str, dict[str, t.Any]] = {
    "path": {"type": "str"},
    "type": {"type": "str", "choices": sorted(ROLES), "required": True},
    "description": {"type": "str"},
    "tune": {"type": "dict", "default": {}},
    "config": {"type": "dict", "default": {}, "no_log": True},
    "roles": {"type": "dict", "default": {}, "no_log": True},
    "update_secrets": {"type": "str", "choices": ["changed", "always"], "default": "changed", "no_log": False},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def act(client: VaultClient, params: Answer, check_mode: bool) -> Answer:
    path = (params["path"] or params["type"]).strip("/")
    mount = {**params, "path": path, "config": params["tune"], "options": {}}
    result = settle_mount(client, "auth", mount, check_mode=check_mode)
    if params["state"] == "absent" or (check_mode and "type" in result["changed_names"]):
        return result
    parts = [("", f"auth/{path}/config", params["config"])] if params["config"] else []
    parts += [
        (f"{name}.", f"auth/{path}/{ROLES[params['type']]}/{segment(name, 'roles')}", settings or {})
        for name, settings in params["roles"].items()
    ]
    unchecked: list[str] = []
    remarks: list[str] = []
    for prefix, place, settings in parts:
        secrets = Secrets(client, params, place, settings)
        one = settle(
            client, place, settings, check_mode=check_mode, write_only=WRITE_ONLY, outdated=secrets.outdated
        )  # fmt: skip
        if not one["changed"]:
            unchecked += [f"{prefix}{name}" for name in secrets.unchecked]
        result["changed"] = result["changed"] or one["changed"]
        remarks += one["warnings"]
        result["changed_names"] += [f"{prefix}{name}" for name in one["changed_names"]] or (
            [prefix] if one["changed"] else []
        )
        for side in ("before", "after"):
            lines = one["diff"][side].splitlines(keepends=True)
            result["diff"][side] += "".join(f"{prefix}{line}" for line in lines)
    result["unchecked_names"] = unchecked
    if unchecked:
        what = f"Whether {', '.join(unchecked)} of auth/{path} is the wanted one cannot be asked"
        remarks.append(f"{what}, and it was not sent. Set update_secrets to always for one run after it was changed")
    return {**result, "warnings": remarks}


class Secrets:
    """The write-only settings of one object: which have to be sent, and, after that was asked, which could not be compared."""

    def __init__(self, client: VaultClient, params: Answer, place: str, settings: Answer) -> None:
        self.client, self.params, self.place, self.settings = client, params, place, settings
        self.names = [name for name in WRITE_ONLY if name in settings]
        self.unchecked: list[str] = []

    def outdated(self) -> list[str]:
        if self.params["update_secrets"] == "always":
            return self.names
        if self.params["type"] != "userpass" or self.names != ["password"]:
            self.unchecked = self.names
            return []
        login = self.place.replace("/users/", "/login/")
        accepted = self.client.accepts(login, password=self.settings["password"])
        self.unchecked = self.names if accepted is None else []
        return self.names if accepted is False else []


def main() -> t.NoReturn:
    run_module(SPEC, act)


if __name__ == "__main__":
    main()
