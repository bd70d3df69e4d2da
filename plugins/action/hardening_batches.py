# Copyright: (c) 2026, the unified.deploy authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make batches one after the other, each kept by whoever gets in over a new connection and becomes root."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.unified.deploy.plugins.plugin_utils._printable import printable
from ansible_collections.unified.deploy.plugins.plugin_utils._run_owner import OwnedAction, Result

ARGUMENTS: dict[str, t.Any] = {
    "run": {"type": "str", "required": True},
    "batches": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "rules": {"type": "list", "elements": "str", "default": []},
            "options": {"type": "dict", "required": True},
        },
    },
    "secrets": {"type": "dict", "default": {}, "no_log": True},
    "confirm_seconds": {"type": "int", "default": 120},
    "lock_timeout": {"type": "int", "default": 30},
    "results": {"type": "path"},
}


class ActionModule(OwnedAction):
    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        result: Result = super(OwnedAction, self).run(tmp, task_vars)
        checked = ArgumentSpecValidator(ARGUMENTS).validate(dict(self._task.args))
        if checked.error_messages:
            raise AnsibleActionFail("; ".join(checked.error_messages))
        result.update(self.make(checked.validated_parameters, task_vars or {}))
        return result

    def make(self, arguments: Result, task_vars: Result) -> Result:
        # Without a login there is nothing that could keep a batch.
        seconds = 0 if self._connection.transport == "local" else max(0, arguments["confirm_seconds"])
        made = _Made()
        waits: Result = {}
        batch: Result = {"name": "none"}
        # The first call opens the run.
        opening = {"results": arguments["results"]}
        for batch in arguments["batches"]:
            options = {
                **batch["options"], "run": arguments["run"], "name": batch["name"], "revert_after": seconds,
                "lock_timeout": arguments["lock_timeout"], "keep": bool(waits), **opening,
            }  # fmt: skip
            if names := options.get("secrets"):
                options["secrets"] = _secrets(names, arguments["secrets"])
            answer = self._over(waits, "hardening_batch", options, arguments, task_vars)
            opening = {}
            if answer.get("failed"):
                # Nobody knows how far a module came that did not answer: its timer decides, and nothing keeps the batch.
                unknown = {"waits": batch["name"]} if seconds and _is_no_answer(answer) else {}
                return made.failed({**unknown, **answer}, waits if answer.get("waits") else batch)
            made.add(answer)
            waits = batch if seconds and answer["batch"] else {}
        if not self._task.check_mode:
            end = {"id": arguments["run"], "state": "finished", "lock_timeout": arguments["lock_timeout"]}
            answer = self._over(waits, "hardening_run", end, arguments, task_vars)
            if answer.get("failed"):
                return made.failed(answer, waits or batch)
        return made.result

    def _over(self, waits: Result, module: str, options: Result, arguments: Result, task_vars: Result) -> Result:
        """Run a module; where a batch WAITS over a new connection, so that its answer proves that people get in."""
        try:
            if waits:
                self._connection.reset()
            answer = self.owned(f"unified.deploy.{module}", options, task_vars)
        except AnsibleError as exc:
            if not waits:
                reached = getattr(exc, "result", {}).get("reached", True)
                return {"failed": True, "reached": reached, "msg": str(exc), "module_stderr": str(exc)}
            return self._shut_out(str(exc), waits, arguments)
        # What was no answer of the module came from a shell that did not become root.
        if waits and _is_no_answer(answer):
            said = " ".join(str(answer.get(key, "")) for key in ("module_stderr", "module_stdout"))
            return self._shut_out(said, waits, arguments)
        return answer

    @staticmethod
    def _shut_out(said: str, waits: Result, arguments: Result) -> Result:
        run, seconds = arguments["run"], arguments["confirm_seconds"]
        return {
            "failed": True,
            "waits": waits["name"],
            "msg": (
                f"run {run}: after it a new login as root failed ({printable(' '.join(said.split()))[-400:]}). "
                f"The host undoes this batch by itself about {seconds} s after its last change; earlier batches and packages stay. "
                f"These rules shut people out: {', '.join(waits['rules']) or 'not named'}. "
                f"On a console: python3 -I /var/lib/unified/runs/{run}/revert"
            ),
        }


def _secrets(names: Result, secrets: Result) -> Result:
    """By path the secrets of which a batch has the names."""
    if missing := sorted(set(names.values()) - secrets.keys()):
        raise AnsibleActionFail(f"a batch needs the secret '{missing[0]}': give it in the option secrets")
    return {path: secrets[name] for path, name in names.items()}


def _is_no_answer(answer: Result) -> bool:
    """Whether a module ended without an answer of its own."""
    return bool(answer.get("failed")) and bool({"module_stdout", "module_stderr"} & answer.keys())


class _Made:
    """What all batches changed together."""

    def __init__(self) -> None:
        lists: tuple[str, ...] = ("batches", "paths", "units", "refused", "missing", "recovered", "diff")
        self.result: Result = {"changed": False, **{name: [] for name in lists}}

    def add(self, answer: Result) -> None:
        self.result["changed"] = self.result["changed"] or answer["changed"]
        for name in ("paths", "units", "refused", "missing", "recovered", "diff"):
            self.result[name] += answer.get(name) or []
        self.result["batches"] += [answer["batch"]] if answer["batch"] else []

    def failed(self, answer: Result, batch: Result) -> Result:
        told = {key: answer[key] for key in ("stale", "blocked_by", "module_stderr", "reached") if key in answer}
        said = f"batch {batch['name']}: {answer.get('msg')}"
        return {**self.result, **told, "waits": answer.get("waits", ""), "failed": True, "msg": said}
