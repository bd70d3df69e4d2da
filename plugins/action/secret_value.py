# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a secret to its store, from the controller."""

from __future__ import annotations

import typing as t

from ansible_collections.unified.deploy.plugins.plugin_utils._controller_action import ControllerAction, Result
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets import values
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.errors import UnsupportedError
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.reference import parse
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.resolver import Resolver


class ActionModule(ControllerAction):
    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {
        "reference": {"type": "str", "required": True},
        "value": {"type": "str", "no_log": True},
        "fields": {"type": "dict", "no_log": True},
    }
    CONSTRAINTS: t.ClassVar[dict[str, t.Any]] = {
        "mutually_exclusive": [["value", "fields"]],
        "required_one_of": [["value", "fields"]],
    }
    _requires_connection = False

    def act(self, arguments: Result, task_vars: Result) -> Result:
        reference = parse(arguments["reference"])
        if reference.field or reference.options:
            raise UnsupportedError(
                "names a field or an option, and a secret is written as a whole",
                where=str(reference),
                fix="Name its path only",
            )
        # Not the run's broker: that reads only.
        store = Resolver(values.declared_stores(self, task_vars), getattr(self._loader, "_vault", None)).store(
            reference.store
        )
        store.require("put", str(reference))
        document = arguments["fields"] if arguments["value"] is None else arguments["value"]
        if self._task.check_mode:
            changed = not store.holds(reference, document)
        else:
            changed = store.put(reference, document)
            if changed:
                values.resolver_of(self, task_vars).forget(reference.store)
        return {"changed": changed, "diff": {"before": "", "after": f"{reference}: changed\n" if changed else ""}}
