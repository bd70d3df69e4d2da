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
  - A symbolic link below a directory that others can write is never followed, so that nobody can redirect a change.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  files:
    description: The files. One that does not exist is skipped and listed in RV(missing).
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      mode:
        description: Mode in octal, or V(o-w) to take writing from others, or V(+t) to set the sticky bit.
        type: str
      owner:
        description: Name of the owner.
        type: str
      group:
        description: Name of the group.
        type: str
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
  description: Files of which an attribute was changed.
  type: list
  elements: str
  returned: success
missing:
  description: Files that do not exist.
  type: list
  elements: str
  returned: success
"""

import grp
import os
import pwd
import stat
import typing as t

from ansible.module_utils.basic import AnsibleModule


class AttributesError(Exception):
    """A wish cannot be met; the message names the file."""


def opened(path: str) -> int:
    """A descriptor of PATH itself. A link is followed only where nobody but root could have put it."""
    parent = os.stat(os.path.dirname(path) or "/")
    flags = os.O_PATH | (os.O_NOFOLLOW if parent.st_mode & 0o022 or parent.st_uid else 0)
    return os.open(path, flags)


def wanted_mode(text: str, now: int, path: str) -> int:
    if text == "o-w":
        return now & ~0o002
    if text == "+t":
        return now | stat.S_ISVTX
    try:
        return int(text, 8)
    except ValueError as exc:
        raise AttributesError(f"{path}: mode '{text}' is not octal, 'o-w' or '+t'") from exc


def bring(entry: dict[str, t.Any], *, dry: bool) -> tuple[str, str] | None:
    """Change one file; its attributes before and after as text, None when they were right."""
    path = entry["path"]
    descriptor = opened(path)
    try:
        facts = os.fstat(descriptor)
        now = stat.S_IMODE(facts.st_mode)
        if stat.S_ISLNK(facts.st_mode):
            raise AttributesError(f"{path} is a symbolic link in a directory that others can write: not followed")
        try:
            uid = pwd.getpwnam(entry["owner"]).pw_uid if entry["owner"] else facts.st_uid
            gid = grp.getgrnam(entry["group"]).gr_gid if entry["group"] else facts.st_gid
        except KeyError as exc:
            raise AttributesError(f"{path}: {exc}") from exc
        mode = wanted_mode(entry["mode"], now, path) if entry["mode"] else now
        before, after = f"{now:04o} {facts.st_uid}:{facts.st_gid}", f"{mode:04o} {uid}:{gid}"
        if before == after:
            return None
        if not dry:
            # By descriptor, so that the file cannot be exchanged in between.
            handle = f"/proc/self/fd/{descriptor}"
            os.chown(handle, uid, gid)
            os.chmod(handle, mode)
        return f"{path} {before}\n", f"{path} {after}\n"
    finally:
        os.close(descriptor)


def main() -> t.NoReturn:
    options = {name: {"type": "str"} for name in ("mode", "owner", "group")}
    spec = {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {"path": {"type": "path", "required": True}, **options},
    }
    module = AnsibleModule(argument_spec={"files": spec}, supports_check_mode=True)
    paths, missing, before, after = [], [], "", ""
    for entry in module.params["files"]:
        try:
            change = bring(entry, dry=module.check_mode)
        except FileNotFoundError:
            missing.append(entry["path"])
        except AttributesError as exc:
            module.fail_json(msg=str(exc), paths=paths)
        except OSError as exc:
            module.fail_json(msg=f"{entry['path']}: {exc.strerror}", paths=paths)
        else:
            if change:
                paths.append(entry["path"])
                before, after = before + change[0], after + change[1]
    module.exit_json(changed=bool(paths), paths=paths, missing=missing, diff={"before": before, "after": after})


if __name__ == "__main__":
    main()
