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
    attributes, one walk over the local file systems, and how GPUs are.
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
  gossfile:
    description:
      - A Goss file, compressed with zlib and base64-encoded, with which Goss judges at once what was collected.
      - Where Goss cannot do that the evidence comes back without its results.
    type: str
seealso:
  - module: unified.deploy.compliance_plan
  - module: unified.deploy.goss
extends_documentation_fragment:
  - unified.deploy.reading
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
goss:
  description: What M(unified.deploy.goss) returns for that evidence and O(gossfile).
  type: dict
  returned: when Goss judged with O(gossfile)
"""

import base64
import contextlib
import json
import typing as t
import zlib

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.unified.deploy.plugins.module_utils._change.journal import is_any_open
from ansible_collections.unified.deploy.plugins.module_utils._collect.collector import collect
from ansible_collections.unified.deploy.plugins.module_utils._goss import GossError, judge, unpacked


def unfinished_run() -> bool:
    """Whether what is collected may change yet: by a run that goes on, or by the timer of one that died."""
    try:
        return is_any_open()
    except PermissionError:  # who is not root has no runs
        return False


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            "request": {"type": "dict", "required": True},
            # Large, not secret: kept out of the host's log, where every module's options go.
            "gossfile": {"type": "str", "no_log": True},
        },
        supports_check_mode=True,
    )
    evidence = json.dumps(collect(module.params["request"]), separators=(",", ":"))
    answer = {}
    if module.params["gossfile"]:
        # Who asked runs the module goss where this brings nothing, and that one says why it cannot.
        with contextlib.suppress(GossError, OSError):
            answer["goss"] = judge(unpacked(module.params["gossfile"]), evidence, "goss")
    packed = base64.b64encode(zlib.compress(evidence.encode(), 6)).decode()
    module.exit_json(changed=False, evidence=packed, unfinished_run=unfinished_run(), **answer)


if __name__ == "__main__":
    main()
