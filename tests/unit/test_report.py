from __future__ import annotations

import csv
import datetime
import io
import json
import typing as t
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import plan as _plan
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import reports as _report
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import results as _results
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import selection as _selection
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.kinds.base import Connection


@pytest.fixture
def report(catalogue: t.Any, fresh: t.Any, hardened: t.Any) -> t.Any:
    reports = []
    for evidence, baseline in ((fresh, None), (hardened, True)):
        waiver = _selection.Waiver("later", "me", datetime.date(2030, 1, 1))
        overlay = _selection.Overlay(waivers={"service/journal-upload": waiver})
        selection = _selection.select(catalogue, [("cis", "l1_server")], overlay, evidence["host"])
        plan = _plan.plan(selection, evidence, Connection("ansible"))
        model = _results.host_model("web1", catalogue, selection, plan, evidence)
        passed = [name for name, rule in model["rules"].items() if rule["verdict"] == "pass"]
        failing = {name: ["x"] for name, rule in model["rules"].items() if rule["verdict"] == "fail"}
        _results.add_goss(model, {"passed": passed, "failing": failing, "count": 700, "seconds": 0.1})
        reports.append(
            _report.build([_results.summarise(model)], missing=["web2"], baseline=reports[0] if baseline else None)
        )
    return reports


def test_every_format_renders_every_control(report: t.Any) -> None:
    controls = {control["id"] for control in report[0]["hosts"][0]["controls"]}
    assert len(controls) == 262
    assert {row["control"] for row in csv.DictReader(io.StringIO(_report.as_csv(report[0])))} == controls
    cases = ElementTree.fromstring(_report.as_junit(report[0])).findall("testsuite[@name='web1']/testcase")
    assert {str(case.get("name")).split(" ")[0] for case in cases} == controls
    page = _report.FORMATS["html"].render(report[0])
    assert all(f"<td>{control}</td>" in page for control in controls)
    assert {control["id"] for control in json.loads(_report.as_json(report[0]))["hosts"][0]["controls"]} == controls


def test_counts_agree_between_formats(report: t.Any) -> None:
    host = report[0]["hosts"][0]
    suite = ElementTree.fromstring(_report.as_junit(report[0])).find("testsuite")
    assert suite is not None
    assert (
        int(str(suite.get("failures"))) == host["summary"]["controls"]["fail"] == len(suite.findall("testcase/failure"))
    )
    assert (
        sum(host["summary"]["controls"].values())
        == 262
        == sum(sum(section["counts"].values()) for section in host["sections"])
    )


def test_html_needs_nothing_from_elsewhere_and_is_balanced(report: t.Any) -> None:
    page = _report.FORMATS["html"].render(report[0])
    assert "http://" not in page and "https://" not in page and "src=" not in page and "@import" not in page
    stack: list[str] = []

    class Balanced(HTMLParser):
        def handle_starttag(self, tag: str, attrs: t.Any) -> None:
            if tag not in ("meta", "br", "input", "link"):
                stack.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert stack.pop() == tag

    Balanced().feed(page)
    assert stack == []


def test_html_shows_failures_first_with_actual_and_expected(report: t.Any) -> None:
    page = _report.FORMATS["html"].render(report[0])
    assert page.index("What fails") < page.index("Sections") < page.index("All controls")
    assert "99999" in page and "&gt;= 1, &lt;= 365" in page


def test_hostile_values_are_escaped_everywhere(report: t.Any) -> None:
    evil = '=cmd|"<script>alert(1)</script>\x00\n| x'
    host = report[0]["hosts"][0]
    host["name"] = evil
    for rule in host["rules"].values():
        rule["actual"] = evil
    assert "<script>alert" not in _report.FORMATS["html"].render(report[0])
    ElementTree.fromstring(_report.as_junit({**report[0], "hosts": [{**host, "name": "x"}]}))
    assert not [row for row in csv.DictReader(io.StringIO(_report.as_csv(report[0]))) if row["actual"].startswith("=")]
    body = [line for line in _report.as_markdown(report[0]).splitlines() if line.startswith("| 1.")]
    assert {line.replace("\\|", "").count("|") for line in body} == {7}


def test_table_fits_a_terminal_and_shows_before_and_after(report: t.Any) -> None:
    table = _report.table(report[1], {"html": "/x/report.html"})
    assert max(len(line) for line in table.splitlines()) <= 120
    assert " > " in table and "(was " in table
    assert "not run (unreachable or failed): web2" in table


def test_every_verdict_has_a_column() -> None:
    assert set(_report.SHOWN) == set(_results.VERDICTS)


def test_score_counts_waived_as_not_passing() -> None:
    assert _report.score({"pass": 3, "waived": 1}) == 75
    assert _report.score({"not_applicable": 3}) is None


def test_control_is_as_bad_as_its_worst_rule() -> None:
    def verdict(rules: list[str], **control: t.Any) -> str:
        given = {
            "applicable": True,
            "rules": [str(i) for i in range(len(rules))],
            "waiver": False,
            "attestation": "",
            **control,
        }
        return _results._control_verdict(given, {str(i): {"verdict": v} for i, v in enumerate(rules)})

    assert verdict(["pass", "error", "fail"]) == "error"
    assert verdict(["pass", "fail"]) == "fail"
    assert verdict(["pass", "not_applicable"]) == "pass"
    assert verdict(["not_applicable"]) == "not_applicable"
    assert verdict([]) == "not_checked"
    assert verdict([], attestation="pass") == "attested"
    assert verdict(["fail"], waiver=True) == "waived"
    assert verdict(["error"], waiver=True) == "error"
    assert verdict(["pass"], applicable=False) == "not_applicable"
