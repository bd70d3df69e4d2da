from __future__ import annotations

import copy
import csv
import datetime
import html
import io
import json
import re
import typing as t
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import goss as _goss
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import plan as _plan
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import results as _results
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import selection as _selection
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.kinds.base import Connection
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.reports import FORMATS, as_json, render
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.reports import model as _model
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.reports.csv import as_csv
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.reports.html import LABELS, as_html
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.reports.junit import as_junit
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.reports.markdown import as_markdown
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.reports.table import table
from ansible_collections.unified.deploy.plugins.plugin_utils._errors import ComplianceError
from ansible_collections.unified.deploy.plugins.plugin_utils._printable import printable

GONE = _results.ended("web2", "run1", "failed", "Write the files, all or none", "no room")
EVIL = '\ud83d=cmd|"<script>alert(1)</script><img src=x onerror=alert(1)>\x00\x1b[2J\u202e\ufffe\n| [x](javascript:alert(1)) {{ x }}'


def model_of(catalogue: t.Any, evidence: t.Any, name: str = "web1") -> dict[str, t.Any]:
    waiver = _selection.Waiver("later", "me", datetime.date(2030, 1, 1))
    overlay = _selection.Overlay(waivers={"service/journal-upload": waiver})
    selection = _selection.select(catalogue, [("cis", "l1_server")], overlay, evidence["host"])
    plan = _plan.plan(selection, evidence, Connection("ansible"))
    seen = _goss.independent(_goss.checks_of(plan.verdicts, evidence))
    model = _results.host_model(name, catalogue, selection, plan, evidence, run="run1", independent=seen)
    passed = [name for name, rule in model["rules"].items() if rule["verdict"] == "pass"]
    failing = {name: ["x"] for name, rule in model["rules"].items() if rule["verdict"] in ("fail", "waived")}
    _results.add_goss(model, {"passed": passed, "failing": failing, "count": 700, "seconds": 0.1})
    return _results.summarise(model)


@pytest.fixture
def models(catalogue: t.Any, fresh: t.Any, hardened: t.Any) -> list[dict[str, t.Any]]:
    return [model_of(catalogue, fresh), model_of(catalogue, hardened)]


@pytest.fixture
def report(models: t.Any) -> t.Any:
    return _model.build(models[:1], run="run1", missing=[GONE])


def test_every_format_renders_every_control(report: t.Any) -> None:
    controls = {control["id"] for control in report["hosts"][0]["controls"]}
    assert len(controls) == 262
    listed = {row["control"] for row in csv.DictReader(io.StringIO(as_csv(report))) if row["host"] == "web1"}
    assert listed == controls
    cases = ElementTree.fromstring(as_junit(report)).findall("testsuite[@name='web1']/testcase")
    assert {str(case.get("name")).split(" ")[0] for case in cases} == controls
    assert set(re.findall(r'<b class="control">([^<]+)</b>', as_html(report))) == controls
    assert {control["id"] for control in json.loads(as_json(report))["hosts"][0]["controls"]} == controls


def test_counts_agree_between_formats(report: t.Any) -> None:
    host = report["hosts"][0]
    suite = ElementTree.fromstring(as_junit(report)).find("testsuite")
    assert suite is not None
    failures = int(str(suite.get("failures")))
    assert failures == host["summary"]["controls"]["fail"] == len(suite.findall("testcase/failure"))
    total = sum(host["summary"]["controls"].values())
    assert total == 262 == sum(sum(section["counts"].values()) for section in host["sections"])


def test_html_needs_nothing_from_elsewhere_and_is_balanced(report: t.Any) -> None:
    page = as_html(report)
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


def test_html_shows_what_fails_apart_from_what_is_waived(report: t.Any) -> None:
    page = as_html(report)
    sections, fails, waived, rest = (
        page.index(f"<h3>{title}") for title in ("Sections", "What fails", "What is waived", "What passes")
    )
    assert sections < fails < waived < rest
    assert fails < page.index("99999") < waived and "&gt;= 1, &lt;= 365" in page[fails:waived]
    assert "<code>service/journal-upload</code>" in page[waived:rest]


def test_html_shows_severity_references_and_why(report: t.Any) -> None:
    report["hosts"][0]["rules"]["sshd/PermitRootLogin"].update(
        why="Whoever guesses it has everything.", severity="high"
    )
    page = as_html(report)
    start = page.index("<code>sshd/PermitRootLogin</code>")
    row = page[page.rindex("<tr", 0, start) : page.index("</tr>", start)]
    for text in ('data-severity="high"', "Whoever guesses it has everything.", "NIST ", "CCI-", "Goss"):
        assert text in row


def test_filter_of_the_page_can_name_every_row(report: t.Any, site: t.Any) -> None:
    for page in (as_html(report), as_html(site(kinds=("shell",)))):
        _every_row_has_its_options(page)


def _every_row_has_its_options(page: str) -> None:
    for attribute in ("verdict", "section", "severity"):
        options = set(
            re.findall(
                '<option value="([^"]+)"', page[page.index(f'<select name="{attribute}"') :].split("</select>")[0]
            )
        )
        assert set(re.findall(f'data-{attribute}="([^"]+)"', page)) <= options


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_hostile_text_reaches_no_format(models: t.Any, name: str) -> None:
    hostile, healthy = models
    hostile.update(name=EVIL, system=EVIL, kernel=EVIL, reboot_required=[EVIL])
    for rule in hostile["rules"].values():
        rule.update(actual=EVIL, held=EVIL)
    missing = [_results.ended(EVIL, "run1", "failed", EVIL, EVIL)]
    rendered = render([hostile, {**healthy, "name": "healthy"}], [name], missing=missing)
    for text in (rendered.texts[name], table(rendered.report)):
        assert printable(text.replace("\n", "")) == text.replace("\n", "")
        text.encode()
        assert "healthy" in text


def test_hostile_text_is_inert_where_it_would_act(models: t.Any) -> None:
    hostile = models[0]
    for index, rule in enumerate(hostile["rules"].values()):
        rule["actual"] = ["=cmd", "+1", "-1", "@x", "\t=cmd", "\r=cmd", " =cmd", "\uff1dcmd", EVIL][index % 9]
    report = render([hostile], []).report
    assert "<script>alert" not in as_html(report) and "<img" not in as_html(report)
    for row in csv.DictReader(io.StringIO(as_csv(report))):
        assert row["actual"].lstrip(" ")[:1] not in ("=", "+", "-", "@", "\t", "\r", "\uff1d")
    ElementTree.fromstring(as_junit(report))
    markdown = as_markdown(report)
    assert "<" not in markdown and re.search(r"(?<!\\)\]\(", markdown) is None
    body = [line for line in markdown.splitlines() if line.startswith("| 1.")]
    assert {line.replace("\\|", "").count("|") for line in body} == {7}


def test_host_that_cannot_be_rendered_is_that_hosts_row(models: t.Any) -> None:
    broken, healthy = models
    broken["name"], broken["goss"] = "broken", {"checks": 3, "seconds": "fast"}
    rendered = render([broken, healthy], sorted(FORMATS), run="run1", missing=[GONE])
    assert [host["name"] for host in rendered.report["hosts"]] == ["web1"]
    assert {host["name"]: host["state"] for host in rendered.report["not_run"]} == {
        "broken": "failed",
        "web2": "failed",
    }
    alone = render([models[1]], sorted(FORMATS), run="run1")
    assert rendered.report["hosts"] == alone.report["hosts"]
    assert set(rendered.texts) == set(FORMATS)
    for text in rendered.texts.values():
        assert "cannot be rendered" in text


def test_host_that_did_not_end_is_named_with_its_task_in_every_format(report: t.Any) -> None:
    for text in (*(FORMATS[name].render(report) for name in ("html", "markdown", "junit", "json")), table(report)):
        assert "Write the files, all or none" in text and "web2" in text
    row = next(row for row in csv.DictReader(io.StringIO(as_csv(report))) if row["host"] == "web2")
    assert (row["verdict"], row["actual"]) == ("not run", "no room")


def test_table_fits_a_terminal_and_shows_before_and_after(models: t.Any) -> None:
    before = json.loads(as_json(_model.build(copy.deepcopy(models[:1]))))
    after = _model.build(models[1:], missing=[GONE], baseline=before)
    text = table(after, paths={"html": "/x/report.html"})
    assert max(len(line) for line in text.splitlines()) <= 120
    assert " > " in text and "(was " in text
    assert "  web2: failed at 'Write the files, all or none': no room" in text


def test_table_shows_a_host_only_where_it_is_asked_for(report: t.Any) -> None:
    assert "web1:" in table(report, {"web1"}) and "web1:" not in table(report, set())


def test_baseline_of_other_hosts_is_refused(models: t.Any) -> None:
    other = {**copy.deepcopy(models[0]), "name": "db1"}
    with pytest.raises(ComplianceError, match=r"of other hosts \(db1\), this run is of web1"):
        _model.build(models[:1], baseline=_model.build([other]))


def test_baseline_by_another_benchmark_is_not_compared(models: t.Any) -> None:
    before = _model.build(copy.deepcopy(models[:1]))
    before["hosts"][0]["benchmarks"][0]["level"] = "l2_server"
    assert _model.build(models[1:], baseline=before)["hosts"][0]["baseline"] is None


@pytest.mark.parametrize("baseline", [[], {}, {"schema": 1, "hosts": []}, {"hosts": {}}, None, "x"])
def test_baseline_that_is_no_report_is_refused(baseline: t.Any) -> None:
    with pytest.raises(ComplianceError):
        _model.check_baseline(baseline, "report.json")


def test_both_numbers_of_judged_rules_are_shown(report: t.Any) -> None:
    host = report["hosts"][0]
    judged, independent = host["summary"]["judged"], host["summary"]["independent"]
    assert 0 < independent < judged == sum(rule["goss"] != "none" for rule in host["rules"].values())
    assert host["rules"]["file//etc/passwd"]["independent"] and not host["rules"]["package/sudo"]["independent"]
    sentence = f"of {judged} rules Goss saw for itself what decides {independent}, and relied on the evidence for"
    assert (
        sentence in as_html(report) and sentence in as_markdown(report) and sentence in " ".join(table(report).split())
    )


def test_every_verdict_has_a_column() -> None:
    assert set(_model.SHOWN) == set(_results.VERDICTS) == set(LABELS)


def test_score_counts_waived_as_not_passing() -> None:
    assert _model.score({"pass": 3, "waived": 1}) == 75
    assert _model.score({"not_applicable": 3}) is None


def test_control_is_not_judged_by_the_part_of_its_rules_that_was_selected(catalogue: t.Any, hardened: t.Any) -> None:
    filters = _selection.Filters(kinds=("shell",))
    selection = _selection.select(catalogue, [("cis", "l1_server")], _selection.Overlay(), hardened["host"], filters)
    plan = _plan.plan(selection, hardened, Connection("ansible"))
    model = _results.summarise(_results.host_model("web1", catalogue, selection, plan, hardened))
    umask = next(control for control in model["controls"] if control["id"] == "5.4.3.3")
    assert (umask["rules"], umask["unselected"]) == (["shell/umask"], ["login_defs/UMASK", "pam/pam_umask"])
    assert model["rules"]["shell/umask"]["verdict"] == "pass"
    assert umask["verdict"] == "not_checked"


def test_what_people_found_failing_needs_no_second_judge(catalogue: t.Any, hardened: t.Any) -> None:
    answer = _selection.Attestation("fail", "me", datetime.date(2030, 1, 1))
    overlay = _selection.Overlay(attestations={"cis_debian13:1.2.2.1": answer})
    selection = _selection.select(catalogue, [("cis", "l1_server")], overlay, hardened["host"])
    plan = _plan.plan(selection, hardened, Connection("ansible"))
    assert "manual/updates" not in _goss.checks_of(plan.verdicts, hardened)
    model = _results.host_model("web1", catalogue, selection, plan, hardened)
    _results.add_goss(model, {"passed": [], "failing": {}, "count": 0, "seconds": 0.1})
    assert model["rules"]["manual/updates"]["verdict"] == "fail"


OVERLAY = """
values:
  sshd/MaxAuthTries: {le: 10}
  pwquality/minlen: {ge: 16}
waivers:
  - {rule: service/journal-upload, reason: The log host is ordered, owner: ann@example.com, until: "2030-06-30"}
  - {rule: file//etc/passwd, reason: never needed, owner: ann@example.com, until: "2030-06-30"}
attestations:
  - {control: "cis_debian13:1.2.2.1", answer: pass, by: bob@example.com, until: "2030-05-31", note: every night}
  - {control: "cis_debian13:2.1.22", answer: fail, by: bob@example.com, until: "2030-05-31"}
  - {control: "cis_debian12:1.2.2.1", answer: pass, by: bob@example.com, until: "2030-05-31"}
  - {rule: sshd/PermitRootLogin, answer: pass, by: bob@example.com, until: "2030-05-31"}
"""


@pytest.fixture
def site(tmp_path: t.Any, catalogue: t.Any, fresh: t.Any) -> t.Callable[..., t.Any]:
    """A report of a host with OVERLAY, its run narrowed by the arguments."""
    (tmp_path / "overlay.yml").write_text(OVERLAY)

    def make(**filters: tuple[str, ...]) -> t.Any:
        overlay = _selection.load_overlay(str(tmp_path / "overlay.yml"), catalogue, datetime.date(2026, 1, 1))
        narrowed = _selection.Filters(**filters)
        selection = _selection.select(catalogue, [("cis", "l1_server")], overlay, fresh["host"], narrowed)
        plan = _plan.plan(selection, fresh, Connection("ansible"))
        model = _results.host_model("web1", catalogue, selection, plan, fresh, run="run1")
        return _model.build([_results.summarise(model)], run="run1")

    return make


def every_format(report: t.Any) -> dict[str, str]:
    """Each format's text and the terminal's, without what is theirs alone: escapes and line breaks."""
    texts = {name: FORMATS[name].render(report) for name in FORMATS} | {"terminal": table(report)}
    plain = {name: html.unescape(text).replace("\\", "") for name, text in texts.items()}
    return {name: " ".join(text.split()) for name, text in plain.items()}


def test_value_that_the_overlay_loosens_is_marked_in_every_format(site: t.Any) -> None:
    report = site()
    rules = report["hosts"][0]["rules"]
    loose = {"field": "value", "benchmark": "<= 4", "site": "<= 10", "loosened": True}
    assert rules["sshd/MaxAuthTries"]["site"] == [loose]
    assert [value["loosened"] for value in rules["pwquality/minlen"]["site"]] == [False]
    assert report["hosts"][0]["summary"]["loosened"] == 1
    texts = every_format(report)
    assert str(loose["benchmark"]) in texts.pop("json")
    for name, text in texts.items():
        assert "<= 10 instead of the benchmark's <= 4" in text, name
        assert "loosened" in text.lower(), name


def test_narrowed_run_says_in_every_format_what_it_did_not_look_at(site: t.Any) -> None:
    report = site(kinds=("sshd",), sections=("5.1",))
    narrowed = report["hosts"][0]["narrowed"]
    whole = site()["hosts"][0]
    assert narrowed["rules_left_out"] == len(whole["rules"]) - len(report["hosts"][0]["rules"]) > 100
    assert narrowed["controls_left_out"] == len(whole["controls"]) - len(report["hosts"][0]["controls"])
    sentence = f"narrowed to sections 5.1 and kinds sshd: {narrowed['rules_left_out']} rules and"
    texts = every_format(report)
    assert json.loads(FORMATS["json"].render(report))["hosts"][0]["narrowed"] == narrowed and texts.pop("json")
    for name, text in texts.items():
        assert sentence in text, name
    assert "% of what was selected" in texts["terminal"]
    assert whole["narrowed"] is None and "not looked at" not in table(site())


def test_run_in_which_nothing_is_judged_has_no_score(site: t.Any) -> None:
    host = site(sections=("1.2.1.1",))["hosts"][0]
    _results.add_goss(host, {"passed": [], "failing": {}, "count": 0, "seconds": 0.0})
    for name, text in every_format(_model.build([_results.summarise(host)])).items():
        assert name in ("csv", "json") or ("judged by no program" in text and "none judged" in text), name


def test_baseline_of_a_narrowed_run_is_not_compared(site: t.Any) -> None:
    before = site(kinds=("sshd",))
    after = _model.build(site()["hosts"], baseline=before)
    assert after["hosts"][0]["baseline"] is None


def test_who_waives_and_who_attests_stands_in_every_format_once_a_control(site: t.Any) -> None:
    report = site()
    texts = every_format(report)
    for name in ("html", "junit", "markdown", "csv"):
        assert texts[name].count("ann@example.com until 2030-06-30: The log host is ordered") == 1, name
        assert texts[name].count("bob@example.com until 2030-05-31: every night") == 1, name
    rules = report["hosts"][0]["rules"]
    assert rules["service/journal-upload"]["waiver"]["owner"] == "ann@example.com"
    assert rules["manual/updates"]["attestation"]["by"] == "bob@example.com"


def test_what_people_say_of_a_control_without_rules_is_shown(site: t.Any) -> None:
    row = next(row for row in _model.rows(site()["hosts"][0]) if row.control["id"] == "2.1.22")
    assert (row.facts["verdict"], row.facts["actual"]) == ("fail", "people say that it does not hold")


def test_waived_control_is_shown_as_waived_though_its_rule_fails_for_another() -> None:
    rule = {"verdict": "fail", "severity": "", "waiver": None}
    controls = [
        {"verdict": verdict, "rules": ["x"], "unselected": [], "waiver": waiver}
        for verdict, waiver in (("fail", None), ("waived", WAIVED))
    ]
    rows = _model.rows({"controls": controls, "rules": {"x": rule}})
    assert [(row.facts["verdict"], row.facts["waiver"]) for row in rows] == [("fail", None), ("waived", WAIVED)]


def test_control_that_was_left_out_in_part_says_which_part(site: t.Any) -> None:
    rows = [row for row in _model.rows(site(kinds=("shell",))["hosts"][0]) if row.control["id"] == "5.4.3.3"]
    assert ("", "left out of this run: login_defs/UMASK, pam/pam_umask") in [(r.rule, r.facts["actual"]) for r in rows]


def test_entry_of_the_overlay_that_matches_nothing_is_named_with_its_line(site: t.Any) -> None:
    report = site()
    assert {(e["where"].rpartition("/")[2], e["entry"], e["name"]) for e in report["unmatched"]} == {
        ("overlay.yml:7", "waivers[1]", "file//etc/passwd"),
        ("overlay.yml:11", "attestations[2]", "cis_debian12:1.2.2.1"),
        ("overlay.yml:12", "attestations[3]", "sshd/PermitRootLogin"),
    }
    for name, text in every_format(report).items():
        assert "overlay.yml:7" in text and "waivers[1]" in text, name


def test_entry_of_the_overlay_that_matches_on_one_host_is_not_named(site: t.Any) -> None:
    one, other = site()["hosts"][0], copy.deepcopy(site()["hosts"][0])
    other.update(name="web2", unmatched=[entry for entry in other["unmatched"] if entry["entry"] != "waivers[1]"])
    assert "waivers[1]" not in {entry["entry"] for entry in _model.build([one, other])["unmatched"]}


def test_narrowed_run_says_nothing_of_entries_that_it_leaves_out(site: t.Any) -> None:
    assert [entry["name"] for entry in site(kinds=("sshd",))["unmatched"]] == [
        "cis_debian12:1.2.2.1",
        "sshd/PermitRootLogin",
    ]


def test_junit_says_a_reason_once(report: t.Any) -> None:
    for problem in ElementTree.fromstring(as_junit(report)).iter("failure"):
        lines = str(problem.text).splitlines()
        assert problem.get("message") not in lines and len(set(lines)) == len(lines)


def test_row_that_is_too_long_for_the_terminal_says_how_much_is_left_out(models: t.Any) -> None:
    for rule in models[0]["rules"].values():
        rule["actual"] = "word " * 500
    text = table(_model.build(models[:1]))
    assert re.search(r"\(\d+ more characters: see the report\)", text)
    assert max(len(line) for line in text.splitlines()) <= 120


def test_control_is_as_bad_as_its_worst_rule() -> None:
    def verdict(rules: list[str], **control: t.Any) -> str:
        facts = {
            "applicable": True,
            "rules": [str(i) for i in range(len(rules))],
            "waiver": None,
            "attestation": None,
            "unselected": [],
            **control,
        }
        return _results.control_verdict(facts, {str(i): {"verdict": v} for i, v in enumerate(rules)})

    assert verdict(["pass", "error", "fail"]) == "error"
    assert verdict(["pass", "fail"]) == "fail"
    assert verdict(["pass", "not_applicable"]) == "pass"
    assert verdict(["not_applicable"]) == "not_applicable"
    assert verdict([]) == "not_checked"
    assert verdict([], attestation={"answer": "pass"}) == "attested"
    assert verdict(["fail"], waiver=WAIVED) == "waived"
    assert verdict(["error"], waiver=WAIVED) == "error"
    assert verdict(["pass"], applicable=False) == "not_applicable"
    assert verdict(["pass"], unselected=["x"], attestation={"answer": "pass"}) == "not_checked"
    assert verdict(["fail"], unselected=["x"]) == "fail"


WAIVED = {"owner": "me", "until": "2030-01-01", "reason": "later"}
PLANNED = {**_results.ended("web1", "run1", "planned"), "stored": False, "rules": {}}


@pytest.mark.parametrize(
    ("model", "active", "dry", "state"),
    [
        (None, False, False, "unreachable"),
        (None, True, False, "waiting"),
        ({**PLANNED, "run": "run0", "state": "verified"}, False, False, "unreachable"),
        ({**PLANNED, "run": "run0", "state": "verified"}, True, True, "waiting"),
        (PLANNED, False, False, "failed"),
        (PLANNED, True, False, "waiting"),
        (PLANNED, False, True, None),
        ({**PLANNED, "stored": True}, False, False, None),
        ({**PLANNED, "state": "applied"}, False, False, "failed"),
        ({**PLANNED, "state": "verified"}, False, False, None),
        ({**PLANNED, "state": "failed", "task": "Restart"}, False, True, "failed"),
        (_results.ended("web1", "run1", "unreachable", "Collect"), True, False, "unreachable"),
    ],
)
def test_only_what_this_run_saw_to_its_end_is_a_result(
    model: t.Any, active: bool, dry: bool, state: str | None
) -> None:
    end = _results.not_run("web1", model, "run1", active=active, dry=dry)
    assert (end["state"] if end else None) == state
