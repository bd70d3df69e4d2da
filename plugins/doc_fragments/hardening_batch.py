# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a batch can change besides files."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
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
      into:
        description:
          - The file that the command makes of others, as C(grub-mkconfig) makes a boot menu. C(%s) in its arguments stands for a
            new file beside it, which takes its place, owner and mode only when it is whole and on the disk.
        type: str
        default: ""
      keeps:
        description:
          - A regular expression. Where a line of the file O(commands[].into) matches it and none of the new one does, the command has
            failed and the file stays as it was. A boot menu that has lost all its kernels is none.
        type: str
        default: ""
      required:
        description: Whether the batch fails, and is undone, where the command fails.
        type: bool
        default: true
"""
