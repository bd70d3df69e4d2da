# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of a SOPS file on the controller, for the one who registers them."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.unified.deploy.plugins.plugin_utils._controller_action import ControllerAction, Result
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.sops_text import mapping_of


class ActionModule(ControllerAction):
    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {
        "path": {"type": "path", "required": True},
        "age_key_file": {"type": "path"},
        "gnupg_home": {"type": "path"},
        "timeout": {"type": "float", "default": 30},
    }
    _requires_connection = False

    def act(self, arguments: Result, task_vars: Result) -> Result:
        path = self._find_needle("vars", arguments["path"])
        variables = mapping_of(self._loader, os.path.realpath(path), arguments)
        # Shown nowhere; and no fact, which a cache would write to a disk.
        return {"changed": False, "variables": variables, "_ansible_no_log": True}
