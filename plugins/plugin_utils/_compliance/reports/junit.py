# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as JUnit XML, as CI systems read it: a suite a host, a case a control; only fail and error are failures.

Who waives or attests a control, and what the site loosened, stands in the case's message or output; what the run was narrowed
to in the suite's properties. See https://github.com/testmoapp/junitxml for what CI systems read.
"""

from __future__ import annotations

from xml.etree import ElementTree

from .model import Report, Row, rows
from .words import ends, gpu_checks, gpus, judges, narrowing, note, score_of, unmatched

SKIPPED = ("not_applicable", "not_checked", "waived")


def as_junit(report: Report) -> str:
    suites = ElementTree.Element("testsuites")
    for host in report["hosts"]:
        controls, counts = host["controls"], host["summary"]["controls"]
        suite = ElementTree.SubElement(
            suites, "testsuite", name=host["name"], tests=str(len(controls)), failures=str(counts.get("fail", 0)),
            errors=str(counts.get("error", 0)), skipped=str(sum(counts.get(verdict, 0) for verdict in SKIPPED)),
            timestamp=host["collected"].rstrip("Z"), time=str(host["seconds"]),
        )  # fmt: skip
        _properties(suite, host)
        by_control: dict[tuple[str, str], list[Row]] = {}
        for row in rows(host):
            by_control.setdefault((row.control["benchmark"], row.control["id"]), []).append(row)
        for control in controls:
            _case(suite, control, by_control[control["benchmark"], control["id"]])
        if gpus(host):
            _gpus(suites, host)
    for host in report["not_run"]:
        waits = host["state"] == "waiting"
        suite = ElementTree.SubElement(
            suites, "testsuite", name=host["name"], tests="1", failures="0", errors=str(int(not waits)), skipped=str(int(waits))
        )  # fmt: skip
        case = ElementTree.SubElement(suite, "testcase", classname=host["name"], name="run")
        ElementTree.SubElement(case, "skipped" if waits else "error", message=f"the host was not run: {ends(host)}")
    if report["unmatched"]:
        suite = ElementTree.SubElement(
            suites, "testsuite", name="overlay", tests="1", failures="0", errors="0", skipped="1"
        )
        case = ElementTree.SubElement(suite, "testcase", classname="overlay", name="entries that match nothing")
        skipped = ElementTree.SubElement(case, "skipped", message=f"{len(report['unmatched'])} match nothing")
        skipped.text = "\n".join(unmatched(entry) for entry in report["unmatched"])
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _gpus(suites: ElementTree.Element, host: Report) -> None:
    """A suite of the host's GPUs: a case a check, and one for all of them where none of those says what is wrong."""
    tags = {"bad": "failure", "unread": "error", "absent": "skipped"}
    listed = gpu_checks(host)
    if not host["gpus"]["healthy"] and not {"bad", "unread"} & {state for state, _what, _said in listed}:
        listed.append(("unread", "GPUs", gpus(host)))
    counts = {state: str(sum(one[0] == state for one in listed)) for state in tags}
    suite = ElementTree.SubElement(
        suites, "testsuite", name=f"{host['name']} GPUs", tests=str(len(listed)), failures=counts["bad"],
        errors=counts["unread"], skipped=counts["absent"], timestamp=host["collected"].rstrip("Z"), time="0",
    )  # fmt: skip
    for state, what, said in listed:
        case = ElementTree.SubElement(suite, "testcase", classname="gpu", name=what)
        if state in tags:
            ElementTree.SubElement(case, tags[state], message=said)


def _properties(suite: ElementTree.Element, host: Report) -> None:
    values = {
        "benchmarks": ", ".join(f"{one['id']} {one['level']}" for one in host["benchmarks"]),
        "narrowed": narrowing(host),
        "score": score_of(host),
        "judges": judges(host),
        "loosened": str(host["summary"]["loosened"]),
    }
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in values.items():
        if value:
            ElementTree.SubElement(properties, "property", name=name, value=value)


def _case(suite: ElementTree.Element, control: Report, listed: list[Row]) -> None:
    verdict = control["verdict"]
    case = ElementTree.SubElement(
        suite, "testcase", classname=control["benchmark"], name=f"{control['id']} {control['title']}"
    )
    if verdict in ("fail", "error"):
        wrong = [row for row in listed if row.facts["verdict"] in ("fail", "error", "waived")]
        tag = {"fail": "failure", "error": "error"}[verdict]
        problem = ElementTree.SubElement(case, tag, message=", ".join(row.rule for row in wrong if row.rule) or verdict)
        problem.text = "\n".join(_line(row) for row in wrong)
        listed = [row for row in listed if row not in wrong]
    elif verdict in SKIPPED:
        skipped = ElementTree.SubElement(case, "skipped", message=verdict)
        skipped.text = "\n".join(_line(row) for row in listed)
        return
    if remarkable := [_line(row) for row in listed if note(row.facts)]:
        ElementTree.SubElement(case, "system-out").text = "\n".join(remarkable)


def _line(row: Row) -> str:
    facts = row.facts
    expected = f" (expected {facts['expected']})" if facts["expected"] else ""
    said = f"; {note(facts)}" if note(facts) else ""
    return f"{row.rule or row.control['id']}: {facts['actual']}{expected}{said}"
