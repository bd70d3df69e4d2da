#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manage secrets of a KV engine."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vault_kv
short_description: Manage secrets of a KV engine
version_added: 0.2.0
description:
  - Reads before it writes. A write carries the version that was read, so that a change made meanwhile is an error and not lost.
extends_documentation_fragment:
  - unified.deploy.vault
options:
  path:
    description: Path of the secret.
    type: str
    required: true
  mount:
    description: Where the engine is mounted.
    type: str
    default: secret
  kv_version:
    description: Version of the engine. By default the mount is asked for it.
    type: int
    choices: [1, 2]
  data:
    description: Wanted fields.
    type: dict
  merge:
    description: Whether fields that are not named stay.
    type: bool
    default: false
  cas:
    description: Version that the secret must have. 0 says that there must be none.
    type: int
  metadata:
    description: Settings of the secret in version 2, V(custom_metadata), V(max_versions), V(delete_version_after) and V(cas_required).
    type: dict
  versions:
    description: Versions for O(state=deleted), O(state=undeleted) and O(state=destroyed). By default the newest.
    type: list
    elements: int
  state:
    description:
      - V(absent) removes the secret with all versions. V(deleted) can be undone with V(undeleted), V(destroyed) cannot.
    type: str
    choices: [present, absent, deleted, undeleted, destroyed]
    default: present
seealso:
  - module: unified.deploy.vault_kv_info
  - module: unified.deploy.vault_mount
  - module: unified.deploy.secret_value
attributes:
  diff_mode:
    description: Shows names of fields, never values.
    support: full
  idempotent:
    description: A secret that has the wanted fields is not written.
    support: full
"""

EXAMPLES = r"""
- name: A password
  unified.deploy.vault_kv:
    path: app/database
    data:
      password: "{{ lookup('ansible.builtin.password', '/dev/null') }}"
    cas: 0
  no_log: true
"""

RETURN = r"""
changed_names:
  description: Names of settings that differ.
  type: list
  elements: str
  returned: success
version:
  description: The newest version, 0 where there is none and in version 1 of the engine.
  type: int
  returned: success
"""

import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._vault.client import Answer, VaultClient
from ansible_collections.unified.deploy.plugins.module_utils._vault.errors import VaultError
from ansible_collections.unified.deploy.plugins.module_utils._vault.kv import Kv
from ansible_collections.unified.deploy.plugins.module_utils._vault.module import run_module
from ansible_collections.unified.deploy.plugins.module_utils._vault.settings import differing, names_diff, same

SPEC: dict[str, dict[str, t.Any]] = {
    "path": {"type": "str", "required": True},
    "mount": {"type": "str", "default": "secret"},
    "kv_version": {"type": "int", "choices": [1, 2]},
    "data": {"type": "dict", "no_log": True},
    "merge": {"type": "bool", "default": False},
    "cas": {"type": "int"},
    "metadata": {"type": "dict"},
    "versions": {"type": "list", "elements": "int"},
    "state": {
        "type": "str",
        "choices": ["present", "absent", "deleted", "undeleted", "destroyed"],
        "default": "present",
    },
}


def present(kv: Kv, params: Answer, check_mode: bool) -> Answer:
    current, version = kv.read()
    if params["cas"] is not None and params["cas"] != version:
        raise VaultError(
            f"{kv.path} has version {version}, not {params['cas']}",
            kind="invalid",
            fix="Read it again, and decide anew",
        )
    desired = params["data"]
    if desired is None:
        desired = current or {}
    elif params["merge"]:
        desired = {**(current or {}), **desired}
    changed = sorted(
        name
        for name in {**(current or {}), **desired}
        if not same((current or {}).get(name, kv), desired.get(name, kv))
    )
    write = bool(changed) or (current is None and params["data"] is not None)
    metadata = differing(params["metadata"], kv.metadata()) if params["metadata"] else []
    if not check_mode:
        if metadata:
            kv.write_metadata(params["metadata"])
        if write:
            version = kv.write(desired, version)
    return {
        "changed": write or bool(metadata),
        "changed_names": [*changed, *metadata],
        "version": version,
        "diff": names_diff(changed, current, desired),
    }


def act(client: VaultClient, params: Answer, check_mode: bool) -> Answer:
    kv = Kv(client, params["mount"], params["path"], params["kv_version"])
    state = params["state"]
    if kv.version == 1 and (
        params["metadata"] or params["cas"] is not None or state in ("deleted", "undeleted", "destroyed")
    ):
        raise VaultError(
            f"{kv.path} lies in version 1 of KV, which keeps no versions", kind="invalid", fix="Use state absent"
        )
    if state == "present":
        return present(kv, params, check_mode)
    names = kv.stored_versions()
    number = max(names, default=0)
    if state == "absent":
        there = bool(names)
        if there and not check_mode:
            kv.remove()
        return {
            "changed": there,
            "changed_names": [],
            "version": 0,
            "diff": {"before": f"{kv.path}\n" * there, "after": ""},
        }
    chosen = params["versions"] or [number]
    missing = [version for version in chosen if version not in names]
    if missing and (state == "undeleted" or params["versions"]):
        raise VaultError(
            f"{kv.path} has no version {missing[0]}", kind="missing", fix=f"There are {sorted(names) or 'none'}"
        )
    affected = [
        version for version in chosen if version in names and names[version] != state.replace("undeleted", "present")
    ]
    affected = [version for version in affected if names[version] != "destroyed"]
    if affected and not check_mode:
        kv.change(state, affected)
    lines = "".join(f"version {version}: {state}\n" for version in affected)
    return {"changed": bool(affected), "changed_names": [], "version": number, "diff": {"before": "", "after": lines}}


def main() -> t.NoReturn:
    run_module(SPEC, act)


if __name__ == "__main__":
    main()
