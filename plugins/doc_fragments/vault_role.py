# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules that manage a role of an engine share."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  name:
    description: Name of the role.
    type: str
    required: true
  config:
    description: Settings, named as in the API. Settings that are not named stay as they are. Durations and lists may have any notation.
    type: dict
    default: {}
  state:
    description: Whether it is there.
    type: str
    choices: [present, absent]
    default: present
attributes:
  diff_mode:
    description: Shows names of settings, never values.
    support: full
  idempotent:
    description: Settings that are there are not written.
    support: full
"""
