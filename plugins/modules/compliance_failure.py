#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin compliance_failure; the code lies in plugins/action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: compliance_failure
short_description: Keep at which task the run of a host failed
version_added: 0.1.0
description:
  - Writes the end of a host's run into its results, so that the report lists the host as not run, with the task and the reason.
  - Always fails, so that the host stays failed. For C(rescue) sections.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  results:
    description: Directory on the controller with the results.
    type: path
    required: true
  task:
    description: Name of the task that failed.
    type: str
    required: true
  reason:
    description: What it said.
    type: str
    default: ""
  state:
    description: Whether the task failed, or the host was not reached.
    type: str
    choices: [failed, unreachable]
    default: failed
seealso:
  - module: unified.deploy.compliance_report
attributes:
  check_mode:
    description: Writes on the controller only.
    support: full
  diff_mode:
    description: Has nothing to show.
    support: none
  idempotent:
    description: Never reports a change.
    support: full
"""

EXAMPLES = r"""
- name: Keep what failed
  unified.deploy.compliance_failure:
    results: ./reports
    task: "{{ ansible_failed_task.name }}"
    reason: "{{ ansible_failed_result.msg | default('') }}"
"""

RETURN = r"""
msg:
  description: At which task the run ended.
  type: str
  returned: always
reached:
  description: Whether the host can be asked for more.
  type: bool
  returned: always
"""
