#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write several files in one transaction."""

from __future__ import annotations

DOCUMENTATION = r"""
module: file_set
short_description: Write several files in one transaction
version_added: 0.1.0
description:
  - Stages every file in a directory that only root can open, runs every validator, and only then puts all of them in place.
  - If anything fails, for example a validator or a full disk, no file has changed. If the module is killed in between, the next
    call on the host finishes or forgets what it left.
  - Files are reached without following a link, or using a directory, that others than root or O(files[].owner) can exchange.
  - Access lists, SELinux labels and attributes of users stay with a file that is there.
author:
  - The unified.deploy authors (@unified-deploy)
extends_documentation_fragment:
  - unified.deploy.file_set
options:
  files:
    required: true
seealso:
  - module: unified.deploy.file_attributes
  - module: unified.deploy.hardening_batch
  - module: unified.deploy.secret_set
attributes:
  check_mode:
    description: Can run in check mode, and runs the validators then too.
    support: full
  diff_mode:
    description: Returns the texts before and after. Bytes that are no text, and what would steer a terminal, are shown as escapes.
    support: full
  idempotent:
    description: A file that has the text already is not touched.
    support: full
notes:
  - Needs root on the host, for the record in C(/var/lib/unified) that makes the files one transaction.
"""

EXAMPLES = r"""
- name: Change two drop-ins together or not at all
  unified.deploy.file_set:
    files:
      - path: /etc/ssh/sshd_config.d/00-site.conf
        content: |
          PermitRootLogin no
        mode: "0600"
      - path: /etc/sudoers.d/site
        content: |
          Defaults use_pty
        mode: "0440"
        validate: [visudo, -c, -f, "%s"]
    checks:
      - argv: [sshd, -t]
        trees: [/etc/ssh]
"""

RETURN = r"""
paths:
  description: Files that were written or removed.
  type: list
  elements: str
  returned: success
refused:
  description: Files that could not be changed and were not required, each with C(path) and C(reason).
  type: list
  elements: dict
  returned: success
stale:
  description: Files that are not what they were planned from.
  type: list
  elements: str
  returned: when O(files[].digest) differs
said:
  description: What each of O(checks) wrote to its standard output.
  type: list
  elements: str
  returned: success
"""

import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change.step import run_module
from ansible_collections.unified.deploy.plugins.module_utils._change.steps import files


def main() -> t.NoReturn:
    run_module(files.SPEC, files.act)


if __name__ == "__main__":
    main()
