#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collect the evidence of a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: evidence
short_description: Read the effective security state of a host in one call
version_added: 0.1.0
description:
  - Reads what the compliance rules speak of, once and without changing anything. Covered are packages, units, C(sshd -T),
    merged and live kernel parameters, modules, mounts, PAM stacks, accounts, homes, sudo, audit rules, the packet filter, file
    attributes and one walk over the local file systems.
  - The result is the evidence, JSON with a schema version. Stored, it can be judged later and elsewhere.
  - Password hashes and private keys are never read into it, and secrets in mount options are masked.
  - To see what root's login shell really gets, it runs one, and with it root's profile.
  - It ends within two minutes and needs at most 512 MB. A home directory that does not answer for five seconds costs itself. What was
    not seen is part of the evidence, with the reason.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  request:
    description:
      - What to look at. The action plugins fill it from the catalogue.
      - Keys are sections of the evidence. Values say what of it to read, a list of names or a mapping of patterns to excluded
        patterns; null reads all that the section has. A section that is not named is not read.
    type: dict
    required: true
  run:
    description: Id of a run of hardening that is on record on this host. What is collected is kept with it, as the evidence after it.
    type: str
attributes:
  check_mode:
    description: Can run in check mode, as it never changes anything.
    support: full
  diff_mode:
    description: Has nothing to show in diff mode.
    support: none
  idempotent:
    description: Never reports a change.
    support: full
"""

EXAMPLES = r"""
- name: Look at two kernel parameters and one unit
  unified.deploy.evidence:
    request:
      sysctl: [kernel.dmesg_restrict, net.ipv4.ip_forward]
      service: [ssh.service]
  register: __evidence
"""

RETURN = r"""
evidence:
  description: The evidence as JSON, compressed with zlib and base64-encoded, because a large result is slow to pass around.
  type: str
  returned: success
unfinished_run:
  description: Whether a run of hardening has been begun on this host and not ended.
  type: bool
  returned: success
"""

import base64
import json
import typing as t
import zlib

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.unified.deploy.plugins.module_utils._change import proof
from ansible_collections.unified.deploy.plugins.module_utils._change.errors import ChangeError
from ansible_collections.unified.deploy.plugins.module_utils._change.record import BASE
from ansible_collections.unified.deploy.plugins.module_utils._change.runs import Run, Runs
from ansible_collections.unified.deploy.plugins.module_utils._collect.collector import READERS, collect


def unfinished_run() -> bool:
    """Whether what is collected may change yet: by a run that goes on, or by the timer of one that died."""
    try:
        return bool(Runs().open_runs())
    except PermissionError:  # who is not root has no runs
        return False


def keep(identifier: str, document: dict[str, t.Any], warn: t.Callable[[str], None]) -> None:
    """Keep the evidence after a run with its record; that this fails undoes nothing."""
    try:
        run = Run(BASE, identifier)
        run.check()
        proof.keep(run.directory, proof.AFTER, document)
    except (ChangeError, OSError) as exc:
        warn(f"the evidence after run {identifier} is not kept on the host: {exc}")


def main() -> t.NoReturn:
    argument_spec = {"request": {"type": "dict", "required": True}, "run": {"type": "str"}}
    module = AnsibleModule(argument_spec=argument_spec, supports_check_mode=True)
    request = module.params["request"]
    unknown = sorted(set(request) - set(READERS))
    if unknown:
        module.fail_json(
            msg=f"request names the section '{unknown[0]}', which nothing reads. Sections are {', '.join(READERS)}"
        )
    document = collect(request)
    if module.params["run"] and not module.check_mode:
        keep(module.params["run"], {**document, "request": request}, module.warn)
    packed = zlib.compress(json.dumps(document, separators=(",", ":")).encode(), 6)
    module.exit_json(changed=False, evidence=base64.b64encode(packed).decode(), unfinished_run=unfinished_run())


if __name__ == "__main__":
    main()
