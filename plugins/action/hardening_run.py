# Copyright: (c) 2026, the unified.deploy authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of unified.deploy.hardening_run: says who runs it, and looks again at what was reverted."""

from __future__ import annotations

from ansible_collections.unified.deploy.plugins.plugin_utils._run_owner import OwnedAction, Result


class ActionModule(OwnedAction):
    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        result: Result = super().run(tmp, task_vars)
        if self._task.args.get("state") != "reverted" or not result.get("changed") or self._task.check_mode:
            return result
        # The module that reverted a run has its umask and limits from the session that the run had hardened.
        again = self.owned(self._task.action, {**self._task.args, "id": result["run"]}, task_vars)
        if again.get("failed"):
            again = {
                "compared": False,
                "differences": [f"what differs from before the run is not known: {again.get('msg')}"],
            }
        return {**result, "compared": again["compared"], "differences": again["differences"]}
