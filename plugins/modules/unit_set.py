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
  daemon_reload:
    description: Whether systemd reads its unit files again first.
    type: bool
    default: false
attributes:
  check_mode:
    description: Can run in check mode.
    support: full
  diff_mode:
    description: Returns the states before and after.
    support: full
  idempotent:
    description: Units in their state are not touched, except by O(restarted).
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

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.unified.deploy.plugins.module_utils._collect.command import CommandError
from ansible_collections.unified.deploy.plugins.module_utils._collect.service import Units

State = dict[str, str]


def plan(found: dict[str, State], enabled: list[str], masked: list[str], restarted: list[str]) -> dict[str, list[str]]:
    """The systemctl verbs to run, each with the units that need it."""
    on = ("enabled", "enabled-runtime", "static", "alias", "indirect", "generated")
    return {
        "unmask": [unit for unit in enabled if found[unit]["load"] == "masked"],
        "enable": [unit for unit in enabled if found[unit]["file"] not in on],
        "start": [unit for unit in enabled if found[unit]["active"] != "active"],
        "stop": [unit for unit in masked if found[unit]["active"] not in ("inactive", "failed")],
        "mask": [unit for unit in masked if found[unit]["load"] not in ("masked", "not-found")],
        "restart": [unit for unit in restarted if found[unit]["active"] == "active"],
    }


def main() -> t.NoReturn:
    lists = ("enabled", "masked", "restarted")
    module = AnsibleModule(
        argument_spec={
            **{name: {"type": "list", "elements": "str", "default": []} for name in lists},
            "daemon_reload": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    both = sorted(set(module.params["enabled"]) & set(module.params["masked"]))
    if both:
        module.fail_json(msg=f"{both[0]} is to be enabled and masked at once: name it in one list only")
    units = list(dict.fromkeys(unit for name in lists for unit in module.params[name]))
    if not units:
        module.exit_json(changed=False, units=[])
    if module.params["daemon_reload"] and not module.check_mode:
        module.run_command(["systemctl", "daemon-reload"], check_rc=True)
    try:
        found = Units(units).read().items
    except CommandError as exc:
        module.fail_json(msg=f"systemctl cannot describe the units: {exc}")
    verbs = plan(found, *(module.params[name] for name in lists))
    changed = list(dict.fromkeys(unit for wanted in verbs.values() for unit in wanted))
    for verb, wanted in verbs.items():
        if wanted and not module.check_mode:
            code, _out, err = module.run_command(["systemctl", verb, "--", *wanted])
            if code:
                module.fail_json(
                    msg=f"'systemctl {verb} {' '.join(wanted)}' ended with {code}: {err.strip()[-400:]}", units=changed
                )
    before = "".join(
        f"{unit} {found[unit]['file'] or found[unit]['load']}, {found[unit]['active']}\n" for unit in changed
    )
    after = "".join(
        f"{unit} {', '.join(verb for verb, wanted in verbs.items() if unit in wanted)}\n" for unit in changed
    )
    module.exit_json(changed=bool(changed), units=changed, diff={"before": before, "after": after})


if __name__ == "__main__":
    main()
