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
    merged and live kernel parameters, modules, mounts, PAM stacks, accounts, sudo, audit rules, the packet filter, file
    attributes and one walk over the local file systems.
  - The result is the evidence, JSON with a schema version. Stored, it can be judged later and elsewhere.
  - Password hashes and private keys are never read into it.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  request:
    description:
      - What to look at. The action plugins fill it from the catalogue.
      - The keys are V(sysctl), V(kmod), V(units), V(texts) and V(pam) with lists of names, V(files) with a mapping of
        patterns to excluded patterns, and V(walk) with a boolean.
    type: dict
    required: true
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
      kmod: []
      units: [ssh.service]
      files: {}
      texts: []
      pam: []
      walk: false
  register: __evidence
"""

RETURN = r"""
evidence:
  description: The evidence as JSON, compressed with zlib and base64-encoded, because a large result is slow to pass around.
  type: str
  returned: success
"""

import base64
import json
import typing as t
import zlib

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.unified.deploy.plugins.module_utils._collect.collector import collect


def main() -> t.NoReturn:
    module = AnsibleModule(argument_spec={"request": {"type": "dict", "required": True}}, supports_check_mode=True)
    request = module.params["request"]
    missing = sorted({"sysctl", "kmod", "units", "files", "texts", "pam"} - set(request))
    if missing:
        module.fail_json(msg=f"request lacks the key '{missing[0]}': give a list, empty if nothing is to be looked at")
    packed = zlib.compress(json.dumps(collect(request), separators=(",", ":")).encode(), 6)
    module.exit_json(changed=False, evidence=base64.b64encode(packed).decode())


if __name__ == "__main__":
    main()
