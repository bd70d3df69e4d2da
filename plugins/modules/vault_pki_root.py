#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the root certificate of a PKI engine."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vault_pki_root
short_description: Make the root certificate of a PKI engine
version_added: 0.2.0
description:
  - Has a PKI engine that has no issuer make a key, which never leaves it, and a root certificate. An issuer that is there is never replaced.
extends_documentation_fragment:
  - unified.deploy.vault
options:
  mount:
    description: Where the engine is mounted.
    type: str
    default: pki
  common_name:
    description: Common name of the certificate.
    type: str
    required: true
  ttl:
    description: How long it is to be valid. The mount's C(max_lease_ttl) has to be as long.
    type: str
    default: 3650d
  config:
    description: More settings, named as in the API, for example V(key_type) and V(issuer_name). See U(https://openbao.org/api-docs/secret/pki/#generate-root).
    type: dict
    default: {}
  cert_path:
    description: File for the certificate.
    type: path
seealso:
  - module: unified.deploy.vault_pki_role
  - module: unified.deploy.vault_certificate
  - module: unified.deploy.vault_mount
attributes:
  diff_mode:
    description: Names what is made.
    support: full
  idempotent:
    description: An engine that has an issuer is left alone.
    support: full
"""

EXAMPLES = r"""
- name: A root of ten years
  unified.deploy.vault_pki_root:
    common_name: Example Root
    config: {key_type: ec, key_bits: 384}
    cert_path: /etc/ssl/example-root.pem
"""

RETURN = r"""
certificate:
  description: The certificate of the default issuer, PEM.
  type: str
  returned: success, except for one that would be made in check mode
issuer_id:
  description: Id of the default issuer.
  type: str
  returned: success, except for one that would be made in check mode
"""

import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change.files import Wanted, replace, text
from ansible_collections.unified.deploy.plugins.module_utils._vault.client import Answer, VaultClient
from ansible_collections.unified.deploy.plugins.module_utils._vault.module import run_module, warnings_of
from ansible_collections.unified.deploy.plugins.module_utils._vault.settings import span

SPEC: dict[str, dict[str, t.Any]] = {
    "mount": {"type": "str", "default": "pki"},
    "common_name": {"type": "str", "required": True},
    "ttl": {"type": "str", "default": "3650d"},
    "config": {"type": "dict", "default": {}},
    "cert_path": {"type": "path"},
}


def act(client: VaultClient, params: Answer, check_mode: bool) -> Answer:
    mount = params["mount"].strip("/")
    issuers = client.read(f"{mount}/config/issuers")
    made: Answer = {}
    missing = not issuers or not issuers["data"].get("default")
    result: Answer = {"changed": missing, "diff": {"before": "", "after": f"{mount}: a root\n" * missing}}
    if missing:
        if check_mode:
            return result
        ttl = f"{span(params['ttl'], 'ttl')}s"
        made = client.write(
            f"{mount}/root/generate/internal", **params["config"], common_name=params["common_name"], ttl=ttl
        )
        result["warnings"] = warnings_of(made, params["config"])
    else:
        made = client.request("GET", f"{mount}/issuer/default")
    certificate = made["data"]["certificate"].strip()
    result.update(certificate=certificate, issuer_id=made["data"]["issuer_id"])
    if params["cert_path"] and text(params["cert_path"]) != certificate:
        result["changed"] = True
        if not check_mode:
            replace(Wanted(params["cert_path"], f"{certificate}\n".encode(), 0o644))
    return result


def main() -> t.NoReturn:
    run_module(SPEC, act)


if __name__ == "__main__":
    main()
