# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as Markdown, with nothing in it that a renderer would take for HTML, a link or a table's border."""

from __future__ import annotations

import re

from .model import SHOWN, TITLES, Report, Row, rows
from .words import ends, gpu_checks, gpus, judges, loosened, narrowing, note, score_of, unmatched

PARTS = {
    "What fails": ("error", "fail"),
    "What is waived": ("waived",),
    "What people attest": ("attested",),
    "What was not checked": ("not_checked",),
}

# https://spec.commonmark.org/0.31.2/#backslash-escapes: what could begin emphasis, code, a link, a picture or a cell.
_MARKS = re.compile(r"([\\`*\[\]|~!])")


def as_markdown(report: Report) -> str:
    lines = ["# Compliance report", "", f"Generated {report['generated']}.", ""]
    for host in report["hosts"]:
        lines += _host(host)
    if report["not_run"]:
        lines += [
            "## Not run",
            "",
            *(f"- {inert(host['name'])}: {inert(ends(host))}" for host in report["not_run"]),
            "",
        ]
    if report["unmatched"]:
        lines += [
            "## Entries of the overlay that match nothing",
            "",
            *(f"- {inert(unmatched(entry))}" for entry in report["unmatched"]),
            "",
        ]
    return "\n".join(lines)


def inert(text: str) -> str:
    """TEXT so that a renderer shows it as it stands."""
    shown = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKS.sub(r"\\\1", shown).replace("://", ":&#47;&#47;")


def _host(host: Report) -> list[str]:
    benchmarks = ", ".join(f"{b['title']} {b['version']} ({b['level']})" for b in host["benchmarks"])
    lines = [f"## {inert(host['name'])}", ""]
    lines += [f"{inert(host['system'])}, {inert(host['architecture'])}. {inert(benchmarks)}; {judges(host)}.", ""]
    narrowed = narrowing(host)
    lines += [f"Score: {score_of(host)}." + (f" The run was {inert(narrowed)}." if narrowed else ""), ""]
    lines += [
        "| section | " + " | ".join(TITLES[verdict] for verdict in SHOWN) + " |",
        "|---" + "|---:" * len(SHOWN) + "|",
    ]
    for section in host["sections"]:
        counts = (str(section["counts"].get(verdict, 0)) for verdict in SHOWN)
        lines.append(f"| {inert(section['title'])} | " + " | ".join(counts) + " |")
    lines.append("| **all** | " + " | ".join(f"**{host['summary']['controls'].get(v, 0)}**" for v in SHOWN) + " |")
    listed = rows(host)
    for title, verdicts in PARTS.items():
        lines += _table(title, [row for row in listed if row.facts["verdict"] in verdicts])
    if values := loosened(host):
        lines += ["", "### Loosened by the overlay", "", "| rule | value |", "|---|---|"]
        lines += [f"| {inert(rule)} | {inert(text)} |" for rule, text in values.items()]
    if said := gpus(host):
        lines += ["", "### GPUs", "", f"{inert(said)}. No control asks for it: it counts in no score."]
    if said and (checks := gpu_checks(host)):
        lines += ["", "| state | check | said |", "|---|---|---|"]
        lines += ["| " + " | ".join(inert(cell) for cell in check) + " |" for check in checks]
    return [*lines, ""]


def _table(title: str, listed: list[Row]) -> list[str]:
    if not listed:
        return []
    lines = [
        "",
        f"### {title}",
        "",
        "| control | rule | verdict | actual | expected | note |",
        "|---|---|---|---|---|---|",
    ]
    for control, rule, facts in listed:
        cells = (
            control["id"],
            rule or control["title"],
            facts["verdict"],
            facts["actual"],
            facts["expected"],
            note(facts),
        )
        lines.append("| " + " | ".join(inert(cell) for cell in cells) + " |")
    return lines
