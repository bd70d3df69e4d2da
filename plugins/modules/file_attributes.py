#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Set mode, owner and group of many files at once."""

from __future__ import annotations

DOCUMENTATION = r"""
module: file_attributes
short_description: Set mode, owner and group of many files in one call
version_added: 0.1.0
description:
  - Changes the attributes of existing files and directories. One call does what M(ansible.builtin.file) does in a loop.
  - Works by descriptor on the very file that was looked at. What is not as expected (a link or another name where others can
    write, another inode, an immutable file) is left alone and listed in RV(refused), and the rest goes on.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  files:
    description: The files. One that does not exist is listed in RV(missing).
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      mode:
        description: Mode in octal, or V(o-w) to take writing from others, or V(go-w) from the group too, or V(+t) to set the sticky bit.
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
seealso:
  - module: unified.deploy.file_set
  - module: unified.deploy.hardening_batch
attributes:
  check_mode:
    description: Can run in check mode.
    support: full
  diff_mode:
    description: Returns the attributes before and after.
    support: full
  idempotent:
    description: Attributes that are right are not touched.
    support: full
"""

EXAMPLES = r"""
- name: Close two files
  unified.deploy.file_attributes:
    files:
      - path: /etc/crontab
        mode: "0600"
      - path: /etc/cron.d
        mode: "0700"
        owner: root
        group: root
"""

RETURN = r"""
paths:
  description: Files of which an attribute was changed, or that were removed.
  type: list
  elements: str
  returned: success
missing:
  description: Files that do not exist.
  type: list
  elements: str
  returned: success
refused:
  description: Files that were left alone, each with C(path) and C(reason).
  type: list
  elements: dict
  returned: success
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.unified.deploy.plugins.module_utils._change.attributes import change, described, look
from ansible_collections.unified.deploy.plugins.module_utils._change.errors import ChangeError
from ansible_collections.unified.deploy.plugins.module_utils._change.options import ATTRIBUTES, wishes


def main() -> t.NoReturn:
    module = AnsibleModule(argument_spec={"files": {**ATTRIBUTES, "required": True}}, supports_check_mode=True)
    changed, missing, refused = [], [], []
    for wish in wishes(module.params["files"]):
        try:
            entry = look(wish)
            if entry and not module.check_mode:
                change(entry)
        except FileNotFoundError:
            missing.append(wish.path)
        except ChangeError as exc:
            refused.append({"path": wish.path, "reason": str(exc)})
        except OSError as exc:
            refused.append({"path": wish.path, "reason": exc.strerror})
        else:
            changed += [entry] if entry else []
    module.exit_json(
        changed=bool(changed),
        paths=[entry["path"] for entry in changed],
        missing=missing,
        refused=refused,
        diff={key: "".join(described(entry, key) for entry in changed) for key in ("before", "after")},
    )


if __name__ == "__main__":
    main()
