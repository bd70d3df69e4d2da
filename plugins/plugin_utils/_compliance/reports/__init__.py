# SPDX-License-Identifier: GPL-3.0-or-later
"""Report: results of hosts become files that people and programs read. Pure."""

from __future__ import annotations

import json
import typing as t

from ..results import ended
from .csv import as_csv
from .html import as_html
from .junit import as_junit
from .markdown import as_markdown
from .model import Report, build
from .table import table


def as_json(report: Report) -> str:
    return json.dumps(report, indent=1) + "\n"


class Format(t.NamedTuple):
    suffix: str
    render: t.Callable[[Report], str]


FORMATS = {
    "csv": Format("csv", as_csv),
    "html": Format("html", as_html),
    "json": Format("json", as_json),
    "junit": Format("xml", as_junit),
    "markdown": Format("md", as_markdown),
}


class Rendered(t.NamedTuple):
    """A report in every format that was asked for, and as the terminal shows it."""

    report: Report
    texts: dict[str, str]


def render(
    models: list[Report],
    formats: t.Sequence[str],
    *,
    run: str = "",
    missing: t.Sequence[Report] = (),
    baseline: Report | None = None,
) -> Rendered:
    """Render every format before any is written. A host whose results cannot be rendered is listed as not run.

    Raises:
        ComplianceError: the baseline is of other hosts.
    """
    try:
        return _render(models, formats, run, missing, baseline)
    except _RENDERING:
        sound, broken = [], list(missing)
        for model in models:
            try:
                _render([model], formats, run, (), None)
                sound.append(model)
            except _RENDERING as exc:
                reason = f"its results cannot be rendered ({type(exc).__name__}: {exc})"
                broken.append(ended(str(model.get("name")), run, "failed", "report", reason))
        return _render(sound, formats, run, broken, baseline)


# What code raises that reads a mapping where a host answered a text.
_RENDERING = (AttributeError, KeyError, TypeError, ValueError, LookupError, RecursionError)


def _render(
    models: list[Report], formats: t.Sequence[str], run: str, missing: t.Sequence[Report], baseline: Report | None
) -> Rendered:
    report = build(models, run=run, missing=missing, baseline=baseline)
    table(report)
    return Rendered(report, {name: FORMATS[name].render(report) for name in formats})
