# SPDX-License-Identifier: GPL-3.0-or-later
"""Who changes a host: the run of ansible-playbook, told apart from those that ended."""

from __future__ import annotations

import base64
import getpass
import os
import platform
import typing as t
import zlib

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ..module_utils._change.files import boot_id, process_start
from ..module_utils._change.journal import machine_id
from ._compliance.results_directory import ResultsDirectory
from ._compliance.run import RUN
from ._compliance.run_action import keep_alive
from ._errors import ComplianceError
from ._printable import printable

Result = dict[str, t.Any]
MOST_DEAD_RUNS = 10


def owner(pid: int) -> Result:
    """The process PID on this controller, as a run's record names it."""
    return {
        "user": getpass.getuser(),
        "controller": platform.node(),
        "machine": machine_id(),
        "boot": boot_id(),
        "processes": _process_numbers(),
        "pid": pid,
        "started": process_start(pid),
    }


def is_dead(other: t.Mapping[str, t.Any]) -> bool:
    """Whether a run's owner ran on this controller and has gone; False for every other controller's, for nobody can tell.

    Names are not enough: two containers or fresh machines are both called localhost.
    """
    if not isinstance(other.get("pid"), int) or other.get("controller") != platform.node() or not other.get("boot"):
        return False
    if other["boot"] != boot_id():
        return bool(machine_id()) and other.get("machine") == machine_id()
    return other.get("processes") == _process_numbers() and process_start(other["pid"]) != other.get("started")


def _process_numbers() -> str:
    """Among which processes a number tells one (pid_namespaces(7)); empty where the kernel does not say."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def packed_evidence(results: str, host: str) -> str:
    """The evidence that this run has collected of a host, as modules take it.

    Raises:
        AnsibleActionFail: it cannot be read, or is another run's.
    """
    directory = ResultsDirectory(results)
    try:
        directory.read_planned(host, RUN)
        return base64.b64encode(zlib.compress((directory.host(host) / "evidence.json").read_bytes())).decode()
    except (ComplianceError, OSError) as exc:
        raise AnsibleActionFail(f"the evidence from before this run cannot be kept: {exc}") from exc


class OwnedAction(ActionBase):  # type: ignore[misc]  # ansible has no type information
    """Runs the module of the same name, and tells it who runs it and which runs are dead."""

    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        result: Result = super().run(tmp, task_vars)
        result.update(self.owned(self._task.action, self._task.args, task_vars))
        return result

    def owned(self, module: str, options: t.Mapping[str, t.Any], task_vars: Result | None) -> Result:
        """Run a module that changes runs, again where runs that are known to be dead stand in its way."""
        keep_alive(self._connection)
        arguments = {**options, "owner": owner(os.getppid()), "dead": []}
        if results := arguments.pop("results", None):
            arguments["evidence"] = packed_evidence(results, str((task_vars or {})["inventory_hostname"]))
        answer: Result = {}
        for _turn in range(MOST_DEAD_RUNS):
            try:
                answer = self._execute_module(module, module_args=arguments, task_vars=task_vars)
            except AnsibleConnectionFailure as exc:
                # A host that is dropped has no rescue section, and the last one no report.
                said = printable(" ".join(str(exc).split()))[-400:]
                raise AnsibleActionFail(f"not reached. {said}", result={"reached": False}) from exc
            blocking = answer.get("blocked_by") or {}
            if not blocking or not is_dead(blocking["owner"]):
                break
            arguments["dead"].append(blocking["run"])
        return answer
