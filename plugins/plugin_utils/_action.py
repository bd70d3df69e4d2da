# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action plugins share: quiet module calls and the results directory on the controller."""

from __future__ import annotations

import datetime
import json
import os
import tempfile
import typing as t
from pathlib import Path

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError

from ._errors import ComplianceError
from ._quiet_action import QuietAction, Result
from ._results import SCHEMA


class ComplianceAction(QuietAction):
    """An action whose host module gets and gives evidence, which must stay out of logs, facts and templates."""

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        result: Result = super().run(tmp, task_vars)
        arguments = self._arguments()
        try:
            result.update(self.act(arguments, task_vars or {}))
        except ComplianceError as exc:
            raise AnsibleActionFail(f"{self._host(task_vars or {})}: {exc}") from exc
        except OSError as exc:
            raise AnsibleActionFail(
                f"results cannot be written: {exc}. Choose another results directory, or make room"
            ) from exc
        return result

    def act(self, arguments: Result, task_vars: Result) -> Result:
        raise NotImplementedError

    def _host(self, task_vars: Result) -> str:
        return str(task_vars.get("inventory_hostname", "localhost"))

    def quiet_module(self, name: str, arguments: Result, task_vars: Result) -> Result:
        """Run a module of this collection and return its result without the invocation.

        Raises:
            AnsibleActionFail: the module failed; the message says what to do where the cause is known.
        """
        try:
            result: Result = self._execute_module(f"unified.deploy.{name}", module_args=arguments, task_vars=task_vars)
        except AnsibleConnectionFailure:
            raise
        except AnsibleError as exc:
            raise AnsibleActionFail(f"{self._host(task_vars)}: {explain(str(exc))}") from exc
        result.pop("invocation", None)
        if result.get("failed"):
            said = (
                f"{result.get('msg', '')} {result.get('module_stderr', '')} {result.get('module_stdout', '')}".strip()
            )
            raise AnsibleActionFail(f"{self._host(task_vars)}: {explain(said)}", result={"rc": result.get("rc")})
        return result


def explain(said: str) -> str:
    """A cause and a cure for what commonly goes wrong before a module runs."""
    known = {
        "Missing sudo password": "sudo asks for a password. Give it with --ask-become-pass, or let this user use sudo",
        "a password is required": "sudo asks for a password. Give it with --ask-become-pass, or let this user use sudo without one",
        "is not in the sudoers file": "this user may not use sudo. Connect as one who may",
        "sudo: not found": "sudo is not installed. Connect as root with 'ansible_become: false', or install sudo",
        "No space left on device": "the host's disk is full. Make room; nothing was changed",
    }
    cure = next((cure for sign, cure in known.items() if sign in said), "")
    return f"{said[-400:]}. {cure}" if cure else said[-800:]


class ResultsDirectory:
    """Files of one run on the controller: evidence and results are nobody else's business (0700, 0600)."""

    def __init__(self, path: str) -> None:
        self.root = Path(path).expanduser()

    def host(self, name: str) -> Path:
        directory = self.root / "hosts" / name.replace("/", "_")
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return directory

    def write(self, path: Path, content: str) -> Path:
        """Replace a file in one step."""
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
                handle.write(content)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
        return path

    def read_model(self, name: str) -> Result:
        path = self.host(name) / "result.json"
        try:
            model = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as exc:
            raise ComplianceError(
                "there are no results for this host", where=str(path), fix="Run compliance_plan first"
            ) from exc
        except ValueError as exc:
            raise ComplianceError(f"is damaged: {exc}", where=str(path), fix="Run the audit again") from exc
        if model.get("schema") != SCHEMA:
            raise ComplianceError(
                f"has schema version {model.get('schema')}, this collection reads {SCHEMA}",
                where=str(path),
                fix="Run the audit again",
            )
        return t.cast("Result", model)


def today() -> datetime.date:
    return datetime.datetime.now(datetime.timezone.utc).date()
