#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manage roles of an SSH engine."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vault_ssh_role
short_description: Manage roles of an SSH engine
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
    default: ssh
seealso:
  - module: unified.deploy.vault_ssh_ca
  - module: unified.deploy.vault_ssh_sign
  - name: API of these roles
    description: The settings that O(config) may have.
    link: https://openbao.org/api-docs/secret/ssh/#create-role
"""

EXAMPLES = r"""
- name: Certificates for users
  unified.deploy.vault_ssh_role:
    name: users
    config:
      key_type: ca
      allow_user_certificates: true
      allowed_users: "*"
      max_ttl: 1d
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
    run_role_module("ssh")


if __name__ == "__main__":
    main()
