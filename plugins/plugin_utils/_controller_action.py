# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of a module: checked arguments, module calls of which nothing is logged, errors in one form."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

from ._errors import OperatorError
from ._printable import printable

Result = dict[str, t.Any]


class ControllerAction(ActionBase):  # type: ignore[misc]  # ansible has no type information
    """An action whose modules get and give what must stay out of logs, facts and templates."""

    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {}
    CONSTRAINTS: t.ClassVar[dict[str, t.Any]] = {}
    """mutually_exclusive, required_one_of and their like, as in an AnsibleModule."""
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        result: Result = super().run(tmp, task_vars)
        checked = ArgumentSpecValidator(self.ARGUMENTS, **self.CONSTRAINTS).validate(dict(self._task.args))
        if checked.error_messages:
            raise AnsibleActionFail("; ".join(checked.error_messages))
        variables = task_vars or {}
        try:
            result.update(self.act(checked.validated_parameters, variables))
        except OperatorError as exc:
            lines = (printable(line) for line in f"{self.host(variables)}: {exc}".splitlines())
            raise AnsibleActionFail("\n".join(lines)) from exc
        return result

    def act(self, arguments: Result, task_vars: Result) -> Result:
        """Do what the action is for; returns what Ansible returns.

        Raises:
            OperatorError: what the operator must mend.
        """
        raise NotImplementedError

    @staticmethod
    def host(task_vars: Result) -> str:
        return str(task_vars.get("inventory_hostname", "localhost"))

    def module(self, name: str, arguments: Result, task_vars: Result) -> Result:
        """Run a module of this collection; neither its arguments nor the invocation appear anywhere."""
        result: Result = self._execute_module(f"unified.deploy.{name}", module_args=arguments, task_vars=task_vars)
        for key in ("invocation", "_ansible_no_log"):
            result.pop(key, None)
        return result

    def module_or_fail(self, name: str, arguments: Result, task_vars: Result) -> Result:
        """Run a module as `module` does.

        Raises:
            AnsibleActionFail: the module failed; the message says what to do where the cause is known.
        """
        try:
            result = self.module(name, arguments, task_vars)
        except AnsibleConnectionFailure:
            raise
        except AnsibleError as exc:
            raise AnsibleActionFail(f"{self.host(task_vars)}: {explain(str(exc))}") from exc
        if result.get("failed"):
            said = " ".join(str(result.get(key, "")) for key in ("msg", "module_stderr", "module_stdout")).strip()
            raise AnsibleActionFail(f"{self.host(task_vars)}: {explain(said)}", result={"rc": result.get("rc")})
        return result

    def _update_module_args(
        self, module_name: str, module_args: Result, task_vars: Result, *args: t.Any, **kwargs: t.Any
    ) -> None:
        super()._update_module_args(module_name, module_args, task_vars, *args, **kwargs)
        module_args["_ansible_no_log"] = True


def explain(said: str) -> str:
    """A cause and a cure for what commonly goes wrong before a module runs; of a traceback only what it ends with."""
    known = {
        "Missing sudo password": "sudo asks for a password. Give it with --ask-become-pass, or let this user use sudo",
        "a password is required": "sudo asks for a password. Give it with --ask-become-pass, or let this user use sudo without one",
        "is not in the sudoers file": "this user may not use sudo. Connect as one who may",
        "sudo: not found": "sudo is not installed. Connect as root with 'ansible_become: false', or install sudo",
        "No space left on device": "the host's disk is full. Make room; nothing was changed",
        "MemoryError": "the host has too little free memory for a Python module. Free some; this task changed nothing",
        "Cannot allocate memory": "the host has too little free memory. Free some; this task changed nothing",
    }
    if not said:  # what Python says of a MemoryError
        return "the module ended without a word, as where the host has too little free memory. Free some, and look at its log"
    cure = next((cure for sign, cure in known.items() if sign in said), "")
    if "Traceback (most recent call last)" in said:
        said = next(line for line in reversed(said.splitlines()) if line.strip())
    said = printable(" ".join(said.split()))
    return f"{said[-400:]}. {cure}" if cure else said[-800:]
