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
  - Writes every file to a temporary one beside it, runs every validator, and only then puts all of them in place.
  - If anything fails, for example a validator or a full disk, no file has changed.
  - Originals can be kept in a directory, from which they can be restored.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  files:
    description: The files of the transaction. A path may stand in it once.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute path. A symbolic link is followed to the file it names.
        type: path
        required: true
      content:
        description: The whole text. V(null) removes the file.
        type: str
      mode:
        description: Mode of a file that is new, and of one that has a wider mode now. A stricter mode is left alone.
        type: str
        default: "0644"
      owner:
        description: Owner of a new file.
        type: str
        default: root
      group:
        description: Group of a new file.
        type: str
        default: root
      validate:
        description:
          - Command, as a list of arguments, that must succeed for the new text. V(%s) stands for the temporary file.
          - The program is looked up in the usual system directories.
        type: list
        elements: str
        default: []
  backup_path:
    description: Directory that keeps the originals of changed files, each below its full path. It is made with mode V(0700).
    type: path
attributes:
  check_mode:
    description: Can run in check mode, and runs the validators then too.
    support: full
  diff_mode:
    description: Returns the texts before and after.
    support: full
  idempotent:
    description: A file that has the text already is not touched.
    support: full
"""

EXAMPLES = r"""
- name: Change two drop-ins together or not at all
  unified.deploy.file_set:
    files:
      - path: /etc/ssh/sshd_config.d/00-site.conf
        content: |
          PermitRootLogin no
        mode: "0600"
        validate: [sshd, -t, -f, "%s"]
      - path: /etc/sudoers.d/site
        content: |
          Defaults use_pty
        mode: "0440"
        validate: [visudo, -c, -f, "%s"]
"""

RETURN = r"""
paths:
  description: Files that were written or removed.
  type: list
  elements: str
  returned: success
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.unified.deploy.plugins.module_utils._transaction import Change, Transaction, TransactionError


def main() -> t.NoReturn:
    spec = {
        "path": {"type": "path", "required": True},
        "content": {"type": "str"},
        "mode": {"type": "str", "default": "0644"},
        "owner": {"type": "str", "default": "root"},
        "group": {"type": "str", "default": "root"},
        "validate": {"type": "list", "elements": "str", "default": []},
    }
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "list", "elements": "dict", "required": True, "options": spec},
            "backup_path": {"type": "path"},
        },
        supports_check_mode=True,
    )
    transaction = Transaction(
        [Change(**entry) for entry in module.params["files"]], backup=module.params["backup_path"]
    )
    try:
        changes = transaction.apply(dry=module.check_mode)
    except TransactionError as exc:
        module.fail_json(msg=str(exc))
    diff = []
    for change, before in changes:
        after = change.path if change.content is not None else "/dev/null"
        texts = {"before": before or "", "after": change.content or ""}
        diff.append({"before_header": change.path, "after_header": after, **texts})
    module.exit_json(changed=bool(changes), paths=[change.path for change, _before in changes], diff=diff)


if __name__ == "__main__":
    main()
