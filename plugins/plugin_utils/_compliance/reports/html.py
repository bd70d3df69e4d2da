# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as one HTML file that needs nothing else: no script, font or picture from elsewhere."""

from __future__ import annotations

import typing as t
from html import escape

Report = dict[str, t.Any]
Rows = t.Callable[[Report], list[tuple[Report, str, Report]]]
LABELS = {
    "pass": "pass",
    "fail": "fail",
    "error": "error",
    "waived": "waived",
    "attested": "attested",
    "not_checked": "not checked",
    "not_applicable": "not applicable",
}

STYLE = """
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#1b2430;--soft:#5b6675;--line:#dde2e8;--pass:#1a7f4b;--fail:#c22f2f;
--error:#8a1c7c;--waived:#a86400;--attested:#1767a8;--not_checked:#66707c;--not_applicable:#9aa3ad}
@media(prefers-color-scheme:dark){:root{--bg:#14181d;--card:#1d232a;--ink:#e6eaef;--soft:#9aa6b3;--line:#323b45;--pass:#45b97c;--fail:#f06b6b;
--error:#d67bc9;--waived:#e0a144;--attested:#67aee6;--not_checked:#98a2ad;--not_applicable:#6d7782}}
*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:1180px;margin:0 auto;padding:24px 20px 60px}h1{font-size:24px;margin:0}
h2{font-size:20px;margin:36px 0 4px}h3{font-size:16px;margin:24px 0 8px}
p.sub{color:var(--soft);margin:2px 0 16px}.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:16px 18px;margin:12px 0}
.figures{display:flex;flex-wrap:wrap;gap:26px;align-items:center}.figure b{display:block;font-size:26px;line-height:1.15}
.figure span{color:var(--soft);font-size:13px}
.bar{display:flex;height:12px;border-radius:6px;overflow:hidden;margin:14px 0 2px;background:var(--line)}.bar i{display:block}
table{border-collapse:collapse;width:100%;font-size:14px}
th{text-align:left;color:var(--soft);font-weight:600;border-bottom:1px solid var(--line);padding:6px 8px}
td{border-bottom:1px solid var(--line);padding:7px 8px;vertical-align:top;overflow-wrap:anywhere}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
td.n.zero{color:var(--not_applicable)}tr.total td{font-weight:700}code{font:13px ui-monospace,monospace}.note{color:var(--soft);font-size:13px}
.v{display:inline-block;min-width:96px;text-align:center;border-radius:4px;padding:1px 8px;font-size:12px;font-weight:600;color:#fff;white-space:nowrap}
.filter{display:flex;gap:10px;flex-wrap:wrap;align-items:center;margin:8px 0}.filter input[type=search]{flex:1;min-width:200px;padding:7px 10px;
border:1px solid var(--line);border-radius:6px;background:var(--card);color:var(--ink);font:inherit}.filter label{font-size:13px;color:var(--soft)}
details summary{cursor:pointer;font-weight:600}table.wide{table-layout:fixed}
.wide th:nth-child(1){width:84px}.wide th:nth-child(2){width:31%}.wide th:nth-child(3){width:122px}.wide th:nth-child(6){width:18%}
@media print{.filter{display:none}body{background:#fff}}
"""
STYLE += "".join(f".v.{name},.bar .{name}{{background:var(--{name})}}" for name in LABELS)
STYLE += "".join(f"td.n.{name}{{color:var(--{name})}}" for name in ("pass", "fail", "error", "waived"))

SCRIPT = """
document.querySelectorAll('.filter').forEach(function(bar){
  var rows=bar.parentNode.querySelectorAll('tbody tr'),text=bar.querySelector('[type=search]'),boxes=bar.querySelectorAll('[type=checkbox]');
  function apply(){var q=text.value.toLowerCase(),on={};boxes.forEach(function(b){on[b.value]=b.checked});
    rows.forEach(function(r){r.hidden=!(on[r.dataset.v]&&r.textContent.toLowerCase().indexOf(q)>=0)})}
  text.oninput=apply;boxes.forEach(function(b){b.onchange=apply});apply();
});
"""


def html(report: Report, rows: Rows, score: t.Callable[[Report], float | None]) -> str:
    hosts = "".join(_host(host, rows, score) for host in report["hosts"])
    missing = f'<p class="card"><b>Not run:</b> {escape(", ".join(report["not_run"]))}</p>' if report["not_run"] else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Compliance report</title><style>{STYLE}</style></head><body><main>"
        f'<h1>Compliance report</h1><p class="sub">Generated {escape(report["generated"])} for {len(report["hosts"])} host(s)</p>'
        f"{missing}{hosts}</main><script>{SCRIPT}</script></body></html>\n"
    )


def _host(host: Report, rows: Rows, score: t.Callable[[Report], float | None]) -> str:
    counts = host["summary"]["controls"]
    all_rows = rows(host)
    bad = [row for row in all_rows if row[2]["verdict"] in ("error", "fail", "waived")]
    wanted = ", ".join(f"{b['title']} {b['version']}, {b['level']}" for b in host["benchmarks"])
    judged = (
        f"{host['goss']['checks']} Goss checks in {host['goss']['seconds']:.2f} s"
        if host["goss"]
        else "not verified by Goss"
    )
    total = sum(counts.values()) or 1
    share = "".join(
        f'<i class="{name}" style="width:{100 * counts[name] / total:.2f}%" title="{LABELS[name]}: {counts[name]}"></i>'
        for name in LABELS
        if counts.get(name)
    )
    figures = [("score", _percent(score(counts)))] + [
        (LABELS[name], str(counts.get(name, 0))) for name in LABELS if counts.get(name) or name in ("pass", "fail")
    ]
    if host["baseline"]:
        figures.insert(1, ("score before", _percent(score(host["baseline"]["controls"]))))
    shown = "".join(f'<div class="figure"><b>{value}</b><span>{name}</span></div>' for name, value in figures)
    reboot = "; ".join(host["reboot_required"])
    return (
        f'<section><h2>{escape(host["name"])}</h2><p class="sub">{escape(host["system"])}, {escape(host["architecture"])}, '
        f"kernel {escape(host['kernel'])} &middot; {escape(wanted)} &middot; collected {escape(host['collected'])} &middot; {escape(judged)}</p>"
        f'<div class="card"><div class="figures">{shown}</div><div class="bar">{share}</div>'
        f'<p class="note">Reboot required: {escape(reboot) or "no"}. Rules changed in this run: {len(host["changed"])}.</p></div>'
        f"{_failures(bad)}{_sections(host)}{_all(all_rows)}</section>"
    )


def _percent(value: float | None) -> str:
    return "&ndash;" if value is None else f"{value:.1f}&#8239;%"


def _verdict(name: str) -> str:
    return f'<span class="v {name}">{LABELS[name]}</span>'


def _failures(bad: list[tuple[Report, str, Report]]) -> str:
    if not bad:
        return '<div class="card">Nothing fails.</div>'
    body = "".join(
        f"<tr><td>{escape(c['id'])}</td><td>{escape(r['title'])}<br><code>{escape(i)}</code></td><td>{_verdict(r['verdict'])}</td>"
        f'<td>{escape(r["actual"])}</td><td>{escape(r["expected"])}</td><td class="note">{escape(r["held"])}</td></tr>'
        for c, i, r in bad
    )
    head = "<tr><th>control</th><th>rule</th><th>verdict</th><th>actual</th><th>expected</th><th>note</th></tr>"
    return f'<h3>What fails ({len(bad)})</h3><div class="card"><table class="wide"><thead>{head}</thead><tbody>{body}</tbody></table></div>'


def _sections(host: Report) -> str:
    heads = "".join(f'<th class="n">{label}</th>' for label in LABELS.values())
    lines = [(section["title"], section["counts"], "") for section in host["sections"]] + [
        ("all", host["summary"]["controls"], ' class="total"')
    ]
    body = ""
    for title, counts, attribute in lines:
        cells = "".join(
            f'<td class="n {name if counts.get(name) else "zero"}">{counts.get(name, 0)}</td>' for name in LABELS
        )
        body += f"<tr{attribute}><td>{escape(title)}</td>{cells}</tr>"
    return f'<h3>Sections</h3><div class="card"><table><thead><tr><th>section</th>{heads}</tr></thead><tbody>{body}</tbody></table></div>'


def _all(all_rows: list[tuple[Report, str, Report]]) -> str:
    body = "".join(
        f'<tr data-v="{r["verdict"]}"><td>{escape(c["id"])}</td><td>{escape(c["title"])}<br><code>{escape(i)}</code></td><td>{_verdict(r["verdict"])}</td>'
        f"<td>{escape(r['actual'])}</td><td>{escape(r['expected'])}</td><td>{escape(', '.join(r.get('nist_800_53', [])))}</td></tr>"
        for c, i, r in all_rows
    )
    boxes = "".join(
        f'<label><input type="checkbox" value="{name}" checked> {label}</label>' for name, label in LABELS.items()
    )
    head = "<tr><th>control</th><th>title</th><th>verdict</th><th>actual</th><th>expected</th><th>NIST 800-53</th></tr>"
    return (
        f'<h3>All controls</h3><details class="card"><summary>{len(all_rows)} rows</summary><div class="filter">'
        f'<input type="search" placeholder="Filter: sshd, 5.1, AC-6 ..." aria-label="Filter">{boxes}</div>'
        f'<table class="wide"><thead>{head}</thead><tbody>{body}</tbody></table></details>'
    )
