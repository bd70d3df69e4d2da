#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring many systemd units to their state at once."""

from __future__ import annotations

DOCUMENTATION = r"""
module: unit_set
short_description: Enable, mask and restart systemd units in one call
version_added: 0.1.0
description:
  - Reads the state of all units with one C(systemctl show), and changes what differs with one call for each verb.
  - One call does what M(ansible.builtin.systemd_service) does in a loop.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  enabled:
    description: Units to enable and start.
    type: list
    elements: str
    default: []
  masked:
    description: Units to stop and mask. A unit that does not exist is left alone.
    type: list
    elements: str
    default: []
  restarted:
    description: Units to restart, where they are active. This always reports a change.
    type: list
    elements: str
    default: []
  reloaded:
    description:
      - Units to make read their configuration again, where they are active. One that cannot is restarted.
      - This always reports a change.
    type: list
    elements: str
    default: []
  at_boot:
    description: Units to enable without starting them now. A unit that does not exist is left alone.
    type: list
    elements: str
    default: []
    version_added: 0.2.0
  daemon_reload:
    description: Whether systemd reads its unit files again first.
    type: bool
    default: false
seealso:
  - module: unified.deploy.hardening_batch
  - module: unified.deploy.file_set
attributes:
  check_mode:
    description: Can run in check mode.
    support: full
  diff_mode:
    description: Returns the states before and after.
    support: full
  idempotent:
    description: Units in their state are not touched, except by O(restarted) and O(reloaded).
    support: full
"""

EXAMPLES = r"""
- name: No printing and no discovery, but time
  unified.deploy.unit_set:
    masked: [cups.service, avahi-daemon.service]
    enabled: [systemd-timesyncd.service]
"""

RETURN = r"""
units:
  description: Units that were changed.
  type: list
  elements: str
  returned: success
"""

import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change.step import run_module
from ansible_collections.unified.deploy.plugins.module_utils._change.steps import units


def main() -> t.NoReturn:
    run_module(units.SPEC, units.act)


if __name__ == "__main__":
    main()
