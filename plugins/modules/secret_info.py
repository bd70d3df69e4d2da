#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of this name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: secret_info
short_description: Show what stores say of their secrets
version_added: 0.2.0
description:
  - Runs on the controller, and shows versions and times of secrets, and the paths that a store has. No value is shown.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  references:
    description: Secrets to describe. A field of a reference is not looked at.
    type: list
    elements: str
    default: []
  store:
    description: A store whose paths are listed.
    type: str
  prefix:
    description: Only paths that begin so are listed.
    type: str
    default: ""
notes:
  - Stores are declared in the variable C(secret_stores), as for the lookup P(unified.deploy.secret#lookup).
  - The guide says which stores can describe, list and show versions.
seealso:
  - module: unified.deploy.secret_value
attributes:
  check_mode:
    description: Can run in check mode.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
  idempotent:
    description: Changes nothing.
    support: full
"""

EXAMPLES = r"""
- name: How old is the password?
  unified.deploy.secret_info:
    references: ["prod://app/database"]
  register: database

- name: What is there?
  unified.deploy.secret_info:
    store: prod
    prefix: app/
"""

RETURN = r"""
paths:
  description: Paths of the store, sorted.
  type: list
  elements: str
  returned: success
secrets:
  description: What is known of each secret, by its reference. Times are ISO 8601, and what a store does not say is empty.
  type: dict
  returned: success
  contains:
    path:
      description: The path in the store.
      type: str
    version:
      description: The current version.
      type: str
    created:
      description: When this version was written.
      type: str
    expires:
      description: When it ends.
      type: str
    versions:
      description: Every version, the newest first, with the same keys. Empty where the store keeps none.
      type: list
      elements: dict
"""
