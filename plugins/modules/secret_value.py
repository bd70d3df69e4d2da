#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of this name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: secret_value
short_description: Write a secret to its store
version_added: 0.2.0
description:
  - Runs on the controller, and makes the secret at a reference be what is given. A secret that is so already is not written.
  - What is looked up later in the run is the new value.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  reference:
    description: The secret's reference, without field and options.
    type: str
    required: true
  value:
    description: The text. Excludes O(fields).
    type: str
  fields:
    description: Named fields, for stores that have them; others keep them as JSON. Fields that are not named go. Excludes O(value).
    type: dict
notes:
  - Stores are declared in the variable C(secret_stores), as for the lookup P(unified.deploy.secret#lookup).
  - The guide says which stores can be written to.
seealso:
  - module: unified.deploy.secret_info
  - module: unified.deploy.vault_kv
  - module: unified.deploy.sops_file
attributes:
  check_mode:
    description: Can run in check mode.
    support: full
  diff_mode:
    description: Shows the reference, never values.
    support: full
  idempotent:
    description: A secret that is so already is not written.
    support: full
"""

EXAMPLES = r"""
- name: Keep a password where the applications read it
  unified.deploy.secret_value:
    reference: prod://app/database
    fields:
      user: app
      password: "{{ new_password }}"
  no_log: true
"""

RETURN = r"""
"""
