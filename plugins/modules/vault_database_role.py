#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manage roles of a database engine."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vault_database_role
short_description: Manage roles of a database engine
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
    default: database
seealso:
  - module: unified.deploy.vault_database_connection
  - module: unified.deploy.vault_lease
  - name: API of these roles
    description: The settings that O(config) may have.
    link: https://openbao.org/api-docs/secret/databases/#create-role
"""

EXAMPLES = r"""
- name: Short-lived users of the database
  unified.deploy.vault_database_role:
    name: app
    config:
      db_name: main
      creation_statements:
        - CREATE ROLE "{% raw %}{{name}}{% endraw %}" WITH LOGIN PASSWORD '{% raw %}{{password}}{% endraw %}' VALID UNTIL '{% raw %}{{expiration}}{% endraw %}'
      default_ttl: 1h
      max_ttl: 24h
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
    run_role_module("database")


if __name__ == "__main__":
    main()
