#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run Goss on the host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: goss
short_description: Run a Goss file on the host and return the results by rule
version_added: 0.1.0
description:
  - Runs C(goss validate) once, with the evidence as its variables, and folds its results by the C(rule) in each resource's C(meta).
  - A skipped result counts as failed. Goss marks it successful, but it checked nothing.
  - Runs as root only a program that nobody but root could have replaced.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  gossfile:
    description: The Goss file, compressed with zlib and base64-encoded.
    type: str
    required: true
  evidence:
    description: The evidence as M(unified.deploy.evidence) returns it.
    type: str
    required: true
  executable:
    description: Path of the Goss program, or its name.
    type: str
    default: goss
  path:
    description:
      - Directory on the host in which to leave C(goss.yml) and C(evidence.json), so that an operator can run them by hand.
      - It is made with mode V(0700). Without it nothing is left behind.
    type: path
  timeout:
    description: Seconds after which Goss and what it started in its own session are killed.
    type: int
    default: 60
seealso:
  - module: unified.deploy.compliance_verify
  - module: unified.deploy.evidence
attributes:
  check_mode:
    description: Can run in check mode. Files are left at O(path) only outside it.
    support: full
  diff_mode:
    description: Has nothing to show in diff mode.
    support: none
  idempotent:
    description: Reports a change only when a file at O(path) was not there.
    support: full
"""

EXAMPLES = r"""
- name: Run a Goss file
  unified.deploy.goss:
    gossfile: "{{ packed_goss_file }}"
    evidence: "{{ evidence.evidence }}"
"""

RETURN = r"""
passed:
  description: Rules of which every check succeeded.
  type: list
  elements: str
  returned: success
failing:
  description: For each other rule, what failed.
  type: dict
  returned: success
count:
  description: Number of checks that ran.
  type: int
  returned: success
seconds:
  description: Seconds that Goss ran.
  type: float
  returned: success
"""

import os
import tempfile
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.unified.deploy.plugins.module_utils._change.paths import make_directories
from ansible_collections.unified.deploy.plugins.module_utils._goss import SECONDS, GossError, judge, unpacked


def leave(module: AnsibleModule, directory: str, texts: dict[str, str]) -> bool:
    """Write the files for the operator; True when one was not there."""
    changed = False
    for name, text in texts.items():
        path = os.path.join(directory, name)
        try:
            with open(path, encoding="utf-8") as handle:
                before = handle.read()
        except OSError:
            before = None
        if before == text or module.check_mode:
            continue
        make_directories(directory, 0o700)
        descriptor, temporary = tempfile.mkstemp(dir=directory)
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            handle.write(text)
        module.atomic_move(temporary, path)
        # What it says differs from run to run, as the evidence does.
        changed = changed or before is None
    return changed


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            # Large, not secret: kept out of the host's log, where every module's options go.
            "gossfile": {"type": "str", "required": True, "no_log": True},
            "evidence": {"type": "str", "required": True, "no_log": True},
            "executable": {"type": "str", "default": "goss"},
            "path": {"type": "path"},
            "timeout": {"type": "int", "default": SECONDS},
        },
        supports_check_mode=True,
    )
    try:
        gossfile, evidence = unpacked(module.params["gossfile"]), unpacked(module.params["evidence"])
        # An audit leaves nothing on the disk: Ansible's own directory below the home would stay.
        memory = "/run" if os.access("/run", os.W_OK) else module.tmpdir
        answer = judge(
            gossfile, evidence, module.params["executable"], timeout=module.params["timeout"], directory=memory
        )
        changed = False
        if module.params["path"]:
            changed = leave(module, module.params["path"], {"goss.yml": gossfile, "evidence.json": evidence})
    except GossError as exc:
        module.fail_json(msg=str(exc))
    except OSError as exc:
        module.fail_json(msg=f"the host's file system refused: {exc}")
    module.exit_json(changed=changed, **answer)


if __name__ == "__main__":
    main()
