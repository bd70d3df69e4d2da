#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manage roles of a PKI engine."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vault_pki_role
short_description: Manage roles of a PKI engine
version_added: 0.2.0
description:
  - Reads and compares before it writes.
extends_documentation_fragment:
  - unified.deploy.vault
  - unified.deploy.vault_role
options:
  mount:
    description: Where the engine is mounted.
    type: str
    default: pki
seealso:
  - module: unified.deploy.vault_pki_root
  - module: unified.deploy.vault_certificate
  - name: API of these roles
    description: The settings that O(config) may have.
    link: https://openbao.org/api-docs/secret/pki/#createupdate-role
"""

EXAMPLES = r"""
- name: Certificates for web servers
  unified.deploy.vault_pki_role:
    name: web
    config:
      allowed_domains: [example.org]
      allow_subdomains: true
      max_ttl: 30d
"""

RETURN = r"""
changed_names:
  description: Names of settings that differ.
  type: list
  elements: str
  returned: success
"""

import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._vault.module import run_role_module


def main() -> t.NoReturn:
    run_role_module("pki")


if __name__ == "__main__":
    main()
