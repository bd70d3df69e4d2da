# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of modules that write files."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  files:
    description: The files of the transaction. A path may stand in it once.
    type: list
    elements: dict
    suboptions:
      path:
        description: Absolute path. A symbolic link is followed to the file it names, where only root can have put it there.
        type: path
        required: true
      content:
        description: The whole text. V(null) removes the file.
        type: str
      encoding:
        description:
          - V(base64) for a text that is not UTF-8 (an old comment in Latin-1, for example), whose bytes must come through unchanged.
        type: str
        choices: [utf-8, base64]
        default: utf-8
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
          - Command, as a list of arguments, that must succeed for the new text. V(%s) stands for the staged file.
          - The program is looked up in the usual system directories, and must be root's own.
        type: list
        elements: str
        default: []
      digest:
        description:
          - SHA-256 of the text that O(files[].content) was planned from, or V(absent) where there was no file.
          - If the disk differs, nothing is written and the module fails with RV(stale).
        type: str
        default: ''
      required:
        description: Whether nothing at all is changed where this file cannot be. Otherwise it is listed in RV(refused).
        type: bool
        default: true
      keep_times:
        description: Whether the times of access and modification stay.
        type: bool
        default: false
  checks:
    description:
      - Programs that judge the host as it will be. Each sees O(checks[].trees) with the new files in them, in a mount namespace of
        its own, and must succeed.
    type: list
    elements: dict
    default: []
    suboptions:
      argv:
        description: The command as a list of arguments.
        type: list
        elements: str
        required: true
      trees:
        description: Directories or files that it sees with the new files in them.
        type: list
        elements: path
        required: true
  lock_timeout:
    description: Seconds to wait for another process that changes this host.
    type: int
    default: 30
"""
