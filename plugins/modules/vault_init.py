#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Initialise a cluster once, its keys encrypted for their keepers."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vault_init
short_description: Initialise OpenBao or Vault once
version_added: 0.2.0
description:
  - Initialises a server, unseals it and writes each unseal key and the root token to a SOPS file of its own. They are written nowhere else.
  - Before that it shows that every file can be encrypted and written, since keys that cannot be kept are a cluster that cannot be used.
  - A server that is initialised is left alone. Runs on the controller.
requirements:
  - sops
extends_documentation_fragment:
  - unified.deploy.vault
options:
  directory:
    description:
      - Directory on the controller for C(unseal_key_1.sops.json) and so on (member C(key)) and C(root_token.sops.json) (member C(token)).
        Where the server unseals itself there are recovery keys, C(recovery_key_1.sops.json), in their place.
    type: path
    required: true
  shares:
    description: Into how many shares the key is split.
    type: int
    default: 5
  threshold:
    description: How many of them are needed.
    type: int
    default: 3
  age:
    description: Age recipients of all files. Without them and O(pgp) the creation rules of C(.sops.yaml) name the recipients.
    type: list
    elements: str
    default: []
  pgp:
    description: Fingerprints of PGP recipients of all files.
    type: list
    elements: str
    default: []
  custodians:
    description: Recipients of the shares, one entry a share, so that no one person can unseal. They take the place of O(age) and O(pgp) there.
    type: list
    elements: dict
    default: []
    suboptions:
      age:
        description: Age recipients.
        type: list
        elements: str
        default: []
      pgp:
        description: Fingerprints of PGP recipients.
        type: list
        elements: str
        default: []
  audit_path:
    description: File of an audit device to enable by the API, on the server. OpenBao has its audit devices in its configuration instead.
    type: path
seealso:
  - module: unified.deploy.vault_server
  - module: unified.deploy.vault_snapshot
attributes:
  diff_mode:
    description: Names the files that are made.
    support: full
  idempotent:
    description: A server that is initialised is left alone.
    support: full
"""

EXAMPLES = r"""
- name: Initialise the cluster
  unified.deploy.vault_init:
    url: https://10.0.0.1:8200
    ca_path: vault/ca.pem
    directory: vault
    custodians:
      - age: ["{{ alice }}"]
      - age: ["{{ bob }}"]
      - age: ["{{ carol }}"]
    shares: 3
    threshold: 2
    age: ["{{ alice }}"]
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
files:
  description: The files that were made.
  type: list
  elements: str
  returned: success
"""

import json
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.unified.deploy.plugins.module_utils import _wrapped
from ansible_collections.unified.deploy.plugins.module_utils._sops import SopsError
from ansible_collections.unified.deploy.plugins.module_utils._vault.client import Answer, VaultClient
from ansible_collections.unified.deploy.plugins.module_utils._vault.errors import VaultError
from ansible_collections.unified.deploy.plugins.module_utils._vault.node import NodeError, wait
from ansible_collections.unified.deploy.plugins.module_utils._vault.options import OPTIONS as CONNECTION
from ansible_collections.unified.deploy.plugins.module_utils._wrapped import Sealed, Wrapper

# Seconds. Whoever stops waiting loses the keys, so this is not the time-out of other requests.
INIT_TIMEOUT = 300


class Ceremony:
    """From an empty server to one that is unsealed, and the files of its keys.

    Source: https://openbao.org/api-docs/system/init/
    """

    def __init__(self, module: AnsibleModule, client: VaultClient) -> None:
        params = self.params = module.params
        self.client = client
        self.wrapper = Wrapper(module)
        status = client.ask("GET", "sys/seal-status")
        self.needed = not status["initialized"]
        # Only a seal that needs people to open has unseal keys.
        self.kind = "unseal" if status["type"] == "shamir" else "recovery"
        directory = os.path.abspath(params["directory"])
        everyone = {"age": params["age"], "pgp": params["pgp"]}
        keepers = params["custodians"] or [everyone] * params["shares"]
        self.shares = [
            Sealed(os.path.join(directory, f"{self.kind}_key_{number}.sops.json"), **keeper)
            for number, keeper in enumerate(keepers, 1)
        ]
        self.root = Sealed(os.path.join(directory, "root_token.sops.json"), **everyone)

    @property
    def files(self) -> list[str]:
        return [file.path for file in (*self.shares, self.root)]

    def hold(self) -> None:
        self.wrapper.prove([*self.shares, self.root])
        prefix = "secret" if self.kind == "unseal" else "recovery"
        counts = {f"{prefix}_shares": self.params["shares"], f"{prefix}_threshold": self.params["threshold"]}
        made = self._initialise(counts)
        keys = made["keys_base64"] if self.kind == "unseal" else made["recovery_keys_base64"]
        sealed = [share._replace(content=_json(key=key)) for share, key in zip(self.shares, keys)]
        try:
            self.wrapper.write([*sealed, self.root._replace(content=_json(token=made["root_token"]))])
        except (OSError, SopsError) as exc:
            raise VaultError(
                f"{self.client.url} is initialised, but its keys could not be kept ({exc}) and are lost",
                fix="It holds nothing yet: stop the servers, empty their data directories, and run again",
            ) from None
        if self.kind == "unseal":
            for key in keys[: self.params["threshold"]]:
                self.client.ask("PUT", "sys/unseal", json={"key": key})
        self._wait()
        if self.params["audit_path"]:
            self.client.become(made["root_token"])
            options = {"type": "file", "options": {"file_path": self.params["audit_path"]}}
            try:
                self.client.request("PUT", "sys/audit/file", json=options)
            except VaultError as exc:
                raise VaultError(
                    f"the server is initialised and its keys are kept, but its audit device could not be enabled ({exc.what})",
                    fix=f"Mend that, then 'vault audit enable file file_path={self.params['audit_path']}'",
                ) from None

    def _initialise(self, counts: Answer) -> Answer:
        try:
            return self.client.ask("PUT", "sys/init", json=counts, timeout=INIT_TIMEOUT)
        except VaultError as exc:
            if exc.kind not in ("slow", "unreachable"):
                raise
            raise VaultError(
                f"{self.client.url} was asked to initialise itself, and no answer came ({exc.what}). If it did, its keys are lost",
                kind=exc.kind,
                fix="See 'operator init -status' there. Where it is initialised it holds nothing yet: stop the servers, empty their "
                "data directories, and run again. Where it is not, run again",
            ) from None

    def _wait(self) -> None:
        def active() -> bool:
            health = self.client.ask("GET", "sys/health", params={"sealedcode": 200, "standbyok": "true"})
            return not health["sealed"] and not health["standby"]

        try:
            wait("that it becomes active", active, 60)
        except NodeError:
            what = "it is initialised, its keys are kept, but it did not become active in 60 s"
            raise VaultError(what, fix="See its log") from None


def _json(**values: str) -> bytes:
    return json.dumps(values).encode()


def check(params: Answer) -> None:
    """Refuse counts that the server would refuse, or that leave shares without a keeper."""
    shares, threshold, keepers = params["shares"], params["threshold"], len(params["custodians"])
    if not 1 <= threshold <= shares <= 255 or (threshold == 1 and shares > 1):
        raise VaultError(
            f"{threshold} of {shares} shares cannot be",
            kind="invalid",
            fix="Choose a threshold from 2 to the number of shares, or 1 of 1",
        )
    if keepers not in (0, shares):
        raise VaultError(
            f"there are {keepers} custodians for {shares} shares", kind="invalid", fix="Name one for each share"
        )


def main() -> t.NoReturn:
    people = {"type": "list", "elements": "dict", "default": [], "options": _wrapped.OPTIONS}
    module = AnsibleModule(
        argument_spec={
            **CONNECTION,
            **_wrapped.OPTIONS,
            "directory": {"type": "path", "required": True},
            "shares": {"type": "int", "default": 5},
            "threshold": {"type": "int", "default": 3},
            "custodians": people,
            "audit_path": {"type": "path"},
        },
        supports_check_mode=True,
    )
    files: list[str] = []
    try:
        check(module.params)
        ceremony = Ceremony(module, VaultClient(module.params))
        if ceremony.needed:
            files = ceremony.files
            if not module.check_mode:
                ceremony.hold()
    except VaultError as exc:
        module.fail_json(msg=str(exc), kind=exc.kind)
    except SopsError as exc:
        module.fail_json(msg=f"{exc}; nothing was initialised", kind=exc.kind)
    except OSError as exc:
        module.fail_json(msg=f"{exc.filename or 'a file'}: {exc.strerror}; nothing was initialised")
    module.exit_json(
        changed=bool(files), files=files, diff={"before": "", "after": "".join(f"{path}\n" for path in files)}
    )


if __name__ == "__main__":
    main()
