# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""References to values on the controller, then the command on the host."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible_collections.unified.deploy.plugins.plugin_utils._controller_action import ControllerAction, Result
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets import values
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.transform import NAME


class ActionModule(ControllerAction):
    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {
        "argv": {"type": "list", "elements": "str", "required": True},
        "environment": {"type": "dict", "default": {}},
        "files": {"type": "dict", "default": {}},
        "chdir": {"type": "path"},
        "timeout": {"type": "float", "default": 300},
        "creates": {"type": "path"},
        "removes": {"type": "path"},
    }

    def act(self, arguments: Result, task_vars: Result) -> Result:
        if not arguments["argv"]:
            raise AnsibleActionFail("argv is empty. Name a command")
        references = {**arguments["environment"], **arguments["files"]}
        twice = sorted(set(arguments["environment"]) & set(arguments["files"]))
        wrong = [name for name in references if not NAME.fullmatch(str(name))]
        if twice or wrong:
            what = (
                f"{twice[0]} stands in environment and in files" if twice else f"'{wrong[0]}' is no name of a variable"
            )
            raise AnsibleActionFail(f"{what}. Choose another name")
        secrets = values.values_of(values.resolver_of(self, task_vars), references.values())
        for name in ("environment", "files"):
            arguments[name] = {key: secrets[reference] for key, reference in arguments[name].items()}
        return self.module("secret_exec", arguments, task_vars)
