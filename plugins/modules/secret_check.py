#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of this name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: secret_check
short_description: Check stores, references and files of secrets
version_added: 0.2.0
description:
  - Runs on the controller only and changes nothing. Fails where something must be mended, after all checks were made.
  - Every store in C(secret_stores) can be reached, accepts its credentials, and for how long.
  - Every reference resolves, those of the role secrets on all hosts of the inventory among them.
  - Files that a creation rule of a C(.sops.yaml) names with a C(path_regex) are encrypted, to the rule's recipients.
  - No file in version control holds the value of a declared secret, or anything that C(detect-secrets) finds and C(.secrets.baseline)
    does not accept.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  references:
    description: Further references to resolve.
    type: list
    elements: str
    default: []
  directory:
    description: A git work tree to check. Without it no files are checked.
    type: path
  scan:
    description: Whether the files are searched for plain secrets. Needs C(detect-secrets) on the controller.
    type: bool
    default: true
  warn_days:
    description: Credentials that end within so many days are a failure.
    type: int
    default: 7
seealso:
  - module: unified.deploy.secret_info
  - plugin: unified.deploy.secret
    plugin_type: lookup
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
- name: Is everything well?
  unified.deploy.secret_check:
    directory: "{{ playbook_dir }}"
"""

RETURN = r"""
findings:
  description: Every check with its result.
  type: list
  elements: dict
  returned: always
  contains:
    check:
      description: store, reference, encryption or leak.
      type: str
    subject:
      description: What was checked.
      type: str
    ok:
      description: Whether it is well.
      type: bool
    detail:
      description: What was found, and what to do.
      type: str
"""
