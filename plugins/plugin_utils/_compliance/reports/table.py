# SPDX-License-Identifier: GPL-3.0-or-later
"""The summary for a terminal: sections, what fails and why, and where the reports are."""

from __future__ import annotations

import collections
import typing as t

from .model import SHOWN, TITLES, Report, Row, ends, judges, percent, rows, score

MOST_FAILURES = 25


def table(
    report: Report, hosts: t.Collection[str] | None = None, paths: t.Mapping[str, str] | None = None, width: int = 120
) -> str:
    """The summary.

    Args:
        hosts: only these hosts' tables; None for all.
        paths: where each format lies.
        width: columns of the terminal.
    """
    lines: list[str] = []
    for host in report["hosts"]:
        if hosts is None or host["name"] in hosts:
            lines += _host(host, width)
    if gone := [host for host in report["not_run"] if host["state"] != "waiting"]:
        lines += ["", f"not run ({len(gone)})", *(_cut(f"  {host['name']}: {ends(host)}", 2 * width) for host in gone)]
    if waiting := [host["name"] for host in report["not_run"] if host["state"] == "waiting"]:
        lines += ["", _cut(f"still to come ({len(waiting)}): {', '.join(waiting)}", width)]
    if paths:
        lines += ["", *(f"  {name:9} {path}" for name, path in paths.items())]
    return "\n".join([*lines, ""])


def _host(host: Report, width: int) -> list[str]:
    benchmarks = ", ".join(f"{b['id']} {b['level']}" for b in host["benchmarks"])
    lines = ["", _cut(f"{host['name']}: {host['system']}, {benchmarks}", width), *_wrapped(judges(host), width), ""]
    lines += _section_table(host)
    listed = rows(host)
    lines += _listed("what fails", [row for row in listed if row.facts["verdict"] in ("error", "fail")], width)
    counts, rules = host["summary"]["controls"], host["summary"]["rules"]
    reboot = "; ".join(host["reboot_required"]) or "no"
    return [
        *lines,
        "",
        f"  rules: {rules.get('pass', 0)} pass, {rules.get('fail', 0) + rules.get('error', 0)} fail, "
        f"{rules.get('waived', 0)} waived, {len(host['changed'])} changed",
        f"  score: {percent(score(counts))}{_was(host)}    reboot required: {reboot}",
    ]


def _was(host: Report) -> str:
    return f" (was {percent(score(host['baseline']['controls']))})" if host["baseline"] else ""


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 3]}..."


def _wrapped(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) + 3 > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return [f"  {line}" for line in lines]


def _section_table(host: Report) -> list[str]:
    heads = [TITLES[verdict] for verdict in SHOWN]
    lines = ["  " + f"{'section':20}" + "".join(f"{head:>10}" for head in heads)]
    totals: collections.Counter[str] = collections.Counter()
    for section in [*host["sections"], None]:
        if section is None:
            title, counts, before = "all", dict(totals), (host["baseline"] or {}).get("controls")
            lines.append("  " + "-" * (20 + 10 * len(heads)))
        else:
            title, counts, before = section["title"], section["counts"], section["baseline"]
            totals.update(counts)
        cells = []
        for verdict in SHOWN:
            now, was = counts.get(verdict, 0), (before or {}).get(verdict, 0)
            cells.append(f"{was} > {now}" if before is not None and was != now else str(now))
        lines.append("  " + f"{title[:19]:20}" + "".join(f"{cell:>10}" for cell in cells))
    return lines


def _listed(title: str, listed: list[Row], width: int) -> list[str]:
    if not listed:
        return []
    lines = ["", f"  {title} ({len(listed)})"]
    for control, rule, facts in listed[:MOST_FAILURES]:
        reason = f"not changed: {facts['held']}" if facts["held"] else f"wants {facts['expected']}"
        lines.append(_cut(f"  {control['id']:11} {rule:34} {facts['actual']} ({reason})", width))
    if len(listed) > MOST_FAILURES:
        lines.append(f"  and {len(listed) - MOST_FAILURES} more: see the report")
    return lines
