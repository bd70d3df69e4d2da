# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions on a host of which the report must tell, however they end."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.module_utils.common.validation import check_type_path

from .._controller_action import ControllerAction, Result
from .._printable import printable
from .results_directory import ResultsDirectory
from .run import RUN

# ssh gives up one interval after as many unanswered probes, 40 s after the last word of the host, which leaves a login that fails its time
# for a link that is cut to end the run within a minute. Without this ssh waits for ever (ssh_config(5)).
KEEP_ALIVE = "-o ServerAliveInterval=10 -o ServerAliveCountMax=3"


class RunAction(ControllerAction):
    """An action with an option ``results``.

    A host that is not reached fails instead of being dropped: Ansible runs ``always`` sections for failed hosts only, and
    without one nobody would write the report where no host was reached.
    """

    def module_or_fail(self, name: str, arguments: Result, task_vars: Result) -> Result:
        keep_alive(self._connection)
        try:
            return super().module_or_fail(name, arguments, task_vars)
        except AnsibleConnectionFailure as exc:
            host = self.host(task_vars)
            reason = printable(" ".join(str(exc).split()))[-400:]
            results = ResultsDirectory(check_type_path(self._task.args["results"]))
            results.write_end(host, RUN, "unreachable", self._task.name, reason)
            raise AnsibleActionFail(f"{host}: not reached. {reason}", result={"reached": False}) from exc


def keep_alive(connection: t.Any) -> None:
    """Let ssh notice that the host is gone. What the site says of it comes first, and the first value counts.

    Tasks of others share the connection that this task opens (ControlPersist). A variable of the playbook could say it
    for all, but would replace what the site has in its configuration or on the command line.
    """
    if connection.transport == "ssh":
        own = connection.get_option("ssh_args") or ""
        if KEEP_ALIVE not in own:
            connection.set_option("ssh_args", f"{own} {KEEP_ALIVE}".strip())
