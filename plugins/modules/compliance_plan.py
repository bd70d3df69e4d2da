#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin compliance_plan; the code lies in plugins/action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: compliance_plan
short_description: Judge a host against benchmarks and plan what would make it comply
version_added: 0.1.0
description:
  - Merges what the chosen benchmarks and the site's overlay ask for, collects the host's evidence in one module call,
    and judges every rule on the controller. Nothing on the host is changed.
  - Evidence, results and a Goss file are written below O(results). What comes back is small, namely the verdicts' counts and the
    desired state of what drifts.
  - With C(--check --diff) and O(apply) the rules that would change are shown with what they are and what they would be.
  - A host that is not reached fails instead of being left out, so that C(always) sections still write the report.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  benchmarks:
    description: Benchmarks and levels to merge.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Id of a benchmark, for example V(cis_debian13), or its series, for example V(cis), to take the one for the host's system.
        type: str
        required: true
      level:
        description: Level, for example V(l1_server). Levels that it inherits are included.
        type: str
        required: true
  overlay:
    description: File with the site's values, purposes, waivers and attestations.
    type: path
  sections:
    description: Only controls in these sections, given as prefixes of their ids, for example V(5.1).
    type: list
    elements: str
    default: []
  kinds:
    description: Only rules of these kinds, for example V(sshd).
    type: list
    elements: str
    default: []
  rules:
    description: Only these rules, for example V(sshd/PermitRootLogin).
    type: list
    elements: str
    default: []
  walk:
    description: Whether to walk the file systems. Without it the rules of kind C(scan) are not checked.
    type: bool
    default: true
  evidence:
    description: Judge this stored evidence, a file on the controller, instead of collecting it.
    type: path
  changed_rules:
    description: Rules that this run has changed, for the report.
    type: list
    elements: str
    default: []
  state:
    description:
      - How far the run has come with the host. A result that is only V(planned) or V(applied) when the report is written is
        one of a run that did not end well.
    type: str
    choices: [planned, applied]
    default: planned
  apply:
    description: Whether what is planned will be applied, so that in check mode this task reports a change where a run would change the host.
    type: bool
    default: false
  guarded:
    description:
      - Whether changes that could lock people out must be kept by a new login. With O(apply) they are then held over C(local)
        connections, where there is none.
    type: bool
    default: true
  boot_password:
    description:
      - Hash of the password that the boot menu is to ask for, as C(grub-mkpasswd-pbkdf2) prints it. Without one a host whose menu
        is open is left so. Give the hash, never the password.
    type: str
    default: ""
  verify:
    description:
      - Whether Goss judges in the same call, with the file of the host's last run. That counts only where this run asks for the
        same checks, and spares a second call. The file is used only if nobody but its owner or root can have written it.
    type: bool
    default: false
  results:
    description: Directory on the controller for evidence and results. Directories in it are made with mode V(0700).
    type: path
    required: true
seealso:
  - module: unified.deploy.compliance_verify
  - module: unified.deploy.compliance_report
  - module: unified.deploy.hardening_batches
  - module: unified.deploy.evidence
attributes:
  check_mode:
    description: Never changes the host. With O(apply) it reports a change where a run would change the host.
    support: full
  diff_mode:
    description: Shows the rules that would change.
    support: full
  idempotent:
    description: Reports a change only in check mode with O(apply).
    support: full
"""

EXAMPLES = r"""
- name: Judge against the CIS benchmark of the host's system
  unified.deploy.compliance_plan:
    benchmarks:
      - name: cis
        level: l1_server
    results: ./reports
  register: __plan
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
changes:
  description: Rules that apply would bring to their desired state.
  type: list
  elements: str
  returned: success
held:
  description: Failing rules that are not changed, each with the reason.
  type: dict
  returned: success
desired:
  description:
    - The desired state of what drifts, with C(packages_absent), C(packages_present), and C(batches), as for
      M(unified.deploy.hardening_batches). That is empty where nothing but packages drifts.
  type: dict
  returned: success
run:
  description: Id of this run of ansible-playbook, the same for all its hosts and tasks.
  type: str
  returned: success
unfinished_run:
  description: Whether a run of hardening has been begun on the host and not ended.
  type: bool
  returned: success
verified:
  description: Whether Goss has judged too, so that M(unified.deploy.compliance_verify) has nothing left to do.
  type: bool
  returned: success
goss:
  description: Whether Goss is on the host.
  type: bool
  returned: success
architecture:
  description: The host's architecture, as C(uname -m) names it.
  type: str
  returned: success
  sample: x86_64
package_tool:
  description: What installs and removes packages on the host's platform.
  type: str
  returned: success
  sample: apt
goss_in_distribution:
  description: Whether the host's distribution has a package of Goss that is new enough.
  type: bool
  returned: success
reboot:
  description: Why a reboot is required to finish, empty when it is not.
  type: list
  elements: str
  returned: success
"""
