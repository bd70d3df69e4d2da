#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of this name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sops_vars
short_description: Read variables from a file encrypted by SOPS
version_added: 0.2.0
description:
  - Runs on the controller. The values are in the registered result, and nowhere else - the task's output is hidden, and no fact is set, since
    fact caches write facts to disks.
  - Texts may be templates, as in every file of variables. The file is decrypted once a run.
  - For files beside the inventory the vars plugin P(unified.deploy.sops#vars) needs no task.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  path:
    description: The file, absolute or below C(vars) of the role or playbook.
    type: path
    required: true
  age_key_file:
    description: File of private age keys. Without it SOPS looks where it always does.
    type: path
  gnupg_home:
    description: GnuPG's home directory.
    type: path
  timeout:
    description: Seconds that it may take.
    type: float
    default: 30
seealso:
  - plugin: unified.deploy.sops
    plugin_type: vars
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
- name: Read the application's secrets
  unified.deploy.sops_vars:
    path: app.sops.yaml
  register: app

- name: Use them
  ansible.builtin.template:
    src: app.conf.j2
    dest: /etc/app.conf
    mode: "0600"
  vars:
    password: "{{ app.variables.database.password }}"
  no_log: true
"""

RETURN = r"""
variables:
  description: What the file holds.
  type: dict
  returned: success
"""
