#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take and restore snapshots of integrated storage."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vault_snapshot
short_description: Take and restore snapshots of integrated storage
version_added: 0.2.0
description:
  - Takes a snapshot of a cluster with integrated (raft) storage, or restores one.
  - What is in a snapshot is encrypted by the cluster's key. It is of use only together with the unseal keys of the time it was taken.
  - A snapshot is kept, or restored, only if it is whole, which is to say that its own SHA-256 sums are right.
extends_documentation_fragment:
  - unified.deploy.vault
options:
  path:
    description: The snapshot's file. It is written with mode 0600.
    type: path
    required: true
  state:
    description:
      - V(present) takes a snapshot where there is no file of this name, so name it by the date.
      - V(restored) puts the cluster back to what it was then. What was written since is lost. It always reports a change.
    type: str
    choices: [present, restored]
    default: present
  force:
    description: Restore even the snapshot of a cluster with other unseal keys. From then on those keys are needed.
    type: bool
    default: false
seealso:
  - module: unified.deploy.vault_server
  - module: unified.deploy.vault_init
attributes:
  diff_mode:
    description: Names the file.
    support: full
  idempotent:
    description: A snapshot that is there is left alone; a restore is done each time.
    support: partial
"""

EXAMPLES = r"""
- name: Take a snapshot once a day
  unified.deploy.vault_snapshot:
    path: "/var/backups/vault/{{ '%Y-%m-%d' | strftime }}.snap"

- name: Put the cluster back to yesterday
  unified.deploy.vault_snapshot:
    path: /var/backups/vault/2026-11-20.snap
    state: restored
"""

RETURN = r"""
index:
  description: Raft index up to which the snapshot knows everything.
  type: int
  returned: success, except for a snapshot that would be taken in check mode
size:
  description: Size of the snapshot in bytes.
  type: int
  returned: success, except for a snapshot that would be taken in check mode
"""

import gzip
import hashlib
import io
import json
import os
import tarfile
import typing as t
import zlib

from ansible_collections.unified.deploy.plugins.module_utils._change.files import Wanted, replace
from ansible_collections.unified.deploy.plugins.module_utils._vault.client import Answer, VaultClient
from ansible_collections.unified.deploy.plugins.module_utils._vault.errors import VaultError
from ansible_collections.unified.deploy.plugins.module_utils._vault.module import run_module

SPEC: dict[str, dict[str, t.Any]] = {
    "path": {"type": "path", "required": True},
    "state": {"type": "str", "choices": ["present", "restored"], "default": "present"},
    "force": {"type": "bool", "default": False},
}


def inspect(content: bytes, name: str) -> Answer:
    """Index and size of a snapshot whose sums are right (https://github.com/hashicorp/raft-snapshot).

    Raises:
        VaultError: it is cut off, changed, or no snapshot.
    """
    files: dict[str, bytes] = {}
    try:
        # All of it first: tarfile is content with an archive that ends early, gzip is not.
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(content)), mode="r:") as archive:
            for entry in archive:
                handle = archive.extractfile(entry)
                files[entry.name] = handle.read() if handle else b""
        sums = dict(reversed(line.split(None, 1)) for line in files["SHA256SUMS"].decode().splitlines())
        wrong = [
            member for member in ("meta.json", "state.bin") if hashlib.sha256(files[member]).hexdigest() != sums[member]
        ]
        index = int(json.loads(files["meta.json"])["Index"])
    except (tarfile.TarError, OSError, EOFError, KeyError, TypeError, ValueError, zlib.error):
        raise VaultError(f"{name} is no whole snapshot", kind="invalid", fix="Take another one") from None
    if wrong:
        raise VaultError(f"{name}: the sum of {wrong[0]} is wrong", kind="invalid", fix="Take another one")
    return {"index": index, "size": len(content)}


def leading(client: VaultClient, params: Answer) -> VaultClient:
    """The server that leads: a standby hands requests on, but not ones of any size."""
    leader = client.request("GET", "sys/leader")
    if leader.get("is_self") or not leader.get("leader_address"):
        return client
    return VaultClient({**params, "url": leader["leader_address"]})


def act(client: VaultClient, params: Answer, check_mode: bool) -> Answer:
    path, there = params["path"], os.path.exists(params["path"])
    if params["state"] == "restored" or there:
        with open(path, "rb") as handle:
            content = handle.read()
        result = {"changed": params["state"] == "restored", **inspect(content, path)}
        if params["state"] == "restored" and not check_mode:
            leading(client, params).request(
                "POST", f"sys/storage/raft/snapshot{'-force' if params['force'] else ''}", data=content
            )
        return result
    if check_mode:
        return {"changed": True, "diff": {"before": "", "after": f"{path}\n"}}
    content = leading(client, params).request("GET", "sys/storage/raft/snapshot").get("content", b"")
    snapshot = inspect(content, f"what {client.url} sent")
    replace(Wanted(path, content, 0o600))
    return {"changed": True, "diff": {"before": "", "after": f"{path}\n"}, **snapshot}


def main() -> t.NoReturn:
    run_module(SPEC, act)


if __name__ == "__main__":
    main()
