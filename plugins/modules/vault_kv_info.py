#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read secrets of a KV engine."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vault_kv_info
short_description: Read secrets of a KV engine
version_added: 0.2.0
description:
  - Reads a secret, its metadata, or the names below a path. Set C(no_log) where the fields are read.
extends_documentation_fragment:
  - unified.deploy.vault
options:
  path:
    description: Path of the secret, or of a folder with O(read=list).
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
  version:
    description: Version to read. By default the newest.
    type: int
  read:
    description: What to read. Only V(data) shows values.
    type: str
    choices: [data, metadata, list]
    default: data
seealso:
  - module: unified.deploy.vault_kv
  - module: unified.deploy.secret_info
  - plugin: unified.deploy.secret
    plugin_type: lookup
attributes:
  diff_mode:
    description: Changes nothing.
    support: none
  idempotent:
    description: Changes nothing.
    support: full
"""

EXAMPLES = r"""
- name: Which secrets are there?
  unified.deploy.vault_kv_info:
    path: app
    read: list
  register: names
"""

RETURN = r"""
exists:
  description: Whether there is something.
  type: bool
  returned: success
data:
  description: Fields.
  type: dict
  returned: with O(read=data)
metadata:
  description: What the engine knows of the secret.
  type: dict
  returned: with O(read=metadata)
names:
  description: Names. Those of folders end with a slash.
  type: list
  elements: str
  returned: with O(read=list)
"""

import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._vault.client import Answer, VaultClient
from ansible_collections.unified.deploy.plugins.module_utils._vault.kv import Kv
from ansible_collections.unified.deploy.plugins.module_utils._vault.module import run_module

SPEC: dict[str, dict[str, t.Any]] = {
    "path": {"type": "str", "required": True},
    "mount": {"type": "str", "default": "secret"},
    "kv_version": {"type": "int", "choices": [1, 2]},
    "version": {"type": "int"},
    "read": {"type": "str", "choices": ["data", "metadata", "list"], "default": "data"},
}


def act(client: VaultClient, params: Answer, check_mode: bool) -> Answer:
    kv = Kv(client, params["mount"], params["path"], params["kv_version"])
    del check_mode  # reading changes nothing
    if params["read"] == "list":
        names = kv.list()
        return {"changed": False, "exists": bool(names), "names": names}
    if params["read"] == "metadata":
        metadata = kv.metadata()
        return {"changed": False, "exists": metadata is not None, "metadata": metadata or {}}
    fields, number = kv.read(params["version"])
    return {"changed": False, "exists": fields is not None, "data": fields or {}, "version": number}


def main() -> t.NoReturn:
    run_module(SPEC, act)


if __name__ == "__main__":
    main()
