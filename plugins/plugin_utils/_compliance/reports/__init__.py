# SPDX-License-Identifier: GPL-3.0-or-later
"""Report: results of hosts become files that people and programs read. Pure."""

from __future__ import annotations

import collections
import csv
import datetime
import io
import json
import typing as t
from xml.etree import ElementTree

from ..results import VERDICTS
from .html import html

Report = dict[str, t.Any]
SHOWN = ("pass", "fail", "error", "waived", "attested", "not_checked", "not_applicable")
TITLES = {
    "pass": "pass",
    "fail": "fail",
    "error": "error",
    "waived": "waived",
    "attested": "attested",
    "not_checked": "unchecked",
    "not_applicable": "n/a",
}


def build(models: list[Report], *, missing: t.Sequence[str] = (), baseline: Report | None = None) -> Report:
    """The model that every format renders: hosts with their results, and what an earlier report said of them."""
    earlier = {host["name"]: host for host in (baseline or {}).get("hosts", [])}
    for model in models:
        before = earlier.get(model["name"])
        model["baseline"] = before["summary"] if before else None
        sections = {(s["benchmark"], s["title"]): s["counts"] for s in before["sections"]} if before else {}
        for section in model["sections"]:
            section["baseline"] = sections.get((section["benchmark"], section["title"]))
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    return {
        "schema": 1,
        "generated": now.isoformat(),
        "hosts": sorted(models, key=lambda model: model["name"]),
        "not_run": list(missing),
    }


def score(counts: t.Mapping[str, int]) -> float | None:
    """Share of judged controls that pass, in percent; None when none was judged."""
    good = counts.get("pass", 0) + counts.get("attested", 0)
    judged = good + counts.get("fail", 0) + counts.get("error", 0) + counts.get("waived", 0)
    return 100 * good / judged if judged else None


def rows(host: Report) -> list[tuple[Report, str, Report]]:
    """(control, rule id, rule) of a host, worst verdict first; a control without rules has an empty rule."""
    found = []
    for control in host["controls"]:
        for rule in control["rules"] or [""]:
            found.append(
                (
                    control,
                    rule,
                    host["rules"].get(
                        rule,
                        {
                            "verdict": control["verdict"],
                            "actual": "no rule yet",
                            "expected": "",
                            "title": control["title"],
                            "severity": "",
                            "held": "",
                            "goss": "none",
                            "changed": False,
                        },
                    ),
                )
            )
    return sorted(found, key=lambda row: VERDICTS.index(row[2]["verdict"]))


def as_json(report: Report) -> str:
    return json.dumps(report, indent=1) + "\n"


def as_csv(report: Report) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        [
            "host",
            "benchmark",
            "control",
            "control_title",
            "control_verdict",
            "rule",
            "severity",
            "verdict",
            "actual",
            "expected",
            "goss",
            "changed",
            "note",
        ]
    )
    for host in report["hosts"]:
        for control, identifier, rule in rows(host):
            cells = [
                host["name"],
                control["benchmark"],
                control["id"],
                control["title"],
                control["verdict"],
                identifier,
                rule["severity"],
                rule["verdict"],
                rule["actual"],
                rule["expected"],
                rule["goss"],
                rule["changed"],
                rule["held"],
            ]
            # A cell that starts like a formula would be run by a spreadsheet.
            writer.writerow([f"'{cell}" if str(cell)[:1] in ("=", "+", "-", "@") else cell for cell in cells])
    return out.getvalue()


def as_junit(report: Report) -> str:
    """JUnit XML as CI systems read it: a suite a host, a case a control; only fail and error are failures."""
    suites = ElementTree.Element("testsuites")
    for host in report["hosts"]:
        controls = host["controls"]
        counts = host["summary"]["controls"]
        skipped = sum(counts.get(verdict, 0) for verdict in ("not_applicable", "not_checked", "waived"))
        suite = ElementTree.SubElement(
            suites, "testsuite", name=host["name"], tests=str(len(controls)), failures=str(counts.get("fail", 0)),
            errors=str(counts.get("error", 0)), skipped=str(skipped), timestamp=host["collected"].rstrip("Z"), time=str(host["seconds"]),
        )  # fmt: skip
        for control in controls:
            case = ElementTree.SubElement(
                suite, "testcase", classname=control["benchmark"], name=f"{control['id']} {control['title']}"
            )
            reasons = [
                f"{rule}: {host['rules'][rule]['actual']} (expected {host['rules'][rule]['expected']})"
                for rule in control["rules"]
                if host["rules"][rule]["verdict"] in ("fail", "error", "waived")
            ]
            if control["verdict"] in ("fail", "error"):
                tag = {"fail": "failure", "error": "error"}[control["verdict"]]
                ElementTree.SubElement(
                    case, tag, message=_xml(reasons[0] if reasons else control["verdict"])
                ).text = _xml("\n".join(reasons))
            elif control["verdict"] in ("not_applicable", "not_checked", "waived"):
                ElementTree.SubElement(case, "skipped", message=control["verdict"])
    for name in report["not_run"]:
        suite = ElementTree.SubElement(suites, "testsuite", name=name, tests="1", errors="1", failures="0", skipped="0")
        ElementTree.SubElement(
            ElementTree.SubElement(suite, "testcase", classname=name, name="run"),
            "error",
            message="the host was not run",
        )
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _xml(text: str) -> str:
    """Without the control characters that XML 1.0 forbids."""
    return "".join(char for char in text if char in "\t\n" or ord(char) >= 32)


def as_markdown(report: Report) -> str:
    lines = ["# Compliance report", "", f"Generated {report['generated']}.", ""]
    for host in report["hosts"]:
        wanted = ", ".join(f"{b['title']} {b['version']} ({b['level']})" for b in host["benchmarks"])
        lines += [f"## {host['name']}", "", f"{host['system']}, {host['architecture']}. {wanted}.", ""]
        lines += [
            "| section | " + " | ".join(TITLES[verdict] for verdict in SHOWN) + " |",
            "|---" + "|---:" * len(SHOWN) + "|",
        ]
        for section in host["sections"]:
            cells = (str(section["counts"].get(verdict, 0)) for verdict in SHOWN)
            lines.append(f"| {section['title']} | " + " | ".join(cells) + " |")
        lines.append("| **all** | " + " | ".join(f"**{host['summary']['controls'].get(v, 0)}**" for v in SHOWN) + " |")
        bad = [(c, i, r) for c, i, r in rows(host) if r["verdict"] in ("error", "fail", "waived")]
        if bad:
            lines += ["", "| control | rule | verdict | actual | expected | note |", "|---|---|---|---|---|---|"]
            lines += [
                f"| {c['id']} | `{_cell(i)}` | {r['verdict']} | {_cell(r['actual'])} | {_cell(r['expected'])} | {_cell(r['held'])} |"
                for c, i, r in bad
            ]
        lines.append("")
    lines += [f"Not run: {', '.join(report['not_run'])}.", ""] if report["not_run"] else []
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def table(report: Report, paths: t.Mapping[str, str] | None = None, width: int = 100) -> str:
    """The summary for a terminal: sections, what fails and why, and where the reports are."""
    lines: list[str] = []
    for host in report["hosts"]:
        wanted = ", ".join(f"{b['id']} {b['level']}" for b in host["benchmarks"])
        goss = host["goss"]
        judged = (
            f"planner and Goss ({goss['checks']} checks, {goss['seconds']:.2f} s)" if goss else "planner only (dry run)"
        )
        lines += ["", f"{host['name']}: {host['system']}, {wanted}; judged by {judged}", ""]
        lines += _section_table(host)
        lines += _failures(host, width)
        counts = host["summary"]["controls"]
        rules = host["summary"]["rules"]
        reboot = "; ".join(host["reboot_required"]) or "no"
        lines += [
            "",
            f"  rules: {rules.get('pass', 0)} pass, {rules.get('fail', 0) + rules.get('error', 0)} fail, "
            f"{rules.get('waived', 0)} waived, {len(host['changed'])} changed",
        ]
        lines += [f"  score: {_percent(score(counts))}{_was(host)}    reboot required: {reboot}"]
    if report["not_run"]:
        lines += ["", f"not run (unreachable or failed): {', '.join(report['not_run'])}"]
    if paths:
        lines += ["", *(f"  {name:9} {path}" for name, path in paths.items())]
    return "\n".join([*lines, ""])


def _was(host: Report) -> str:
    return f" (was {_percent(score(host['baseline']['controls']))})" if host["baseline"] else ""


def _percent(value: float | None) -> str:
    return "none judged" if value is None else f"{value:.1f} %"


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
            now = counts.get(verdict, 0)
            was = (before or {}).get(verdict, 0)
            cells.append(f"{was} > {now}" if before is not None and was != now else str(now))
        lines.append("  " + f"{title[:19]:20}" + "".join(f"{cell:>10}" for cell in cells))
    return lines


def _failures(host: Report, width: int) -> list[str]:
    bad = [(c, i, r) for c, i, r in rows(host) if r["verdict"] in ("error", "fail")]
    if not bad:
        return []
    lines = ["", f"  what fails ({len(bad)})"]
    for control, identifier, rule in bad[:25]:
        why = (
            f"{rule['actual']} (wants {rule['expected']})"
            if not rule["held"]
            else f"{rule['actual']} - not changed: {rule['held']}"
        )
        head = f"  {control['id']:11} {identifier:34} "
        lines.append(head + (why if len(head) + len(why) <= width + 20 else why[: width + 17 - len(head)] + "..."))
    if len(bad) > 25:
        lines.append(f"  and {len(bad) - 25} more: see the report")
    return lines


class Format(t.NamedTuple):
    suffix: str
    render: t.Callable[[Report], str]


FORMATS = {
    "csv": Format("csv", as_csv),
    "html": Format("html", lambda report: html(report, rows, score)),
    "json": Format("json", as_json),
    "junit": Format("xml", as_junit),
    "markdown": Format("md", as_markdown),
}
