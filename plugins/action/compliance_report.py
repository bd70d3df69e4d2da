# Copyright: (c) 2026, the unified.deploy authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the reports of all hosts of a run, and show the summary of those that were not shown before."""

from __future__ import annotations

import json
import time
import typing as t
from pathlib import Path

from ansible.utils.display import Display
from ansible_collections.unified.deploy.plugins.plugin_utils._bytecode import kept_bytecode

with kept_bytecode():
    from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.reports import (
        FORMATS,
        Rendered,
        render,
        table,
    )
    from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.reports.model import check_baseline
    from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.results import ended, not_run
    from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.results_directory import ResultsDirectory
    from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.run import RUN
    from ansible_collections.unified.deploy.plugins.plugin_utils._controller_action import ControllerAction, Result
    from ansible_collections.unified.deploy.plugins.plugin_utils._errors import ComplianceError

# With the strategy "free" every host asks for the report: the one that says "still to come" need not be new each time.
SECONDS_BETWEEN = 30


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
        baseline = _baseline(arguments["baseline"])
        active = set(task_vars.get("ansible_play_hosts", ()))
        dry = self._task.check_mode
        with results.lock():
            models, missing = [], []
            for host in arguments["hosts"]:
                model, gone = _result(results, host, active=host in active, dry=dry)
                missing += [gone] if gone else []
                models += [model] if model and not gone else []
            rendered = render(models, arguments["formats"], run=RUN, missing=missing, baseline=baseline)
            paths = {name: str(results.root / f"report.{FORMATS[name].suffix}") for name in arguments["formats"]}
            self._publish(results, rendered, paths)
        return _answer(rendered.report, paths, arguments)

    def _publish(self, results: ResultsDirectory, rendered: Rendered, paths: dict[str, str]) -> None:
        """Write the files, and show each host's table once a run."""
        note = results.root / ".run.json"
        written, shown = _progress(note)
        waiting = any(host["state"] == "waiting" for host in rendered.report["not_run"])
        if waiting and 0 <= time.time() - written < SECONDS_BETWEEN:
            return
        for name, text in rendered.texts.items():
            results.write(Path(paths[name]), text)
        names = [host["name"] for host in rendered.report["hosts"]]
        Display().display(table(rendered.report, set(names) - set(shown), paths))
        results.write(note, json.dumps({"run": RUN, "written": time.time(), "shown": names}))


def _result(results: ResultsDirectory, host: str, *, active: bool, dry: bool) -> tuple[Result | None, Result | None]:
    """A host's model, and why it is not in the report (None where it is)."""
    try:
        model = results.read_model(host)
        return model, not_run(host, model, RUN, active=active, dry=dry)
    except (ComplianceError, KeyError, TypeError) as exc:
        return None, ended(host, RUN, "failed", reason=str(exc))


def _progress(note: Path) -> tuple[float, list[str]]:
    """When this run last wrote the reports, and the hosts whose tables it has shown."""
    try:
        progress = json.loads(note.read_text(encoding="utf-8"))
        return (float(progress["written"]), list(progress["shown"])) if progress["run"] == RUN else (0.0, [])
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0, []


def _baseline(path: str | None) -> Result | None:
    if not path:
        return None
    try:
        return check_baseline(json.loads(Path(path).read_text(encoding="utf-8")), path)
    except (OSError, ValueError, RecursionError) as exc:
        raise ComplianceError(
            f"the baseline cannot be read: {exc}", where=path, fix="Give the report.json of an earlier run"
        ) from exc


def _answer(report: Result, paths: dict[str, str], arguments: Result) -> Result:
    failing = sum(
        host["summary"]["controls"].get(verdict, 0) for host in report["hosts"] for verdict in ("fail", "error")
    )
    gone = [host["name"] for host in report["not_run"] if host["state"] != "waiting"]
    answer: Result = {
        "changed": False,
        "reports": paths,
        "failing_controls": failing,
        "hosts_not_run": gone,
        "unmatched": report["unmatched"],
    }
    if arguments["fail_on"] == "fail" and (failing or gone):
        where = next(iter(paths.values()), arguments["results"])
        answer.update(failed=True, msg=f"{failing} controls fail; not run: {', '.join(gone) or 'none'}. See {where}")
    return answer
