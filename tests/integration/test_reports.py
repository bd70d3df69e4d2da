"""Reports of whole runs: hosts of stored evidence, one that is not reached, one that fails. No test host is needed."""

from __future__ import annotations

import csv
import json
import re
import typing as t
from pathlib import Path

import pytest

from tests.integration.conftest import ROOT, Play, playbook

FIXTURES = ROOT / "tests" / "unit" / "fixtures"
BOOK = """
- hosts: all
  gather_facts: false
  {keywords}
  roles:
    - role: unified.deploy.compliance
"""
GONE: dict[str, t.Any] = {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_connection": "ssh"}


def stored(path: Path) -> dict[str, t.Any]:
    return {"compliance_evidence": str(path), "ansible_connection": "local"}


@pytest.fixture
def inventory(tmp_path: Path) -> t.Callable[..., str]:
    """Writes an inventory; hosts are judged by the hardened fixture unless said otherwise."""

    def write(**hosts: dict[str, t.Any]) -> str:
        path = tmp_path / "inventory.json"
        path.write_text(
            json.dumps({"all": {"hosts": hosts, "vars": {"compliance_results": str(tmp_path / "results")}}})
        )
        return str(path)

    return write


def audit(directory: Path, inventory: str, *arguments: str, keywords: str = "", fails: bool = False) -> Play:
    book = directory / "book.yml"
    book.write_text(BOOK.replace("{keywords}", keywords))
    return playbook(directory, str(book), inventory, *arguments, fails=fails, results=directory / "results")


def report(play: Play) -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", json.loads((play.results / "report.json").read_text()))


def names(hosts: list[dict[str, t.Any]]) -> list[str]:
    return [host["name"] for host in hosts]


HARDENED = FIXTURES / "debian13_hardened.json"


def test_host_that_is_not_reached_is_not_shown_with_an_older_verdict(tmp_path: Path, inventory: t.Any) -> None:
    both = {"web1": stored(HARDENED), "web2": stored(HARDENED)}
    first = report(audit(tmp_path, inventory(**both)))
    assert (names(first["hosts"]), first["not_run"]) == (["web1", "web2"], [])
    play = audit(tmp_path, inventory(web1=stored(HARDENED), web2=GONE), fails=True)
    second = report(play)
    assert names(second["hosts"]) == ["web1"] and second["run"] != first["run"]
    assert [(host["name"], host["state"], host["task"]) for host in second["not_run"]] == [
        ("web2", "unreachable", "Collect the evidence and judge it")
    ]
    rows = [row for row in csv.DictReader((play.results / "report.csv").open()) if row["host"] == "web2"]
    assert [row["verdict"] for row in rows] == ["not run"]
    assert "not run (1)" in play.output


def test_report_is_written_where_no_host_is_reached(tmp_path: Path, inventory: t.Any) -> None:
    play = audit(tmp_path, inventory(web1=GONE, web2=GONE), fails=True)
    assert (report(play)["hosts"], names(report(play)["not_run"])) == ([], ["web1", "web2"])


LOST = """
- hosts: all
  gather_facts: false
  tasks:
    - block:
        - TASK
      rescue:
        - unified.deploy.compliance_failure:
            results: "{{ compliance_results }}"
            task: "{{ ansible_failed_task.name }}"
            reason: "{{ ansible_failed_result.msg | default('') }}"
      always:
        - ansible.builtin.include_role: {name: unified.deploy.compliance, tasks_from: report}
"""
PACKAGES = {
    "ansible.builtin.include_role": {"name": "unified.deploy.hardening", "tasks_from": "packages"},
    "vars": {
        "__hardening_plan": {
            "package_tool": "apt",
            "desired": {"packages_absent": ["telnet"], "packages_present": []},
        }
    },
}
OPEN = {"name": "Open", "unified.deploy.hardening_batch": {"run": "r1", "name": "packages", "lock_timeout": 1}}


@pytest.mark.parametrize(
    ("task", "arguments", "end"),
    [(PACKAGES, ["--check"], ("unreachable", "Packages | Remove and install")), (OPEN, [], ("failed", "Open"))],
    ids=["of_another_collection", "of_ours"],
)
def test_only_host_that_is_lost_while_it_is_changed_is_reported(
    tmp_path: Path, inventory: t.Any, task: dict[str, t.Any], arguments: list[str], end: tuple[str, str]
) -> None:
    (tmp_path / "lost.yml").write_text(LOST.replace("TASK", json.dumps(task)))
    hosts = inventory(web1={**GONE, "hardening_lock_timeout": 1})
    play = playbook(tmp_path, str(tmp_path / "lost.yml"), hosts, *arguments, fails=True, results=tmp_path / "results")
    (host,) = report(play)["not_run"]
    assert (host["name"], host["state"], host["task"]) == ("web1", *end)
    assert "connect to host" in host["reason"]


def test_host_that_fails_is_named_with_the_task_that_failed(tmp_path: Path, inventory: t.Any) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    play = audit(tmp_path, inventory(web1=stored(HARDENED), web2=stored(broken)), fails=True)
    (end,) = report(play)["not_run"]
    assert (end["name"], end["state"], end["task"]) == ("web2", "failed", "Collect the evidence and judge it")
    assert "broken.json: cannot be read" in end["reason"]


@pytest.mark.parametrize("keywords", ["serial: 2", "strategy: free", "strategy: host_pinned", ""])
def test_each_host_is_shown_once_and_one_report_holds_all(tmp_path: Path, inventory: t.Any, keywords: str) -> None:
    hosts = {f"web{number}": stored(HARDENED) for number in range(1, 6)}
    play = audit(tmp_path, inventory(**hosts), keywords=keywords)
    assert (names(report(play)["hosts"]), report(play)["not_run"]) == (sorted(hosts), [])
    for host in hosts:
        assert len(re.findall(rf"^{host}: Debian", play.output, re.MULTILINE)) == 1
    if keywords == "serial: 2":
        assert "still to come (3): web3, web4, web5" in play.output


def test_limit_reports_the_hosts_of_the_run_only(tmp_path: Path, inventory: t.Any) -> None:
    hosts = inventory(web1=stored(HARDENED), web2=stored(HARDENED))
    audit(tmp_path, hosts)
    play = audit(tmp_path, hosts, "--limit", "web2")
    assert (names(report(play)["hosts"]), report(play)["not_run"]) == (["web2"], [])


def test_names_stay_inside_the_results_and_apart(tmp_path: Path, inventory: t.Any) -> None:
    fresh = FIXTURES / "debian13_fresh.json"
    play = audit(tmp_path, inventory(**{"a/b": stored(HARDENED), "a_b": stored(fresh), "..": stored(HARDENED)}))
    scores = {host["name"]: host["summary"]["controls"]["fail"] for host in report(play)["hosts"]}
    assert scores[".."] == scores["a/b"] < scores["a_b"]
    assert sorted(path.name for path in (play.results / "hosts").iterdir()) == ["%2E.", "a%2Fb", "a_b"]
    assert sorted(path.name for path in play.results.parent.iterdir()) == ["book.yml", "inventory.json", "results"]


def test_hostile_answers_of_one_host_leave_the_others_report_whole(tmp_path: Path, inventory: t.Any) -> None:
    hosts = {"healthy": stored(HARDENED)}
    document = json.loads(HARDENED.read_text())
    changes: tuple[tuple[str, t.Any], ...] = (
        ("name", {}), ("name", "\udcff\x1b]0;x\x07<img src=x onerror=alert(1)>"), ("kernel", "\u202e" * 1000), ("uid", "0"),
    )  # fmt: skip
    for number, (key, value) in enumerate(changes):
        document["sections"]["host"]["items"][key] = value
        path = tmp_path / f"hostile{number}.json"
        path.write_text(json.dumps(document))
        hosts[f"hostile{number}"] = stored(path)
        document = json.loads(HARDENED.read_text())
    deep = tmp_path / "deep.json"
    deep.write_text("[" * 500_000)
    hosts["deep"] = stored(deep)
    play = audit(tmp_path, inventory(**hosts), fails=True)
    assert names(report(play)["hosts"]) == ["healthy", "hostile1", "hostile2"]
    assert names(report(play)["not_run"]) == ["deep", "hostile0", "hostile3"]
    for name in ("report.html", "report.csv", "report.md", "report.xml", "report.json"):
        text = (play.results / name).read_text()
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
        assert "<img" not in text or name in ("report.csv", "report.json")
    assert "\x1b" not in play.output and "\u202e" not in play.output
