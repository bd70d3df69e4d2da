# Copyright: (c) 2026, the unified.deploy authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep at which task a host's run failed, and fail."""

from __future__ import annotations

import typing as t

from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.results_directory import ResultsDirectory
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.run import RUN
from ansible_collections.unified.deploy.plugins.plugin_utils._controller_action import ControllerAction, Result
from ansible_collections.unified.deploy.plugins.plugin_utils._printable import printable


class ActionModule(ControllerAction):
    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {
        "results": {"type": "path", "required": True},
        "task": {"type": "str", "required": True},
        "reason": {"type": "str", "default": ""},
        "state": {"type": "str", "choices": ["failed", "unreachable"], "default": "failed"},
    }

    def act(self, arguments: Result, task_vars: Result) -> Result:
        name, task, reason = self.host(task_vars), arguments["task"], arguments["reason"]
        results = ResultsDirectory(arguments["results"])
        # What an action of ours knew better, that the host was not reached, stays.
        if not results.ended_as(name, RUN, "unreachable"):
            results.write_end(name, RUN, arguments["state"], task, reason)
        said = printable(f"{name}: the run ended at '{task}'")
        return {"failed": True, "changed": False, "reached": arguments["state"] != "unreachable", "msg": said}
