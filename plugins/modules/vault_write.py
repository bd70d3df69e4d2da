#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write any path of Vault."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vault_write
short_description: Write any path of Vault
version_added: 0.2.0
description:
  - Reads the path, compares by meaning (durations in any unit, lists in any order, numbers as text), and writes where something differs.
  - What has a module of its own is better managed by that.
extends_documentation_fragment:
  - unified.deploy.vault
options:
  path:
    description: Path below C(/v1/), for example V(transit/keys/app).
    type: str
    required: true
  data:
    description: Settings, named as in the API.
    type: dict
    default: {}
  merge:
    description:
      - Whether settings that are not named stay as they are. What the server shows of them is sent with the others, since some paths, such as
        the roles of PKI and SSH engines, take what they are not sent back to its default.
    type: bool
    default: true
  write_only:
    description:
      - Names of settings that the server never shows. They are sent when the path is new, or another setting differs, and are listed in
        C(unchecked_names) otherwise.
    type: list
    elements: str
    default: []
  compare:
    description:
      - V(settings) reads and compares. V(existence) writes only where there is nothing. V(never) writes at each run and always reports a
        change; it is for paths that do something, such as V(transit/encrypt/app) or V(pki/sign/web).
    type: str
    choices: [settings, existence, never]
    default: settings
  wrap_ttl:
    description: For how long the answer is kept for who has the wrapping token that is returned in its place. See C(wrap_token).
    type: str
  state:
    description: Whether it is there.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: unified.deploy.vault_read
attributes:
  diff_mode:
    description: Shows names of settings, never values.
    support: full
  idempotent:
    description: With O(compare=never) it writes each time.
    support: partial
"""

EXAMPLES = r"""
- name: A key to encrypt with
  unified.deploy.vault_write:
    path: transit/keys/app
    data: {type: aes256-gcm96}
    compare: existence

- name: Where certificates say that revocations are listed
  unified.deploy.vault_write:
    path: pki/config/urls
    data:
      crl_distribution_points: ["https://vault.example.org:8200/v1/pki/crl"]
"""

RETURN = r"""
changed_names:
  description: Names of settings that differ.
  type: list
  elements: str
  returned: unless O(compare=never)
unchecked_names:
  description: Names of O(write_only) that were neither sent nor compared.
  type: list
  elements: str
  returned: unless O(compare=never)
data:
  description: What the answer to the write holds as C(data). Set C(no_log) where that is secret.
  type: dict
  returned: when it was written, unless O(wrap_ttl) is given
lease_id:
  description: Id of the lease, for M(unified.deploy.vault_lease). Empty where there is none.
  type: str
  returned: when it was written
lease_duration:
  description: For how many seconds the lease lasts.
  type: int
  returned: when it was written
renewable:
  description: Whether the lease can be renewed.
  type: bool
  returned: when it was written
wrap_token:
  description: Token that opens the wrapped answer once.
  type: str
  returned: with O(wrap_ttl), when it was written
"""

import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._vault.client import Answer, VaultClient
from ansible_collections.unified.deploy.plugins.module_utils._vault.errors import VaultError
from ansible_collections.unified.deploy.plugins.module_utils._vault.module import (
    answered,
    run_module,
    settle,
    warnings_of,
)
from ansible_collections.unified.deploy.plugins.module_utils._vault.settings import span

SPEC: dict[str, dict[str, t.Any]] = {
    "path": {"type": "str", "required": True},
    "data": {"type": "dict", "default": {}, "no_log": True},
    "merge": {"type": "bool", "default": True},
    "write_only": {"type": "list", "elements": "str", "default": []},
    "compare": {"type": "str", "choices": ["settings", "existence", "never"], "default": "settings"},
    "wrap_ttl": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def act(client: VaultClient, params: Answer, check_mode: bool) -> Answer:
    path, state, compare = params["path"].strip("/"), params["state"], params["compare"]
    answers: list[Answer] = []

    def write(place: str, config: Answer) -> Answer:
        wrap = span(params["wrap_ttl"], "wrap_ttl") if params["wrap_ttl"] else None
        answer = client.request("POST", place, json=config, wrap=wrap)
        answers.append(answered(answer))
        return answer

    if compare == "never" and state == "present":
        remarks = [] if check_mode else warnings_of(write(path, params["data"]), params["data"])
        return {"changed": True, "warnings": remarks, **(answers[0] if answers else {})}
    write_only = params["write_only"] if compare == "settings" else list(params["data"])
    try:
        result = settle(
            client, path, params["data"], state=state, check_mode=check_mode, write_only=write_only, write=write,
            merge=params["merge"],
        )  # fmt: skip
    except VaultError as exc:
        if "unsupported operation" not in exc.what:
            raise
        raise VaultError(exc.what, kind="invalid", fix="What cannot be read cannot be compared: set compare") from None
    sent = result["changed"] or state == "absent" or compare == "existence"
    result["unchecked_names"] = [] if sent else [name for name in write_only if name in params["data"]]
    return {**result, **(answers[0] if answers else {})}


def main() -> t.NoReturn:
    run_module(SPEC, act)


if __name__ == "__main__":
    main()
