#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Issue and renew certificates."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vault_certificate
short_description: Issue and renew certificates
version_added: 0.2.0
description:
  - Has a PKI engine issue a certificate, and a new one before it ends, or where its names are not the wanted ones.
  - Needs the Python package C(cryptography) on the host.
extends_documentation_fragment:
  - unified.deploy.vault
options:
  name:
    description: Role of the PKI engine.
    type: str
    required: true
  mount:
    description: Where the engine is mounted.
    type: str
    default: pki
  common_name:
    description: Common name, also a DNS name of the certificate.
    type: str
    required: true
  alt_names:
    description: Further DNS names.
    type: list
    elements: str
    default: []
  ip_sans:
    description: IP addresses.
    type: list
    elements: str
    default: []
  ttl:
    description: How long it is to be valid.
    type: str
    default: 30d
  renew_before:
    description: How long before its end a new one is issued.
    type: str
    default: 7d
  cert_path:
    description: File for the certificate, with its chain.
    type: path
    required: true
  key_path:
    description: File for the key, mode 0600.
    type: path
    required: true
  issuer_path:
    description: File for the CA's certificate.
    type: path
seealso:
  - module: unified.deploy.vault_pki_role
  - module: unified.deploy.vault_pki_root
  - module: unified.deploy.host_certificate
attributes:
  diff_mode:
    description: Shows why a new one is issued.
    support: full
  idempotent:
    description: A certificate that is good for longer than O(renew_before) is kept.
    support: full
"""

EXAMPLES = r"""
- name: A certificate that is renewed by the next run
  unified.deploy.vault_certificate:
    name: web
    common_name: www.example.org
    cert_path: /etc/ssl/web.pem
    key_path: /etc/ssl/private/web.key
  notify: Reload nginx
"""

RETURN = r"""
reason:
  description: Why a new one was issued. Empty where the old one is good.
  type: str
  returned: success
lease_id:
  description: Id of the certificate's lease, for M(unified.deploy.vault_lease), where the role has C(generate_lease). Otherwise empty.
  type: str
  returned: when one was issued
expires:
  description: Until when the certificate is valid, ISO 8601.
  type: str
  returned: success
"""

import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change.files import Wanted, replace, text
from ansible_collections.unified.deploy.plugins.module_utils._vault.client import Answer, VaultClient
from ansible_collections.unified.deploy.plugins.module_utils._vault.issued import certificate_state
from ansible_collections.unified.deploy.plugins.module_utils._vault.module import run_module
from ansible_collections.unified.deploy.plugins.module_utils._vault.paths import segment
from ansible_collections.unified.deploy.plugins.module_utils._vault.settings import span

SPEC: dict[str, dict[str, t.Any]] = {
    "name": {"type": "str", "required": True},
    "mount": {"type": "str", "default": "pki"},
    "common_name": {"type": "str", "required": True},
    "alt_names": {"type": "list", "elements": "str", "default": []},
    "ip_sans": {"type": "list", "elements": "str", "default": []},
    "ttl": {"type": "str", "default": "30d"},
    "renew_before": {"type": "str", "default": "7d"},
    "cert_path": {"type": "path", "required": True},
    "key_path": {"type": "path", "required": True, "no_log": False},
    "issuer_path": {"type": "path"},
}


def act(client: VaultClient, params: Answer, check_mode: bool) -> Answer:
    ttl, before = span(params["ttl"], "ttl"), span(params["renew_before"], "renew_before", less_than=params["ttl"])
    names = {params["common_name"], *params["alt_names"], *params["ip_sans"]}
    reason, expires = certificate_state(text(params["cert_path"]), text(params["key_path"]), names, before)
    result = {"changed": bool(reason), "reason": reason, "expires": expires}
    result["diff"] = {"before": "", "after": f"{reason}\n" if reason else ""}
    if not reason or check_mode:
        return result
    issued = client.write(
        f"{params['mount'].strip('/')}/issue/{segment(params['name'], 'name')}", common_name=params["common_name"], alt_names=",".join(params["alt_names"]),
        ip_sans=",".join(params["ip_sans"]), ttl=f"{ttl}s",
    )  # fmt: skip
    result["lease_id"] = issued.get("lease_id") or ""
    answer = issued["data"]
    chain = "\n".join(dict.fromkeys([answer["certificate"], *(answer.get("ca_chain") or [answer["issuing_ca"]])]))
    files = [
        Wanted(params["key_path"], f"{answer['private_key']}\n".encode(), 0o600),
        Wanted(params["cert_path"], f"{chain}\n".encode(), 0o644),
    ]
    if params["issuer_path"] and text(params["issuer_path"]) != answer["issuing_ca"]:
        files.append(Wanted(params["issuer_path"], f"{answer['issuing_ca']}\n".encode(), 0o644))
    replace(*files)
    result["expires"] = certificate_state(chain, answer["private_key"], names, 0)[1]
    return result


def main() -> t.NoReturn:
    run_module(SPEC, act)


if __name__ == "__main__":
    main()
