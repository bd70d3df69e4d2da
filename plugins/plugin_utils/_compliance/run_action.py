# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions on a host of which the report must tell, however they end."""

from __future__ import annotations

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure

from .._controller_action import ControllerAction, Result
from .._printable import printable
from .results_directory import ResultsDirectory
from .run import RUN


class RunAction(ControllerAction):
    """An action with an option ``results``.

    A host that is not reached fails instead of being dropped: Ansible runs ``always`` sections for failed hosts only, and
    without one nobody would write the report where no host was reached.
    """

    def module_or_fail(self, name: str, arguments: Result, task_vars: Result) -> Result:
        try:
            return super().module_or_fail(name, arguments, task_vars)
        except AnsibleConnectionFailure as exc:
            host, task = self.host(task_vars), self._task.name
            reason = printable(" ".join(str(exc).split()))[-400:]
            ResultsDirectory(self._task.args["results"]).write_end(host, RUN, "unreachable", task, reason)
            raise AnsibleActionFail(f"{host}: not reached. {reason}") from exc
