# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as a table for spreadsheets: a row for each rule below each control."""

from __future__ import annotations

import csv
import io

from .model import Report, rows
from .words import gpu_checks, gpus, narrowing, note, unmatched

COLUMNS = (
    "host", "benchmark", "control", "control_title", "control_verdict", "rule", "severity", "verdict", "actual", "expected",
    "goss", "independent", "changed", "loosened", "note",
)  # fmt: skip
# A cell that starts like a formula would be run by a spreadsheet; the wide forms by East Asian ones. See
# https://owasp.org/www-community/attacks/CSV_Injection
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def as_csv(report: Report) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for host in report["hosts"]:
        for control, rule, facts in rows(host):
            cells = (
                host["name"], control["benchmark"], control["id"], control["title"], control["verdict"], rule, facts["severity"],
                facts["verdict"], facts["actual"], facts["expected"], facts["goss"], facts["independent"], facts["changed"],
                any(value["loosened"] for value in facts["site"]), note(facts),
            )  # fmt: skip
            writer.writerow([_cell(str(cell)) for cell in cells])
        if said := narrowing(host):
            narrowed = (host["name"], *[""] * 6, "not looked at", said, *[""] * 6)
            writer.writerow([_cell(cell) for cell in narrowed])
        if said := gpus(host):
            lines = [("healthy" if host["gpus"]["healthy"] else "not healthy", "GPUs", said), *gpu_checks(host)]
            for state, what, actual in lines:
                row = (host["name"], *[""] * 4, f"gpu/{what}", "", state, actual, *[""] * 6)
                writer.writerow([_cell(cell) for cell in row])
    for host in report["not_run"]:
        cells = (
            host["name"],
            *[""] * 6,
            "not run",
            host["reason"],
            *[""] * 5,
            f"{host['state']} {host['task']}".strip(),
        )
        writer.writerow([_cell(str(cell)) for cell in cells])
    for entry in report["unmatched"]:
        row = ("", *[""] * 6, "matches nothing", unmatched(entry), *[""] * 6)
        writer.writerow([_cell(cell) for cell in row])
    return out.getvalue()


def _cell(text: str) -> str:
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) or text.startswith(FORMULA) else text
