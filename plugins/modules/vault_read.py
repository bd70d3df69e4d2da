#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read any path of Vault."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vault_read
short_description: Read any path of Vault
version_added: 0.2.0
description:
  - Reads a path of the API, or lists the names below it. Set C(no_log) where the answer holds secrets.
  - For secrets of a KV engine the lookup P(unified.deploy.secret#lookup) and M(unified.deploy.vault_kv_info) are better.
extends_documentation_fragment:
  - unified.deploy.vault
options:
  path:
    description: Path below C(/v1/), for example V(database/creds/app).
    type: str
    required: true
  params:
    description: Parameters of the query.
    type: dict
    default: {}
  list:
    description: Whether to list the names below the path.
    type: bool
    default: false
  dynamic:
    description:
      - Whether each read makes something new, as a database's credentials are. Then nothing is asked in check mode, and a change is always
        reported. Without it, an answer with a lease is reported as a change.
    type: bool
    default: false
  wrap_ttl:
    description: For how long the answer is kept for who has the wrapping token that is returned in its place. See C(wrap_token).
    type: str
seealso:
  - module: unified.deploy.vault_write
  - module: unified.deploy.vault_kv_info
attributes:
  diff_mode:
    description: Has nothing to show.
    support: none
  idempotent:
    description: A read of a path with O(dynamic) makes something new each time.
    support: partial
"""

EXAMPLES = r"""
- name: A user of the database for an hour
  unified.deploy.vault_read:
    path: database/creds/app
    dynamic: true
  register: user
  no_log: true

- name: Give it back
  unified.deploy.vault_lease:
    lease_id: "{{ user.lease_id }}"
    state: absent
"""

RETURN = r"""
exists:
  description: Whether there is something.
  type: bool
  returned: success
data:
  description: What the answer holds as C(data). Empty where there is nothing.
  type: dict
  returned: success, unless O(wrap_ttl) is given
names:
  description: Names. Those of folders end with a slash.
  type: list
  elements: str
  returned: with O(list)
lease_id:
  description: Id of the lease, for M(unified.deploy.vault_lease). Empty where there is none.
  type: str
  returned: success
lease_duration:
  description: For how many seconds the lease lasts.
  type: int
  returned: success
renewable:
  description: Whether the lease can be renewed.
  type: bool
  returned: success
wrap_token:
  description: Token that opens the wrapped answer once.
  type: str
  returned: with O(wrap_ttl)
"""

import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._vault.client import Answer, VaultClient
from ansible_collections.unified.deploy.plugins.module_utils._vault.module import answered, run_module
from ansible_collections.unified.deploy.plugins.module_utils._vault.settings import span

SPEC: dict[str, dict[str, t.Any]] = {
    "path": {"type": "str", "required": True},
    "params": {"type": "dict", "default": {}},
    "list": {"type": "bool", "default": False},
    "dynamic": {"type": "bool", "default": False},
    "wrap_ttl": {"type": "str"},
}


def act(client: VaultClient, params: Answer, check_mode: bool) -> Answer:
    path = params["path"].strip("/")
    if params["list"]:
        names = client.list(path)
        return {"changed": False, "exists": bool(names), "names": names}
    if params["dynamic"] and check_mode:
        return {"changed": True}
    wrap = span(params["wrap_ttl"], "wrap_ttl") if params["wrap_ttl"] else None
    answer = client.read(path, wrap=wrap, **params["params"])
    result = answered(answer or {})
    return {"changed": params["dynamic"] or bool(result["lease_id"]), "exists": answer is not None, **result}


def main() -> t.NoReturn:
    run_module(SPEC, act, mutually_exclusive=[("list", "dynamic"), ("list", "wrap_ttl")])


if __name__ == "__main__":
    main()
