#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin compliance_verify; the code lies in plugins/action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: compliance_verify
short_description: Let Goss judge a host as the second opinion
version_added: 0.1.0
description:
  - Runs the Goss file that M(unified.deploy.compliance_plan) generated, with one module call, and adds its verdicts to the results.
  - Where the planner and Goss disagree the verdict is V(error).
author:
  - The unified.deploy authors (@unified-deploy)
options:
  results:
    description: Directory on the controller with the results of M(unified.deploy.compliance_plan).
    type: path
    required: true
  executable:
    description: The Goss program on the host.
    type: str
    default: goss
  path:
    description: Directory on the host in which to leave the Goss file and the evidence.
    type: str
seealso:
  - module: unified.deploy.compliance_plan
  - module: unified.deploy.compliance_report
  - module: unified.deploy.goss
attributes:
  check_mode:
    description: Never changes the host, except for the files at O(path).
    support: full
  diff_mode:
    description: Has nothing to show.
    support: none
  idempotent:
    description: Never reports a change of its own.
    support: full
"""

EXAMPLES = r"""
- name: Verify
  unified.deploy.compliance_verify:
    results: ./reports
"""

RETURN = r"""
summary:
  description: How many controls and rules have each verdict.
  type: dict
  returned: success
  contains:
    controls:
      description: Number of controls by verdict.
      type: dict
    rules:
      description: Number of rules by verdict.
      type: dict
    judged:
      description: Number of rules that Goss judged too.
      type: int
    independent:
      description: Number of those of which Goss saw for itself what decides.
      type: int
    loosened:
      description: Number of rules with a value of the overlay that the benchmark would not accept.
      type: int
failing:
  description: Rules that fail or could not be judged.
  type: list
  elements: str
  returned: success
checks:
  description: Number of checks that Goss ran.
  type: int
  returned: success
seconds:
  description: Seconds that Goss ran.
  type: float
  returned: success
"""
