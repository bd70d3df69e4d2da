# Copyright: (c) 2026, the unified.deploy authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the reports of all hosts of a run, and show the summary."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

from ansible.utils.display import Display
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.reports import FORMATS, build, table
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.results_directory import ResultsDirectory
from ansible_collections.unified.deploy.plugins.plugin_utils._controller_action import ControllerAction, Result
from ansible_collections.unified.deploy.plugins.plugin_utils._errors import ComplianceError


class ActionModule(ControllerAction):
    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {
        "results": {"type": "path", "required": True},
        "hosts": {"type": "list", "elements": "str", "required": True},
        "formats": {"type": "list", "elements": "str", "choices": sorted(FORMATS), "default": sorted(FORMATS)},
        "baseline": {"type": "path"},
        "fail_on": {"type": "str", "choices": ["never", "fail"], "default": "never"},
    }

    def act(self, arguments: Result, task_vars: Result) -> Result:
        results = ResultsDirectory(arguments["results"])
        models, missing = [], []
        for host in arguments["hosts"]:
            try:
                models.append(results.read_model(host))
            except ComplianceError:
                missing.append(host)
        report = build(models, missing=missing, baseline=self._baseline(arguments["baseline"]))
        paths = {name: str(results.root / f"report.{FORMATS[name].suffix}") for name in arguments["formats"]}
        for name, path in paths.items():
            results.write(Path(path), FORMATS[name].render(report))
        Display().display(table(report, paths))
        failing = sum(
            host["summary"]["controls"].get(verdict, 0) for host in report["hosts"] for verdict in ("fail", "error")
        )
        answer: Result = {"changed": False, "reports": paths, "failing_controls": failing, "hosts_not_run": missing}
        if arguments["fail_on"] == "fail" and (failing or missing):
            answer.update(
                failed=True,
                msg=f"{failing} controls fail; not run: {', '.join(missing) or 'none'}. See {next(iter(paths.values()), results.root)}",
            )
        return answer

    @staticmethod
    def _baseline(path: str | None) -> Result | None:
        if not path:
            return None
        try:
            return t.cast("Result", json.loads(Path(path).read_text(encoding="utf-8")))
        except (OSError, ValueError) as exc:
            raise ComplianceError(
                f"the baseline cannot be read: {exc}", where=path, fix="Give the report.json of an earlier run"
            ) from exc
