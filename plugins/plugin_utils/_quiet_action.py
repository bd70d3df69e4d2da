# SPDX-License-Identifier: GPL-3.0-or-later
"""What every action plugin here is: checked arguments, and module calls of which nothing is logged on the host."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

Result = dict[str, t.Any]


class QuietAction(ActionBase):  # type: ignore[misc]  # ansible has no type information
    """An action whose modules get and give what must stay out of logs."""

    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {}
    _supports_check_mode = True
    _supports_diff = True

    def _arguments(self) -> Result:
        checked = ArgumentSpecValidator(self.ARGUMENTS).validate(dict(self._task.args))
        if checked.error_messages:
            raise AnsibleActionFail("; ".join(checked.error_messages))
        return t.cast("Result", checked.validated_parameters)

    def module(self, name: str, arguments: Result, task_vars: Result) -> Result:
        """Run a module of this collection; neither its arguments nor the invocation appear anywhere."""
        result: Result = self._execute_module(f"unified.deploy.{name}", module_args=arguments, task_vars=task_vars)
        for key in ("invocation", "_ansible_no_log"):
            result.pop(key, None)
        return result

    def _update_module_args(
        self, module_name: str, module_args: Result, task_vars: Result, *args: t.Any, **kwargs: t.Any
    ) -> None:
        super()._update_module_args(module_name, module_args, task_vars, *args, **kwargs)
        module_args["_ansible_no_log"] = True
