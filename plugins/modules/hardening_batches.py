#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin hardening_batches; the code lies in plugins/action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: hardening_batches
short_description: Make batches of changes one after the other, each kept by a new login only
version_added: 0.3.0
description:
  - Makes each batch as M(unified.deploy.hardening_batch) does, and ends the run.
  - After each batch it drops the connection and opens a new one, with the same user, port, jump host and way to become root.
    That this works keeps the batch. Where it fails the host undoes the batch by itself, and no further batch is made.
  - Over C(local) connections there is no login, so that nothing is undone by itself.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  run:
    description: Id of the run. The first batch of a run opens it.
    type: str
    required: true
  batches:
    description: What is changed, in this order.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the batch, such as V(sshd).
        type: str
        required: true
      rules:
        description: Rules that it brings to their desired state, for the message when it shuts people out.
        type: list
        elements: str
        default: []
      options:
        description: Further options of M(unified.deploy.hardening_batch).
        type: dict
        required: true
  secrets:
    description: Secrets by the names that batches have for them. They go to the one file that lacks them, and nowhere else.
    type: dict
    default: {}
  confirm_seconds:
    description: Seconds from a batch's last change until the host undoes it by itself. V(0) for never.
    type: int
    default: 120
  lock_timeout:
    description: Seconds to wait for another process that changes this host.
    type: int
    default: 30
  results:
    description: The results directory of this run on the controller; the evidence in it is kept with the run on the host.
    type: path
seealso:
  - module: unified.deploy.hardening_batch
  - module: unified.deploy.hardening_run
  - module: unified.deploy.compliance_plan
attributes:
  check_mode:
    description: Can run in check mode, and lets every validator and check judge then too. Commands are not run.
    support: full
  diff_mode:
    description: Returns what changes, before and after.
    support: full
  idempotent:
    description: As M(unified.deploy.hardening_batch).
    support: partial
"""

EXAMPLES = r"""
- name: Close root's logins, and keep that only if people still get in
  unified.deploy.hardening_batches:
    run: "{{ run_id }}"
    batches:
      - name: sshd
        options:
          files:
            - path: /etc/ssh/sshd_config.d/00-unified.conf
              content: |
                PermitRootLogin no
              mode: "0600"
          checks:
            - argv: [sshd, -t]
              trees: [/etc/ssh]
          units:
            reloaded: [ssh.service]
"""

RETURN = r"""
batches:
  description: Names of the batches in the record, without those where nothing differed.
  type: list
  elements: str
  returned: success
paths:
  description: Files that were written or removed, or of which an attribute was changed.
  type: list
  elements: str
  returned: success
units:
  description: Units that were changed.
  type: list
  elements: str
  returned: success
refused:
  description: What was left alone, each with C(path) and C(reason).
  type: list
  elements: dict
  returned: success
missing:
  description: Files that do not exist.
  type: list
  elements: str
  returned: success
recovered:
  description: What was done about dead runs.
  type: list
  elements: str
  returned: success
stale:
  description: Files that are not what they were planned from. Batches before this one are made and kept.
  type: list
  elements: str
  returned: when a digest differs
waits:
  description:
    - Name of the batch after which nobody got in, or of which nobody knows how far it came. The host undoes it, and nothing may keep it.
    - Empty where none waits for a login.
  type: str
  returned: failure
blocked_by:
  description: The open run that stands in the way, with C(run) and C(owner).
  type: dict
  returned: when another run is open
"""
