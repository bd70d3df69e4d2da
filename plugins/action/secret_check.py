# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The doctor for secrets: runs on the controller only."""

from __future__ import annotations

import dataclasses
import shutil
import typing as t
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible_collections.unified.deploy.plugins.plugin_utils._controller_action import ControllerAction, Result
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets import doctor, values
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.errors import SecretError
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.resolver import Resolver


class ActionModule(ControllerAction):
    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {
        "references": {"type": "list", "elements": "str", "default": []},
        "directory": {"type": "path"},
        "scan": {"type": "bool", "default": True},
        "warn_days": {"type": "int", "default": 7},
    }
    _requires_connection = False

    def act(self, arguments: Result, task_vars: Result) -> Result:
        # Not the run's broker: the doctor asks the stores themselves.
        resolver = Resolver(values.declared_stores(self, task_vars), getattr(self._loader, "_vault", None))
        references = {*arguments["references"], *self._delivered(task_vars)}
        self._display.display(
            f"checking {len(task_vars.get('secret_stores') or {})} stores and {len(references)} references"
        )
        findings = doctor.check_stores(resolver, task_vars.get("secret_stores") or {}, arguments["warn_days"])
        findings += doctor.check_references(resolver, references)
        if arguments["directory"]:
            directory = Path(arguments["directory"]).resolve()
            try:
                files = doctor.tracked(directory)
                self._display.display(f"checking {len(files)} files below {directory}")
                findings += doctor.check_encryption(directory, files)
                if arguments["scan"]:
                    findings += doctor.check_leaks(directory, files, doctor.values_of(resolver, references), references)
            except SecretError as exc:
                raise AnsibleActionFail(str(exc)) from None
        self._display.display(doctor.table(findings, shutil.get_terminal_size().columns))
        failed = [finding for finding in findings if not finding.ok]
        result: Result = {"changed": False, "findings": [dataclasses.asdict(finding) for finding in findings]}
        if failed:
            result.update(failed=True, msg=f"{len(failed)} of {len(findings)} checks failed")
        return result

    def _delivered(self, task_vars: Result) -> t.Iterator[str]:
        """What the role secrets would deliver to the hosts of the inventory."""
        for host in task_vars.get("hostvars", {}):
            variables = task_vars["hostvars"][host]
            for name in ("secrets_files", "secrets_credentials", "secrets_podman"):
                for item in self._templar.template(variables.get(name)) or []:
                    yield from values.references_of(item)
