#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make one batch of changes, with a way back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: hardening_batch
short_description: Make one batch of changes to a host, recorded, and undone by the host itself unless confirmed
version_added: 0.3.0
description:
  - Changes files, attributes, kernel settings, accounts and units, and runs commands, in this order. All of it, or nothing.
  - Before the first change the run's directory on the host, C(/var/lib/unified/runs/<run>), holds the plan, what the files and
    states were, and a program that brings them back.
  - With O(revert_after) the host undoes the batch by itself after that time, unless M(unified.deploy.hardening_run) confirms
    it. Run that over a new connection, and it proves that people still get in.
  - What served before (running services, listening ports) and serves no more, though nobody asked for that, undoes the batch.
  - Batches of a dead run are brought to an end first. The ones that waited for a confirmation are undone, others finished.
author:
  - The unified.deploy authors (@unified-deploy)
extends_documentation_fragment:
  - unified.deploy.file_set
  - unified.deploy.hardening_batch
options:
  run:
    description: Id of the run. The first batch of a run opens it.
    type: str
    required: true
  name:
    description: Name of the batch, such as V(sshd).
    type: str
    required: true
  files:
    default: []
  revert_after:
    description: Seconds until the host undoes the batch by itself. V(0) for never.
    type: int
    default: 0
  logins:
    description:
      - Who must still get in by the new files of sshd. What C(sshd -T -C) says of them and of today's files is compared before
        anything is changed. Somebody who would be shut out fails the batch.
    type: list
    elements: dict
    default: []
    suboptions:
      user:
        description: The account.
        type: str
        required: true
      address:
        description: The address from which that user comes.
        type: str
        required: true
  secrets:
    description:
      - By path of one of O(files), the text that C(%s) in its content stands for. It is shown and logged nowhere.
    type: dict
    default: {}
  keep:
    description:
      - Keep the batch of this run that waits to be confirmed, before making this one. Say so over a new connection only, for
        that this module runs is the proof.
    type: bool
    default: false
  packages:
    description:
      - Packages that will be installed or removed for this run. A revert brings back these, and what the package manager's own log
        says came or went in the same transactions.
    type: list
    elements: str
    default: []
  evidence:
    description:
      - The host's evidence from before the run, packed as M(unified.deploy.evidence) returns it, with its C(request). The first that
        a run is given is kept in its directory, for a revert to be measured by. The action fills it in from O(results).
    type: str
  results:
    description: The results directory of this run on the controller, from which the action takes O(evidence).
    type: path
  owner:
    description: Who runs this, for others to read. The action fills it in.
    type: dict
    default: {}
  dead:
    description: Open runs of which the owner is known to have gone. The action fills it in.
    type: list
    elements: str
    default: []
seealso:
  - module: unified.deploy.hardening_batches
  - module: unified.deploy.hardening_run
attributes:
  check_mode:
    description: Can run in check mode, and lets every validator and check judge then too. Commands are not run.
    support: full
  diff_mode:
    description: Returns what changes, before and after.
    support: full
  idempotent:
    description: What is as wanted is not touched, except by O(commands), O(units.restarted) and O(units.reloaded).
    support: partial
"""

EXAMPLES = r"""
- name: Close root's logins
  unified.deploy.hardening_batch:
    run: "{{ run_id }}"
    name: sshd
    files:
      - path: /etc/ssh/sshd_config.d/00-unified.conf
        content: |
          PermitRootLogin no
        mode: "0600"
        digest: absent
    checks:
      - argv: [sshd, -t]
        trees: [/etc/ssh]
    units:
      reloaded: [ssh.service]
    revert_after: 120

- name: Log in anew
  ansible.builtin.meta: reset_connection

- name: Keep it, for this task got in and became root
  unified.deploy.hardening_run:
    id: "{{ run_id }}"
    state: confirmed
"""

RETURN = r"""
batch:
  description: Name of the batch in the record. Empty where nothing differed.
  type: str
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
said:
  description: What each of O(checks) wrote to its standard output.
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
  description: Files that are not what they were planned from.
  type: list
  elements: str
  returned: when O(files[].digest) differs
blocked_by:
  description: The open run that stands in the way, with C(run) and C(owner).
  type: dict
  returned: when another run is open
"""

import tempfile
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.unified.deploy.plugins.module_utils import _logins
from ansible_collections.unified.deploy.plugins.module_utils._change import options, proof
from ansible_collections.unified.deploy.plugins.module_utils._change.batch import Difference, Plan
from ansible_collections.unified.deploy.plugins.module_utils._change.errors import ChangeError, StaleError
from ansible_collections.unified.deploy.plugins.module_utils._change.runs import LiveOwnerError, Runs, apply_batch
from ansible_collections.unified.deploy.plugins.module_utils._change.transaction import Transaction

Result = t.Dict[str, t.Any]


def described(difference: Difference, said: list[str]) -> Result:
    paths = [change.path for change in difference.files] + [entry["path"] for entry in difference.attributes]
    return {
        "changed": bool(difference),
        "paths": paths,
        "units": difference.changed_units(),
        "refused": difference.refused,
        "missing": difference.missing,
        "said": said,
        "diff": options.batch_diff(difference),
    }


def planned(params: Result, *, dry: bool) -> Plan:
    plan = options.plan(params, dry=dry)
    return plan._replace(checks=[*plan.checks, *_logins.checks(logins(params))])


def logins(params: Result) -> list[_logins.Login]:
    return [_logins.Login(**entry) for entry in params["logins"]]


def judged(params: Result, said: t.Sequence[str]) -> None:
    _logins.judge(logins(params), said[len(params["checks"]) :])


def foresee(params: Result) -> Result:
    with tempfile.TemporaryDirectory() as scratch:
        transaction = Transaction(scratch, dry=True)
        difference = Difference(planned(params, dry=True), transaction)
        said = transaction.prepare(difference.files, difference.plan.checks)
        judged(params, said)
    return {**described(difference, said), "batch": "", "recovered": []}


def make(params: Result) -> Result:
    runs = Runs()
    with runs.lock(f"run {params['run']}, batch {params['name']}", timeout=params["lock_timeout"]):
        run, recovered = runs.begin(params["run"], params["owner"], dead=params["dead"], keep=params["keep"])
        if params["evidence"]:
            proof.keep(run.directory, proof.BEFORE, proof.unpacked(params["evidence"]))
        if params["packages"]:
            run.ask_for(params["packages"])
        plan = planned(params, dry=False)
        batch, difference, said = apply_batch(
            run, plan, revert_after=params["revert_after"], accept=lambda said: judged(params, said)
        )
    result = {**described(difference, said), "batch": batch.name if batch else "", "recovered": recovered}
    result["refused"] += [{"path": "", "reason": reason} for reason in (batch.problems if batch else [])]
    return result


def main() -> t.NoReturn:
    units = {"type": "dict", "default": {}, "apply_defaults": True, "options": options.UNITS}
    module = AnsibleModule(
        argument_spec={
            "run": {"type": "str", "required": True},
            "name": {"type": "str", "required": True},
            "files": {**options.FILES, "default": []},
            "checks": options.CHECKS,
            "attributes": {**options.ATTRIBUTES, "default": []},
            "sysctls": {"type": "dict", "default": {}},
            "accounts": options.ACCOUNTS,
            "units": units,
            "commands": options.COMMANDS,
            "revert_after": {"type": "int", "default": 0},
            "lock_timeout": {"type": "int", "default": 30},
            "logins": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"user": {"type": "str", "required": True}, "address": {"type": "str", "required": True}},
            },
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "keep": {"type": "bool", "default": False},
            "packages": {"type": "list", "elements": "str", "default": []},
            "evidence": {"type": "str", "no_log": True},
            "results": {"type": "path"},
            "owner": {"type": "dict", "default": {}},
            "dead": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(**(foresee if module.check_mode else make)(module.params))
    except StaleError as exc:
        module.fail_json(msg=str(exc), stale=exc.paths)
    except LiveOwnerError as exc:
        module.fail_json(msg=str(exc), blocked_by={"run": exc.run, "owner": exc.owner})
    except ChangeError as exc:
        module.fail_json(msg=str(exc))
    except OSError as exc:
        module.fail_json(msg=f"{exc.filename or 'a file'}: {exc.strerror}; run again, which ends what was begun")


if __name__ == "__main__":
    main()
