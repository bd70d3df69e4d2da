# Copyright: (c) 2026, the unified.deploy authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Select, collect and plan in one place, so that evidence never leaves this process."""

from __future__ import annotations

import base64
import json
import typing as t
import zlib
from pathlib import Path

from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import goss, plan, results, selection
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.catalogue import Catalogue
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.evidence import Evidence, unpack
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.kinds.base import Connection
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.results_directory import (
    ResultsDirectory,
    today,
)
from ansible_collections.unified.deploy.plugins.plugin_utils._controller_action import ControllerAction, Result
from ansible_collections.unified.deploy.plugins.plugin_utils._errors import EvidenceError


class ActionModule(ControllerAction):
    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {
        "benchmarks": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {"name": {"type": "str", "required": True}, "level": {"type": "str", "required": True}},
        },
        "overlay": {"type": "path"},
        "sections": {"type": "list", "elements": "str", "default": []},
        "kinds": {"type": "list", "elements": "str", "default": []},
        "rules": {"type": "list", "elements": "str", "default": []},
        "walk": {"type": "bool", "default": True},
        "evidence": {"type": "path"},
        "changed_rules": {"type": "list", "elements": "str", "default": []},
        "results": {"type": "path", "required": True},
    }

    def act(self, arguments: Result, task_vars: Result) -> Result:
        catalogue = Catalogue()
        # Before the host is touched: a mistake in the overlay must not cost a connection.
        overlay = selection.load_overlay(arguments["overlay"] or "", catalogue, today())
        packed = self._evidence(arguments, catalogue, task_vars)
        document = unpack(packed)
        evidence = Evidence(document, catalogue.platform_of(document["sections"]["host"]["items"]))
        wishes = [(wish["name"], wish["level"]) for wish in arguments["benchmarks"]]
        filters = selection.Filters(tuple(arguments["sections"]), tuple(arguments["kinds"]), tuple(arguments["rules"]))
        selected = selection.select(catalogue, wishes, overlay, evidence["host"], filters)
        made = plan.plan(selected, evidence, Connection(user=str(self._connection_user(task_vars))))
        name = self.host(task_vars)
        model = results.host_model(name, catalogue, selected, made, evidence, changed=arguments["changed_rules"])
        self._save(ResultsDirectory(arguments["results"]), name, packed, model, goss.generate(made.verdicts, evidence))
        return self._answer(model, made, evidence)

    def _connection_user(self, task_vars: Result) -> str:
        # Only a login over the network can be locked out by what is planned here.
        if self._connection.transport == "local":
            return ""
        return (
            self._play_context.remote_user
            or self._connection.get_option("remote_user")
            or task_vars.get("ansible_user", "")
        )

    def _evidence(self, arguments: Result, catalogue: Catalogue, task_vars: Result) -> str:
        if arguments["evidence"]:
            path = Path(arguments["evidence"])
            try:
                stored = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as exc:
                raise EvidenceError(f"cannot be read: {exc}", where=str(path), fix="Collect it again") from exc
            return base64.b64encode(zlib.compress(json.dumps(stored).encode())).decode()
        answer = self.module_or_fail("evidence", {"request": catalogue.request(walk=arguments["walk"])}, task_vars)
        return str(answer["evidence"])

    @staticmethod
    def _save(directory_of_run: ResultsDirectory, name: str, packed: str, model: Result, gossfile: str) -> None:
        directory = directory_of_run.host(name)
        directory_of_run.write(directory / "evidence.json", zlib.decompress(base64.b64decode(packed)).decode())
        directory_of_run.write(directory / "goss.yml", gossfile)
        directory_of_run.write(directory / "result.json", json.dumps(results.summarise(model)))

    def _answer(self, model: Result, made: plan.Plan, evidence: Evidence) -> Result:
        desired = made.desired
        held = {
            identifier: verdict.held
            for identifier, verdict in made.verdicts.items()
            if verdict.verdict == "fail" and verdict.held
        }
        answer = {
            "changed": False,
            "summary": model["summary"],
            "goss": bool(evidence["goss"]["path"]),
            "goss_in_distribution": evidence["host"]["os"] == "debian"
            and evidence["host"]["version"] not in ("11", "12"),
            "changes": made.changes,
            "held": held,
            "lockout_risk": sorted(rule for rule in made.changes if made.verdicts[rule].demand.rule.risk == "lockout"),
            "desired": {
                "packages_absent": desired.packages_absent,
                "packages_present": desired.packages_present,
                "files": list(desired.files.values()),
                "attributes": list(desired.attributes.values()),
                "units_masked": desired.units_masked,
                "units_enabled": desired.units_enabled,
                "units_restarted": desired.units_restarted,
                "users": list(desired.users.values()),
                "commands": desired.commands,
            },
            "reboot": model["reboot_required"],
        }
        if self._task.diff and made.changes:
            # Ansible shows a diff only of what changes, and in check mode that is what this predicts.
            answer["changed"] = bool(self._task.check_mode)
            rows = [(rule, made.verdicts[rule]) for rule in made.changes]
            answer["diff"] = {
                "before_header": "rules that fail",
                "after_header": "after apply",
                "before": "".join(f"{rule}: {verdict.actual}\n" for rule, verdict in rows),
                "after": "".join(f"{rule}: {verdict.expected}\n" for rule, verdict in rows),
            }
        return answer
