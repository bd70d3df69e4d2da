#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin compliance_report; the code lies in plugins/action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: compliance_report
short_description: Write the reports of a run and show the summary
version_added: 0.1.0
description:
  - Reads the results of all hosts of a run on the controller, writes C(report.*) beside them and shows a table of each host once.
  - All formats are rendered before the first is written. Control, bidirectional and other characters that do not show are
    written as escapes.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  results:
    description: Directory on the controller with the results.
    type: path
    required: true
  hosts:
    description:
      - Hosts of the run. Those without results of this run are listed as not run, with the task that failed; those whose turn
        is still to come, as with C(serial), are listed as such.
    type: list
    elements: str
    required: true
  formats:
    description: Formats to write. All of them by default.
    type: list
    elements: str
    choices: [csv, html, json, junit, markdown]
    default: [csv, html, json, junit, markdown]
  baseline:
    description:
      - A C(report.json) of an earlier run with the same hosts to compare with. Hosts that were judged by other benchmarks then
        are not compared.
    type: path
  fail_on:
    description: V(fail) makes the task fail when a control fails, could not be judged, or a host was not run.
    type: str
    choices: [never, fail]
    default: never
seealso:
  - module: unified.deploy.compliance_plan
  - module: unified.deploy.compliance_verify
  - module: unified.deploy.compliance_failure
attributes:
  check_mode:
    description: Writes on the controller only.
    support: full
  diff_mode:
    description: Has nothing to show.
    support: none
  idempotent:
    description: Never reports a change of its own.
    support: full
"""

EXAMPLES = r"""
- name: Report
  unified.deploy.compliance_report:
    results: ./reports
    hosts: "{{ ansible_play_hosts_all }}"
  run_once: true
"""

RETURN = r"""
reports:
  description: Path of each report by its format.
  type: dict
  returned: success
failing_controls:
  description: Number of controls that fail or could not be judged.
  type: int
  returned: success
hosts_not_run:
  description: Hosts without results of this run, but those whose turn is still to come.
  type: list
  elements: str
  returned: success
unmatched:
  description:
    - Waivers and attestations that match nothing on any host of the report, each with C(where) (file and line), C(entry) (its key in
      the overlay), C(name) (the rule or control) and C(why).
  type: list
  elements: dict
  returned: success
"""
