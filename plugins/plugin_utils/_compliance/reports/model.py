# SPDX-License-Identifier: GPL-3.0-or-later
"""The model that every format renders. Pure."""

from __future__ import annotations

import collections
import datetime
import typing as t

from ..._errors import ComplianceError
from ..._printable import printable_all
from ..results import ANSWERS, VERDICTS

Report = dict[str, t.Any]
SCHEMA = 3
SHOWN = ("pass", "fail", "error", "waived", "attested", "not_checked", "not_applicable")
SEVERITIES = ("high", "medium", "low", "")
TITLES = {
    "pass": "pass",
    "fail": "fail",
    "error": "error",
    "waived": "waived",
    "attested": "attested",
    "not_checked": "unchecked",
    "not_applicable": "n/a",
}


def build(
    models: list[Report], *, run: str = "", missing: t.Sequence[Report] = (), baseline: Report | None = None
) -> Report:
    """Hosts with their results, and what an earlier report said of them.

    All text in it is printable: what a host answered reaches no format as a control, bidirectional or surrogate character.

    Args:
        models: results of hosts, as `results.summarise` returns them.
        missing: hosts without a result of this run (`results.not_run`).
        baseline: an earlier report of the same hosts, as `as_json` wrote it.

    Raises:
        ComplianceError: the baseline is of other hosts.
    """
    hosts = sorted((printable_all(model) for model in models), key=lambda model: str(model["name"]))
    _compare(hosts, baseline)
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    return {
        "schema": SCHEMA,
        "generated": now.isoformat(),
        "run": run,
        "hosts": hosts,
        "not_run": sorted((printable_all(host) for host in missing), key=lambda host: str(host["name"])),
        "unmatched": _unmatched(hosts),
    }


def _unmatched(hosts: list[Report]) -> list[dict[str, str]]:
    """Entries of overlays that match nothing on any of the hosts that have them."""
    everywhere: dict[str, list[dict[str, str]]] = {}
    for host in hosts:
        for entry in host["unmatched"]:
            everywhere.setdefault(f"{entry['where']} {entry['entry']}", []).append(entry)
    sharing = collections.Counter(host["overlay"] for host in hosts)
    return [
        {**entries[0], "why": "; or ".join(dict.fromkeys(entry["why"] for entry in entries))}
        for entries in everywhere.values()
        if len(entries) == sharing[entries[0]["overlay"]]
    ]


def check_baseline(baseline: t.Any, path: str) -> Report:
    """BASELINE, if it is a report that can be compared with.

    Raises:
        ComplianceError: it is none, or of another version.
    """
    fix = "Give the report.json of an earlier run"
    if not isinstance(baseline, dict) or not isinstance(baseline.get("hosts"), list):
        raise ComplianceError("this is no report", where=path, fix=fix)
    if baseline.get("schema") != SCHEMA:
        raise ComplianceError(
            f"the baseline has schema version {baseline.get('schema')}, this collection reads {SCHEMA}",
            where=path,
            fix=fix,
        )
    return baseline


def _compare(hosts: list[Report], baseline: Report | None) -> None:
    """Note in HOSTS what BASELINE said of each: only of the same host, judged by the same benchmarks."""
    earlier = {host["name"]: host for host in (baseline or {}).get("hosts", [])}
    if hosts and earlier and not any(host["name"] in earlier for host in hosts):
        names, others = (", ".join(sorted(list(each)[:3])) for each in ([h["name"] for h in hosts], earlier))
        raise ComplianceError(
            f"the baseline is of other hosts ({others}), this run is of {names}",
            fix="Give the report.json of an earlier run with the same hosts",
        )
    for host in hosts:
        before = earlier.get(host["name"])
        if before and any(before[name] != host[name] for name in ("benchmarks", "narrowed")):
            before = None
        host["baseline"] = before["summary"] if before else None
        counts = {(s["benchmark"], s["title"]): s["counts"] for s in before["sections"]} if before else {}
        for section in host["sections"]:
            section["baseline"] = counts.get((section["benchmark"], section["title"]))


def score(counts: t.Mapping[str, int]) -> float | None:
    """Share of judged controls that pass, in percent; None when none was judged."""
    good = counts.get("pass", 0) + counts.get("attested", 0)
    judged = good + counts.get("fail", 0) + counts.get("error", 0) + counts.get("waived", 0)
    return 100 * good / judged if judged else None


def percent(value: float | None) -> str:
    return "none judged" if value is None else f"{value:.1f} %"


class Row(t.NamedTuple):
    """One rule below one control; a control without rules has an empty rule."""

    control: Report
    rule: str
    facts: Report


def rows(host: Report) -> list[Row]:
    """A host's rows: the worst verdict first, and below it the highest severity."""
    listed = []
    for control in host["controls"]:
        for rule in control["rules"]:
            facts = host["rules"][rule]
            if facts["verdict"] == "fail" and control["verdict"] == "waived":
                # Of the controls that ask for the rule, this one is waived.
                facts = {**facts, "verdict": "waived", "waiver": control["waiver"]}
            listed.append(Row(control, rule, facts))
        if not control["rules"] or control["unselected"]:
            listed.append(Row(control, "", _without_rule(control)))
    return sorted(
        listed, key=lambda row: (VERDICTS.index(row.facts["verdict"]), SEVERITIES.index(row.facts["severity"]))
    )


def _without_rule(control: Report) -> Report:
    """The facts of what no rule judges of a control."""
    answer = control["attestation"] if not control["rules"] and not control["unselected"] else None
    verdict = control["verdict"]
    if not control["applicable"]:
        actual = "the purpose of this host rules it out"
    elif control["unselected"]:
        verdict, actual = "not_checked", f"left out of this run: {', '.join(control['unselected'])}"
    elif answer:
        actual = ANSWERS[answer["answer"]]
    else:
        actual = f"no rule judges it: {control['reason']}" if control["reason"] else "no rule judges it yet"
    return {
        "verdict": verdict,
        "actual": actual,
        "expected": "",
        "title": control["title"],
        "why": "",
        "kind": "",
        "severity": "",
        "held": "",
        "waiver": None,
        "attestation": answer,
        "site": [],
        "goss": "none",
        "independent": False,
        "changed": False,
        "cci": [],
        "nist_800_53": [],
    }
