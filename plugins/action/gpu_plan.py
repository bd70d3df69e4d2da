# Copyright: (c) 2026, the unified.deploy authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a host's GPUs, and decide about their drivers on the controller."""

from __future__ import annotations

import typing as t

from ansible_collections.unified.deploy.plugins.plugin_utils._bytecode import kept_bytecode
from ansible_collections.unified.deploy.plugins.plugin_utils._controller_action import ControllerAction, Result

with kept_bytecode():
    from ansible_collections.unified.deploy.plugins.plugin_utils._gpu.answer import NOT_ASKED, checked, steps
    from ansible_collections.unified.deploy.plugins.plugin_utils._gpu.model import Request
    from ansible_collections.unified.deploy.plugins.plugin_utils._gpu.plan import plan
    from ansible_collections.unified.deploy.plugins.plugin_utils._gpu.show import HEADER, lines, row
    from ansible_collections.unified.deploy.plugins.plugin_utils._gpu.tables import tables
    from ansible_collections.unified.deploy.plugins.plugin_utils._printable import printable_all


class ActionModule(ControllerAction):
    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {
        "purpose": {"type": "str", "choices": ["compute", "desktop", "media", "passthrough"], "default": "compute"},
        "driver": {"type": "str", "default": "auto"},
        "flavour": {"type": "str", "choices": ["auto", "open", "closed"], "default": "auto"},
        "repository": {"type": "str", "choices": ["auto", "distribution", "vendor"], "default": "auto"},
        "devices": {"type": "dict", "default": {}},
        "egpu_allow": {"type": "list", "elements": "str", "default": ["all"]},
        "mig": {"type": "dict", "default": {}},
        "steps": {"type": "bool", "default": False},
        "show": {"type": "bool", "default": False},
    }

    def act(self, arguments: Result, task_vars: Result) -> Result:
        asking, showing = arguments.pop("steps"), arguments.pop("show")
        read = self.module_or_fail("gpu_steps_info" if asking else "gpu_info", {}, task_vars)
        planned = plan(tables(), checked(read), Request(**arguments))
        said = lines(self.host(task_vars), planned)
        # What blocks is said by the task that fails for it.
        if showing and not planned["blocked"]:
            self._display.display("\n".join(said))
        return {
            "changed": False,
            "plan": printable_all(planned),
            "header": row(*HEADER),
            "lines": said,
            "steps": printable_all(steps(read) if asking else NOT_ASKED),
        }
