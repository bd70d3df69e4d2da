#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List the runs that a host has on record."""

from __future__ import annotations

DOCUMENTATION = r"""
module: hardening_run_info
short_description: List the runs of hardening that a host has on record
version_added: 0.3.0
description:
  - Reads C(/var/lib/unified/runs). Changes nothing.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  id:
    description: Only this run. It is an error if the host has no such run.
    type: str
seealso:
  - module: unified.deploy.hardening_run
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
- name: Which runs can be reverted?
  unified.deploy.hardening_run_info:
  register: record
"""

RETURN = r"""
runs:
  description: Oldest first.
  type: list
  elements: dict
  returned: success
  contains:
    id:
      description: Its id.
      type: str
    created:
      description: When it was begun, UTC.
      type: str
    state:
      description: C(open), C(finished) or C(reverted).
      type: str
    owner:
      description: Who began it, with C(user), C(controller) and C(pid).
      type: dict
    batches:
      description: Its batches, with C(name), C(state) and the seconds of C(revert_after).
      type: list
      elements: dict
    paths:
      description: Files that it changed and that are not brought back.
      type: list
      elements: str
    evidence:
      description:
        - Files on the host with the evidence C(before) and C(after) the run and when it was C(reverted), as far as it was kept; JSON
          with gzip, for root only. Unpacked and brought to the controller it can be judged, see C(compliance_evidence).
      type: dict
    revert:
      description: What to type on the host's console to revert it.
      type: str
packages:
  description: With O(id), packages that differ from before that run, with the versions C(before) and C(now), empty for none.
  type: dict
  returned: success
"""

import datetime
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.unified.deploy.plugins.module_utils._change import proof
from ansible_collections.unified.deploy.plugins.module_utils._change.errors import ChangeError
from ansible_collections.unified.deploy.plugins.module_utils._change.runs import Run, Runs


def described(run: Run) -> dict[str, t.Any]:
    created = datetime.datetime.fromtimestamp(run.facts["created"], datetime.timezone.utc)
    batches = [
        {"name": batch.name, "state": batch.state, "revert_after": batch.plan.get("revert_after", 0)}
        for batch in run.batches()
    ]
    return {
        "id": run.id,
        "created": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "state": run.state,
        "owner": run.facts["owner"],
        "batches": batches,
        "paths": sorted(run.paths()),
        "evidence": proof.kept(run.directory),
        "revert": run.console_command,
    }


def main() -> t.NoReturn:
    module = AnsibleModule(argument_spec={"id": {"type": "str"}}, supports_check_mode=True)
    runs, packages = Runs(), {}
    try:
        if module.params["id"]:
            chosen = Run(runs.base, module.params["id"])
            rows, packages = [described(chosen)], chosen.packages()
        else:
            rows = [described(run) for run in runs.all()]
    except ChangeError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, runs=rows, packages=packages)


if __name__ == "__main__":
    main()
