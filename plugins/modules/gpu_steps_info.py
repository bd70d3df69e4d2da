#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a second run of the role gpu would do."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_steps_info
short_description: Read a host's GPUs, and whether the last run of the role gpu would change anything again
version_added: 0.2.0
description:
  - Returns what M(unified.deploy.gpu_info) does. In the same execution it asks the steps of the role's last run, which the host keeps in
    C(/var/lib/unified/gpu/steps.json), whether they would change anything.
  - Each step is a module of the role with its options. What is asked is what that module runs in check mode, and it changes nothing. Programs that look at
    the GPUs (M(unified.deploy.gpu_smoke_info), M(unified.deploy.gpu_health_info)) are really run.
  - The first step that has something to do ends the asking.
author:
  - The unified.deploy authors (@unified-deploy)
seealso:
  - module: unified.deploy.gpu_info
  - module: unified.deploy.gpu_plan
extends_documentation_fragment:
  - unified.deploy.reading
notes:
  - The answers are those of a run only where it has the same steps, which it knows by RV(steps.digest).
"""

EXAMPLES = r"""
- name: Would the role change anything?
  unified.deploy.gpu_steps_info:
  register: last

- name: Show why
  ansible.builtin.debug:
    msg: "{{ last.steps.because or 'the host is as the last run left it' }}"
"""

RETURN = r"""
gpu:
  description: What M(unified.deploy.gpu_info) returns.
  type: dict
  returned: success
steps:
  description: What came of asking.
  type: dict
  returned: success
  contains:
    digest:
      description: SHA-256 of the file that holds the steps. Empty where there is none.
      type: str
    because:
      description: What the host has to be done, or why it is not known. Empty where nothing is to be done.
      type: str
    answers:
      description: What each module returned, by its name. Empty where something is to be done.
      type: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.unified.deploy.plugins.module_utils._gpu import kept
from ansible_collections.unified.deploy.plugins.module_utils._gpu.facts import gather


def main() -> t.NoReturn:
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    module.exit_json(changed=False, gpu=gather(), steps=kept.asked()._asdict())


if __name__ == "__main__":
    main()
