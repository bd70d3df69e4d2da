# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as one HTML file that needs nothing else: no script, font or picture from elsewhere."""

from __future__ import annotations

import collections
import contextlib
import functools
import os
import sys
import typing as t
from pathlib import Path

from .model import SEVERITIES, Report, Row, percent, rows, score
from .words import ends, gpu_checks, gpus, judges, loosened, narrowing, remarks, score_of, unmatched

if t.TYPE_CHECKING:
    from jinja2 import Template

LABELS = {
    "fail": "fail",
    "error": "error",
    "waived": "waived",
    "pass": "pass",
    "attested": "attested",
    "not_checked": "not checked",
    "not_applicable": "not applicable",
}
# How a check of a GPU looks: as the verdict that means the same.
GPU_COLOURS = {"ok": "pass", "bad": "fail", "unread": "error", "absent": "not_applicable"}
TEMPLATE = Path(__file__).with_name("report.html.j2")


@functools.cache
def template() -> Template:
    # Only who writes HTML loads Jinja for it: the actions of every other task do without.
    from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined

    # Compiling the page takes longer than filling it: what was compiled is kept where Python keeps bytecode.
    directory = TEMPLATE.parent / "__pycache__"
    if not sys.dont_write_bytecode:
        with contextlib.suppress(OSError):
            directory.mkdir(exist_ok=True)
    kept = not sys.dont_write_bytecode and os.access(directory, os.W_OK)
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        loader=FileSystemLoader(TEMPLATE.parent), bytecode_cache=FileSystemBytecodeCache(str(directory)) if kept else None,
    )  # fmt: skip
    environment.filters.update(moment=moment, percent=percent, score=score)
    environment.globals.update(
        ends=ends, gpu_checks=gpu_checks, gpu_colours=GPU_COLOURS, gpus=gpus, grouped=grouped,
        judges=judges, loosened=loosened, narrowing=narrowing, remarks=remarks, score_of=score_of,
        unmatched=unmatched,
    )  # fmt: skip
    return environment.get_template(TEMPLATE.name)


def moment(timestamp: str) -> str:
    """An ISO 8601 time in UTC as people read it."""
    return f"{timestamp[:10]} {timestamp[11:16]} UTC"


def grouped(host: Report) -> dict[str, list[Row]]:
    """A host's rows as the page shows them: what fails, what is waived, and everything else."""
    groups: dict[str, list[Row]] = collections.defaultdict(list)
    for row in rows(host):
        verdict = row.facts["verdict"]
        groups["fails" if verdict in ("error", "fail") else "waived" if verdict == "waived" else "rest"].append(row)
    return groups


def as_html(report: Report) -> str:
    return template().render(report=report, labels=LABELS, severities=SEVERITIES[:-1]) + "\n"
