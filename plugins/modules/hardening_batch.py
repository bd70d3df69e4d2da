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
  attributes:
    description: Attributes of files that are there, as in M(unified.deploy.file_attributes).
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      mode:
        description: Mode in octal, or V(o-w) to take writing from others, or V(+t) to set the sticky bit.
        type: str
        default: ''
      owner:
        description: Name of the owner.
        type: str
        default: ''
      group:
        description: Name of the group.
        type: str
        default: ''
      state:
        description: V(absent) removes the name. Of a link the link itself goes, never its target.
        type: str
        choices: [present, absent]
        default: present
      device:
        description: Device of the file that was looked at, as stat(2) tells it.
        type: int
        default: 0
      inode:
        description: Inode of the file that was looked at. V(0) where nobody noted it.
        type: int
        default: 0
  sysctls:
    description: Settings of the running kernel by name. Their files are among O(files).
    type: dict
    default: {}
  accounts:
    description: Ageing, lock and shell of accounts, with the names that M(ansible.builtin.user) has for them.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The account.
        type: str
        required: true
      password_expire_min:
        description: Days before a password may be changed again.
        type: int
      password_expire_max:
        description: Days after which a password must be changed.
        type: int
      password_expire_warn:
        description: Days of warning before.
        type: int
      password_expire_account_disable:
        description: Days after which an expired password closes the account.
        type: int
      password_lock:
        description: Whether the password is locked.
        type: bool
      shell:
        description: Login shell.
        type: str
  units:
    description: systemd units.
    type: dict
    default: {}
    suboptions:
      enabled:
        description: Units to enable and start.
        type: list
        elements: str
        default: []
      masked:
        description: Units to stop and mask.
        type: list
        elements: str
        default: []
      restarted:
        description: Units to restart after the commands, where they are active.
        type: list
        elements: str
        default: []
      reloaded:
        description: Units to make read their configuration again, where they are active.
        type: list
        elements: str
        default: []
  commands:
    description: Programs that load or derive something. Each counts as a change, so name only those that are needed.
    type: list
    elements: dict
    default: []
    suboptions:
      argv:
        description: The command as a list of arguments.
        type: list
        elements: str
        required: true
      undo:
        description: Command that takes its effect back.
        type: list
        elements: str
        default: []
      saves:
        description: Files that it changes, as shell patterns. Those of well-known programs are saved anyway.
        type: list
        elements: str
        default: []
      required:
        description: Whether the batch fails, and is undone, where the command fails.
        type: bool
        default: true
  revert_after:
    description: Seconds until the host undoes the batch by itself. V(0) for never.
    type: int
    default: 0
  owner:
    description: Who runs this, for others to read. The action fills it in.
    type: dict
    default: {}
  dead:
    description: Open runs of which the owner is known to have gone. The action fills it in.
    type: list
    elements: str
    default: []
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
from ansible_collections.unified.deploy.plugins.module_utils._change import options
from ansible_collections.unified.deploy.plugins.module_utils._change.batch import Difference
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


def foresee(given: Result) -> Result:
    with tempfile.TemporaryDirectory() as scratch:
        transaction = Transaction(scratch, dry=True)
        difference = Difference(options.plan(given, dry=True), transaction)
        said = transaction.prepare(difference.files, given["checks"] and options.checks(given["checks"]))
    return {**described(difference, said), "batch": "", "recovered": []}


def make(given: Result) -> Result:
    runs = Runs()
    with runs.lock(f"run {given['run']}, batch {given['name']}", timeout=given["lock_timeout"]):
        run, recovered = runs.begin(given["run"], given["owner"], dead=given["dead"])
        batch, difference, said = apply_batch(run, options.plan(given, dry=False), revert_after=given["revert_after"])
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
