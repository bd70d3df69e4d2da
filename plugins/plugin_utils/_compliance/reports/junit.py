# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as JUnit XML, as CI systems read it: a suite a host, a case a control; only fail and error are failures."""

from __future__ import annotations

from xml.etree import ElementTree

from .model import Report, ends

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
        for control in controls:
            _case(suite, control, host["rules"])
    for host in report["not_run"]:
        waits = host["state"] == "waiting"
        suite = ElementTree.SubElement(
            suites, "testsuite", name=host["name"], tests="1", failures="0", errors=str(int(not waits)), skipped=str(int(waits))
        )  # fmt: skip
        case = ElementTree.SubElement(suite, "testcase", classname=host["name"], name="run")
        ElementTree.SubElement(case, "skipped" if waits else "error", message=f"the host was not run: {ends(host)}")
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ElementTree.Element, control: Report, rules: Report) -> None:
    name = f"{control['id']} {control['title']}"
    case = ElementTree.SubElement(suite, "testcase", classname=control["benchmark"], name=name)
    if control["verdict"] in ("fail", "error"):
        reasons = [
            f"{rule}: {rules[rule]['actual']} (expected {rules[rule]['expected']})"
            for rule in control["rules"]
            if rules[rule]["verdict"] in ("fail", "error", "waived")
        ]
        tag = {"fail": "failure", "error": "error"}[control["verdict"]]
        problem = ElementTree.SubElement(case, tag, message=reasons[0] if reasons else control["verdict"])
        problem.text = "\n".join(reasons)
    elif control["verdict"] in SKIPPED:
        ElementTree.SubElement(case, "skipped", message=control["verdict"])
