#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Confirm, finish or revert a run."""

from __future__ import annotations

DOCUMENTATION = r"""
module: hardening_run
short_description: Confirm, finish or revert a run of hardening
version_added: 0.3.0
description:
  - Batches are made by M(unified.deploy.hardening_batch). This module says what becomes of them.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  id:
    description:
      - Id of the run. Required for O(state=confirmed) and O(state=finished).
      - Without it O(state=reverted) takes the newest run, reverted or not.
    type: str
  state:
    description:
      - V(confirmed) keeps the batch that waits for it, and disarms its timer.
      - V(finished) does that, and ends the run.
      - V(reverted) brings back the state before the run, with its packages. What cannot be brought back is listed. Other runs that are
        dead are brought to an end first; beside one that goes on none is reverted.
      - V(recovered) brings dead runs to an end. Batches that waited for a confirmation are undone, others finished.
    type: str
    choices: [confirmed, finished, reverted, recovered]
    required: true
  lock_timeout:
    description: Seconds to wait for another process that changes this host.
    type: int
    default: 30
  evidence:
    description:
      - The host's evidence after the run, packed as M(unified.deploy.evidence) returns it. Kept in the run's directory with
        O(state=finished). The action fills it in from O(results).
    type: str
  results:
    description: The results directory of this run on the controller, from which the action takes O(evidence).
    type: path
  owner:
    description: Who runs this. The action fills it in.
    type: dict
    default: {}
  dead:
    description: Open runs of which the owner is known to have gone. The action fills it in.
    type: list
    elements: str
    default: []
seealso:
  - module: unified.deploy.hardening_run_info
  - module: unified.deploy.hardening_batches
attributes:
  check_mode:
    description: Can run in check mode.
    support: full
  diff_mode:
    description: Returns the files that would be brought back.
    support: partial
  idempotent:
    description: A run that has that state is not touched.
    support: full
"""

EXAMPLES = r"""
- name: Bring back the state before a run
  unified.deploy.hardening_run:
    id: 20261121T140000Z
    state: reverted
  register: reverted
"""

RETURN = r"""
run:
  description: Id of the run; empty where there is none.
  type: str
  returned: success
problems:
  description: What could not be brought back or finished, one sentence each.
  type: list
  elements: str
  returned: success
packages:
  description: For O(state=reverted) packages that differ from before the run, with the versions C(before) and C(now), empty for none.
  type: dict
  returned: success
compared:
  description:
    - For O(state=reverted) whether the host's evidence was compared with that from before the run. The action compares in a call of its
      own, for the one that reverts runs in a session that the run had hardened.
    - Runs of which no evidence was kept, such as batches made by hand, cannot be compared.
  type: bool
  returned: success
differences:
  description: For RV(compared) what differs, one sentence each. Nothing there proves that the state before the run is back.
  type: list
  elements: str
  returned: success
blocked_by:
  description: The open run that stands in the way, with C(run) and C(owner).
  type: dict
  returned: when another run is open
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.unified.deploy.plugins.module_utils._change import proof
from ansible_collections.unified.deploy.plugins.module_utils._change.errors import ChangeError
from ansible_collections.unified.deploy.plugins.module_utils._change.runs import LiveOwnerError, Run, Runs
from ansible_collections.unified.deploy.plugins.module_utils._collect.collector import collect
from ansible_collections.unified.deploy.plugins.module_utils._collect.readers import READERS

Result = t.Dict[str, t.Any]


def settle(params: Result, *, dry: bool) -> Result:
    runs, state = Runs(), params["state"]
    with runs.lock(f"run {params['id'] or 'of others'}, {state}", timeout=params["lock_timeout"]):
        if state == "recovered":
            waiting = runs.open_runs()
            said = [] if dry else runs.recover(dead=params["dead"])
            return {"changed": bool(waiting), "problems": said, "packages": {}, "run": ""}
        if state == "reverted":
            return revert(runs, params["id"], dead=params["dead"], dry=dry)
        run = Run(runs.base, params["id"])
        changed = bool(run.awaiting()) or (state == "finished" and run.state == "open")
        said = [] if dry else runs.confirm(run, finish=state == "finished")
        if params["evidence"] and not dry:
            said += kept_after(run, params["evidence"])
        return {"changed": changed, "problems": said, "packages": {}, "run": run.id}


def kept_after(run: Run, evidence: str) -> list[str]:
    """Keep the evidence after a run; that this fails undoes nothing, and is said."""
    try:
        proof.keep(run.directory, proof.AFTER, proof.unpacked(evidence))
    except OSError as exc:
        return [f"the evidence after run {run.id} is not kept: {exc}"]
    return []


def measured(run: Run) -> Result:
    """What evidence differs from before RUN, which is reverted, the same being asked again."""
    try:
        before = proof.read(run.directory, proof.BEFORE)
        if before is None:
            return {"compared": False, "differences": []}
        request = {name: value for name, value in before["request"].items() if name in READERS}
        now = {**collect(request), "request": request}
        proof.keep(run.directory, proof.REVERTED, now)
    except (ChangeError, OSError) as exc:
        return {"compared": False, "differences": [f"what differs from before the run is not known: {exc}"]}
    return {"compared": True, "differences": proof.differences(before, now)}


def revert(runs: Runs, identifier: str | None, *, dead: t.Sequence[str], dry: bool) -> Result:
    newest = runs.all()[-1:]
    if not identifier and not newest:
        return {"changed": False, "problems": [], "packages": {}, "run": "", "compared": False, "differences": []}
    run = Run(runs.base, identifier) if identifier else newest[0]
    changed = runs.revertible(run)
    diff = {"before": "", "after": "".join(f"{path}\n" for path in sorted(run.paths()))}
    answer = {"changed": changed, "diff": diff, "run": run.id}
    if dry or not changed:
        proved = {} if changed else measured(run)
        return {"compared": False, "differences": [], **answer, "problems": [], "packages": run.packages(), **proved}
    problems, packages = runs.revert(run.id, dead=dead)
    return {**answer, "problems": problems, "packages": packages, "compared": False, "differences": []}


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            "id": {"type": "str"},
            "state": {
                "type": "str",
                "choices": ["confirmed", "finished", "reverted", "recovered"],
                "required": True,
            },
            "lock_timeout": {"type": "int", "default": 30},
            "evidence": {"type": "str", "no_log": True},
            "results": {"type": "path"},
            "owner": {"type": "dict", "default": {}},
            "dead": {"type": "list", "elements": "str", "default": []},
        },
        required_if=[("state", state, ["id"]) for state in ("confirmed", "finished")],
        supports_check_mode=True,
    )
    try:
        module.exit_json(**settle(module.params, dry=module.check_mode))
    except LiveOwnerError as exc:
        module.fail_json(msg=str(exc), blocked_by={"run": exc.run, "owner": exc.owner})
    except ChangeError as exc:
        module.fail_json(msg=str(exc))
    except OSError as exc:
        module.fail_json(msg=f"{exc.filename or 'a file'}: {exc.strerror}; run again, which ends what was begun")


if __name__ == "__main__":
    main()
