#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renew and revoke leases."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vault_lease
short_description: Renew and revoke leases
version_added: 0.2.0
description:
  - Renews a lease that ends soon, or revokes one or all below a prefix.
extends_documentation_fragment:
  - unified.deploy.vault
options:
  lease_id:
    description: The lease. Excludes O(prefix).
    type: str
  prefix:
    description: Prefix of leases to revoke. Whether there are any cannot be asked; it always reports a change.
    type: str
  renew_before:
    description: How long before its end a lease is renewed.
    type: str
    default: 1h
  increment:
    description: For how long it is renewed. By default what its engine says.
    type: str
  state:
    description: Whether the lease is kept or revoked.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: unified.deploy.vault_read
  - module: unified.deploy.vault_database_role
attributes:
  diff_mode:
    description: A lease has no settings.
    support: none
  idempotent:
    description: A lease that lasts longer than O(renew_before) is left alone.
    support: partial
"""

EXAMPLES = r"""
- name: Give back the database user
  unified.deploy.vault_lease:
    lease_id: "{{ lease }}"
    state: absent
"""

RETURN = r"""
ttl:
  description: Seconds that the lease lasts. 0 where there is none.
  type: int
  returned: with O(lease_id)
"""

import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._vault.client import Answer, VaultClient
from ansible_collections.unified.deploy.plugins.module_utils._vault.errors import VaultError
from ansible_collections.unified.deploy.plugins.module_utils._vault.module import run_module
from ansible_collections.unified.deploy.plugins.module_utils._vault.settings import span

SPEC: dict[str, dict[str, t.Any]] = {
    "lease_id": {"type": "str"},
    "prefix": {"type": "str"},
    "renew_before": {"type": "str", "default": "1h"},
    "increment": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def act(client: VaultClient, params: Answer, check_mode: bool) -> Answer:
    lease, before = params["lease_id"], span(params["renew_before"], "renew_before")
    if params["prefix"]:
        if params["state"] == "present":
            raise VaultError("a prefix can only be revoked", kind="invalid", fix="Set state: absent")
        if not check_mode:
            client.write(f"sys/leases/revoke-prefix/{params['prefix'].strip('/')}")
        return {"changed": True}
    try:
        ttl = int(client.write("sys/leases/lookup", lease_id=lease)["data"]["ttl"])
    except VaultError as exc:
        # That is how a lease that ended looks.
        if exc.kind not in ("invalid", "missing"):
            raise
        if params["state"] == "absent":
            return {"changed": False, "ttl": 0}
        raise VaultError(
            f"there is no lease {lease}", kind="missing", fix="It has ended: ask for a new secret"
        ) from None
    if params["state"] == "absent":
        if not check_mode:
            client.write("sys/leases/revoke", lease_id=lease)
        return {"changed": True, "ttl": 0}
    if ttl > before:
        return {"changed": False, "ttl": ttl}
    if not check_mode:
        increment = {"increment": span(params["increment"], "increment")} if params["increment"] else {}
        ttl = int(client.write("sys/leases/renew", lease_id=lease, **increment)["lease_duration"])
    return {"changed": True, "ttl": ttl}


def main() -> t.NoReturn:
    run_module(SPEC, act, mutually_exclusive=[("lease_id", "prefix")], required_one_of=[("lease_id", "prefix")])


if __name__ == "__main__":
    main()
