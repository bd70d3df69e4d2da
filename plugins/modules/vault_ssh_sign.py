#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have SSH keys signed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vault_ssh_sign
short_description: Have SSH keys signed
version_added: 0.2.0
description:
  - Has an SSH engine sign a public key, and again before the certificate ends, or where its principals are not the wanted ones.
  - Needs the Python package C(cryptography) on the host.
extends_documentation_fragment:
  - unified.deploy.vault
options:
  name:
    description: Role of the SSH engine.
    type: str
    required: true
  mount:
    description: Where the engine is mounted.
    type: str
    default: ssh
  public_key_path:
    description: The public key.
    type: path
    required: true
  cert_path:
    description: File for the certificate.
    type: path
    required: true
  cert_type:
    description: Whether it is for a user or for a host.
    type: str
    choices: [user, host]
    default: user
  principals:
    description: Users or host names that it is valid for.
    type: list
    elements: str
    required: true
  ttl:
    description: How long it is to be valid.
    type: str
    default: 1d
  renew_before:
    description: How long before its end a new one is asked for.
    type: str
    default: 1h
seealso:
  - module: unified.deploy.vault_ssh_role
  - module: unified.deploy.vault_ssh_ca
attributes:
  diff_mode:
    description: Shows why it is signed.
    support: full
  idempotent:
    description: A certificate that is good for longer than O(renew_before) is kept.
    support: full
"""

EXAMPLES = r"""
- name: A certificate for this host's key
  unified.deploy.vault_ssh_sign:
    name: hosts
    public_key_path: /etc/ssh/ssh_host_ed25519_key.pub
    cert_path: /etc/ssh/ssh_host_ed25519_key-cert.pub
    cert_type: host
    principals: ["{{ inventory_hostname }}"]
    ttl: 30d
    renew_before: 7d
"""

RETURN = r"""
reason:
  description: Why it was signed. Empty where the old certificate is good.
  type: str
  returned: success
"""

import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change.files import Wanted, replace, text
from ansible_collections.unified.deploy.plugins.module_utils._vault.client import Answer, VaultClient
from ansible_collections.unified.deploy.plugins.module_utils._vault.errors import VaultError
from ansible_collections.unified.deploy.plugins.module_utils._vault.issued import ssh_certificate_state
from ansible_collections.unified.deploy.plugins.module_utils._vault.module import run_module
from ansible_collections.unified.deploy.plugins.module_utils._vault.paths import segment
from ansible_collections.unified.deploy.plugins.module_utils._vault.settings import span

SPEC: dict[str, dict[str, t.Any]] = {
    "name": {"type": "str", "required": True},
    "mount": {"type": "str", "default": "ssh"},
    "public_key_path": {"type": "path", "required": True, "no_log": False},
    "cert_path": {"type": "path", "required": True},
    "cert_type": {"type": "str", "choices": ["user", "host"], "default": "user"},
    "principals": {"type": "list", "elements": "str", "required": True},
    "ttl": {"type": "str", "default": "1d"},
    "renew_before": {"type": "str", "default": "1h"},
}


def act(client: VaultClient, params: Answer, check_mode: bool) -> Answer:
    ttl, before = span(params["ttl"], "ttl"), span(params["renew_before"], "renew_before", less_than=params["ttl"])
    public = text(params["public_key_path"])
    if not public:
        raise VaultError(f"there is no public key {params['public_key_path']}", kind="invalid", fix="Make it first")
    reason = ssh_certificate_state(text(params["cert_path"]), public, set(params["principals"]), before)
    result = {
        "changed": bool(reason),
        "reason": reason,
        "diff": {"before": "", "after": f"{reason}\n" if reason else ""},
    }
    if reason and not check_mode:
        answer = client.write(
            f"{params['mount'].strip('/')}/sign/{segment(params['name'], 'name')}", public_key=public, cert_type=params["cert_type"],
            valid_principals=",".join(params["principals"]), ttl=f"{ttl}s",
        )  # fmt: skip
        replace(Wanted(params["cert_path"], answer["data"]["signed_key"].strip().encode() + b"\n", 0o644))
    return result


def main() -> t.NoReturn:
    run_module(SPEC, act)


if __name__ == "__main__":
    main()
