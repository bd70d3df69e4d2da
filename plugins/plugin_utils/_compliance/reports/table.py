# SPDX-License-Identifier: GPL-3.0-or-later
"""The summary for a terminal: sections, what fails and why, and where the reports are."""

from __future__ import annotations

import collections
import textwrap
import typing as t

from .model import SHOWN, TITLES, Report, Row, percent, rows, score
from .words import ends, gpu_checks, gpus, judges, loosened, narrowing, score_of, unmatched

MOST_FAILURES = 25
MOST_LINES = 4
DEEP = " " * 14


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
        lines += ["", f"not run ({len(gone)})"]
        lines += [
            line
            for host in gone
            for line in _wrapped(f"{host['name']}: {ends(host)}", width, hang="    ", most=MOST_LINES)
        ]
    if waiting := [host["name"] for host in report["not_run"] if host["state"] == "waiting"]:
        lines += [
            "",
            *_wrapped(f"still to come ({len(waiting)}): {', '.join(waiting)}", width, "", hang="  ", most=MOST_LINES),
        ]
    elif report["unmatched"]:
        lines += ["", f"entries of the overlay that match nothing ({len(report['unmatched'])})"]
        lines += [line for entry in report["unmatched"] for line in _wrapped(unmatched(entry), width, hang="    ")]
    if paths:
        lines += ["", *(f"  {name:9} {path}" for name, path in paths.items())]
    return "\n".join([*lines, ""])


def _host(host: Report, width: int) -> list[str]:
    benchmarks = ", ".join(f"{b['id']} {b['level']}" for b in host["benchmarks"])
    lines = [
        "",
        *_wrapped(f"{host['name']}: {host['system']}, {benchmarks}", width, ""),
        *_wrapped(judges(host), width),
        "",
    ]
    lines += _section_table(host, width)
    listed = rows(host)
    lines += _listed("what fails", [row for row in listed if row.facts["verdict"] in ("error", "fail")], width)
    if values := loosened(host):
        lines += ["", f"  loosened by the overlay ({len(values)})"]
        lines += [line for rule, text in values.items() for line in _wrapped(f"{rule}: {text}", width, hang=DEEP)]
    lines += _gpus(host, width)
    rules = host["summary"]["rules"]
    reboot = "; ".join(host["reboot_required"]) or "no"
    narrowed = narrowing(host)
    return [
        *lines,
        "",
        f"  rules: {rules.get('pass', 0)} pass, {rules.get('fail', 0) + rules.get('error', 0)} fail, "
        f"{rules.get('waived', 0)} waived, {len(host['changed'])} changed",
        *_wrapped(f"score: {score_of(host)}{_was(host)}    reboot required: {reboot}", width),
        *(_wrapped(narrowed, width) if narrowed else ()),
    ]


def _gpus(host: Report, width: int) -> list[str]:
    """How the GPUs are, with what is bad or not known of them."""
    if not (said := gpus(host)):
        return []
    wrong = [line for line in gpu_checks(host) if line[0] in ("bad", "unread")]
    lines = ["", *_wrapped(f"GPUs: {said}", width, hang="    ", most=MOST_LINES)]
    for state, what, why in wrong[:MOST_FAILURES]:
        lines += _wrapped(f"{state:11} {what:34} {why}", width, hang=DEEP, most=MOST_LINES)
    if len(wrong) > MOST_FAILURES:
        lines.append(f"  and {len(wrong) - MOST_FAILURES} more: see the report")
    return lines


def _was(host: Report) -> str:
    return f" (was {percent(score(host['baseline']['controls']))})" if host["baseline"] else ""


def _wrapped(text: str, width: int, indent: str = "  ", *, hang: str = "", most: int = 0) -> list[str]:
    """TEXT in lines of the terminal; past MOST lines (0: all) it says how much it leaves out."""
    lines = textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=hang or indent,
        break_on_hyphens=False,
        drop_whitespace=True,
    )
    if not most or len(lines) <= most:
        return lines
    left = sum(len(line.strip()) + 1 for line in lines[most:]) - 1
    return [*lines[:most], f"{hang or indent}({left} more characters: see the report)"]


def _section_table(host: Report, width: int) -> list[str]:
    heads = [TITLES[verdict] for verdict in SHOWN]
    longest = max(len(title) for title in ("section", *(section["title"] for section in host["sections"])))
    first = max(20, min(longest + 1, width - 2 - 10 * len(heads)))
    lines = ["  " + f"{'section':{first}}" + "".join(f"{head:>10}" for head in heads)]
    totals: collections.Counter[str] = collections.Counter()
    for section in [*host["sections"], None]:
        if section is None:
            title, counts, before = "all", dict(totals), (host["baseline"] or {}).get("controls")
            lines.append("  " + "-" * (first + 10 * len(heads)))
        else:
            title, counts, before = section["title"], section["counts"], section["baseline"]
            totals.update(counts)
        cells = []
        for verdict in SHOWN:
            now, was = counts.get(verdict, 0), (before or {}).get(verdict, 0)
            cells.append(f"{was} > {now}" if before is not None and was != now else str(now))
        *above, last = textwrap.wrap(title, first - 1) or [""]
        lines += [f"  {line}" for line in above]
        lines.append("  " + f"{last:{first}}" + "".join(f"{cell:>10}" for cell in cells))
    return lines


def _listed(title: str, listed: list[Row], width: int) -> list[str]:
    """What rows say, once a rule: several controls may ask for the same one."""
    if not listed:
        return []
    asked: dict[tuple[str, str], list[Row]] = {}
    for row in listed:
        asked.setdefault((row.rule, "" if row.rule else row.control["id"]), []).append(row)
    lines = ["", f"  {title} ({len(asked)})"]
    for same in list(asked.values())[:MOST_FAILURES]:
        control, rule, facts = same[0]
        ids = ", ".join(dict.fromkeys(row.control["id"] for row in same))
        reason = f"not changed: {facts['held']}" if facts["held"] else f"wants {facts['expected']}"
        name = rule or control["title"]
        head = f"{ids:11} {name:34}" if len(ids) <= 11 else f"{ids}  {name} "
        text = f"{head} {facts['actual']}" + (f" ({reason})" if facts["expected"] else "")
        lines += _wrapped(text, width, hang=DEEP, most=MOST_LINES)
    if len(asked) > MOST_FAILURES:
        lines.append(f"  and {len(asked) - MOST_FAILURES} more: see the report")
    return lines
