# Copyright: (c) 2026, the unified.deploy authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the generated Goss file on the host and add its verdicts to the host's results."""

from __future__ import annotations

import base64
import typing as t
import zlib
from pathlib import Path

from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import results as _results
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.answers import check_answer
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.results_directory import ResultsDirectory
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.run import RUN
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.run_action import RunAction
from ansible_collections.unified.deploy.plugins.plugin_utils._controller_action import Result

NO_ANSWER: Result = {"passed": [], "failing": {}, "count": 0, "seconds": 0.0}


class ActionModule(RunAction):
    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {
        "results": {"type": "path", "required": True},
        "executable": {"type": "str", "default": "goss"},
        "path": {"type": "str"},
    }

    def act(self, arguments: Result, task_vars: Result) -> Result:
        results, name = ResultsDirectory(arguments["results"]), self.host(task_vars)
        model, directory = results.read_planned(name, RUN), results.host(name)
        # Goss refuses an empty file (exit status 78): where nothing was judged, there is nothing to ask it.
        asked = (directory / "goss.yml").stat().st_size > 0
        answer = self._ask(directory, arguments, task_vars) if asked else NO_ANSWER
        _results.add_goss(model, answer)
        results.write_model(name, _results.summarise(model))
        return {
            "changed": answer.get("changed", False),
            "summary": model["summary"],
            "failing": _results.failing(model),
            "checks": answer["count"],
            "seconds": answer["seconds"],
        }

    def _ask(self, directory: Path, arguments: Result, task_vars: Result) -> Result:
        """What Goss says of the host."""

        def packed(file: str) -> str:
            return base64.b64encode(zlib.compress((directory / file).read_bytes())).decode()

        options = {
            "gossfile": packed("goss.yml"),
            "evidence": packed("evidence.json"),
            "executable": arguments["executable"],
        }
        if arguments["path"]:
            options["path"] = arguments["path"]
        return check_answer(self.module_or_fail("goss", options, task_vars))
