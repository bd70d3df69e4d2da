# SPDX-License-Identifier: GPL-3.0-or-later
"""The results directory of a run on the controller."""

from __future__ import annotations

import datetime
import json
import os
import tempfile
import typing as t
from pathlib import Path

from .._errors import ComplianceError
from .results import SCHEMA

Result = dict[str, t.Any]


class ResultsDirectory:
    """Files of one run on the controller: evidence and results are nobody else's business (0700, 0600)."""

    def __init__(self, path: str) -> None:
        self.root = Path(path).expanduser()

    def host(self, name: str) -> Path:
        directory = self.root / "hosts" / name.replace("/", "_")
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return directory

    def write(self, path: Path, content: str) -> Path:
        """Replace a file in one step."""
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
                handle.write(content)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
        return path

    def read_model(self, name: str) -> Result:
        path = self.host(name) / "result.json"
        try:
            model = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as exc:
            raise ComplianceError(
                "there are no results for this host", where=str(path), fix="Run compliance_plan first"
            ) from exc
        except ValueError as exc:
            raise ComplianceError(f"is damaged: {exc}", where=str(path), fix="Run the audit again") from exc
        if model.get("schema") != SCHEMA:
            raise ComplianceError(
                f"has schema version {model.get('schema')}, this collection reads {SCHEMA}",
                where=str(path),
                fix="Run the audit again",
            )
        return t.cast("Result", model)


def today() -> datetime.date:
    return datetime.datetime.now(datetime.timezone.utc).date()
