#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manage the key with which an SSH engine signs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vault_ssh_ca
short_description: Manage the key with which an SSH engine signs
version_added: 0.2.0
description:
  - Has an SSH engine make the key that signs keys of users and hosts, which never leaves it. A key that is there is never replaced.
extends_documentation_fragment:
  - unified.deploy.vault
options:
  mount:
    description: Where the engine is mounted.
    type: str
    default: ssh
  key_type:
    description: Type of a new key.
    type: str
    choices: [ed25519, rsa, ec]
    default: ed25519
  public_key_path:
    description: File for the public key, for C(TrustedUserCAKeys) of an SSH server.
    type: path
  state:
    description: Whether it is there. With V(absent) what it signed is still believed by all who trust it.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: unified.deploy.vault_ssh_role
  - module: unified.deploy.vault_ssh_sign
  - module: unified.deploy.vault_mount
attributes:
  diff_mode:
    description: Names what is made.
    support: full
  idempotent:
    description: A key that is there is left alone.
    support: full
"""

EXAMPLES = r"""
- name: A key that signs users
  unified.deploy.vault_ssh_ca:
    public_key_path: /etc/ssh/trusted_user_ca.pub
"""

RETURN = r"""
public_key:
  description: The public key.
  type: str
  returned: when it is there
"""

import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change.files import Wanted, replace, text
from ansible_collections.unified.deploy.plugins.module_utils._vault.client import Answer, VaultClient
from ansible_collections.unified.deploy.plugins.module_utils._vault.errors import VaultError
from ansible_collections.unified.deploy.plugins.module_utils._vault.module import run_module

SPEC: dict[str, dict[str, t.Any]] = {
    "mount": {"type": "str", "default": "ssh"},
    "key_type": {"type": "str", "choices": ["ed25519", "rsa", "ec"], "default": "ed25519"},
    "public_key_path": {"type": "path", "no_log": False},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def act(client: VaultClient, params: Answer, check_mode: bool) -> Answer:
    path = f"{params['mount'].strip('/')}/config/ca"
    public = public_key(client, path)
    if params["state"] == "absent":
        if public and not check_mode:
            client.delete(path)
        return {"changed": bool(public), "diff": {"before": f"{path}\n" * bool(public), "after": ""}}
    result: Answer = {"changed": not public, "diff": {"before": "", "after": f"{path}\n" * (not public)}}
    if not public:
        if check_mode:
            return result
        made = client.write(path, generate_signing_key=True, key_type=params["key_type"])
        public = str(made["data"]["public_key"]).strip()
    result["public_key"] = public
    if params["public_key_path"] and text(params["public_key_path"]) != public:
        result["changed"] = True
        if not check_mode:
            replace(Wanted(params["public_key_path"], f"{public}\n".encode(), 0o644))
    return result


def public_key(client: VaultClient, path: str) -> str:
    """The key that is there, empty where there is none: OpenBao answers 400 for that, as Vault does in other words."""
    try:
        answer = client.read(path)
    except VaultError as exc:
        if exc.kind == "invalid" and ("no default issuer" in exc.what or "keys haven't been configured" in exc.what):
            return ""
        raise
    return str(answer["data"]["public_key"]).strip() if answer else ""


def main() -> t.NoReturn:
    run_module(SPEC, act)


if __name__ == "__main__":
    main()
