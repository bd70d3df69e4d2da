"""The record of drills, gathered from parts, and the table of it: a case that fails shows."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import drills
from tests.drills import Recorder, Run, table, title

ONE = Run("a.py::test_cut", "passed", 3, 2.0, "2026-11-21", "1234567", "2.21.0", "3.13.1", "6.1")


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(drills, "RECORD", tmp_path / "record")
    monkeypatch.setattr(drills, "REMARK", tmp_path / "remark")
    monkeypatch.setattr(drills, "TABLE", tmp_path / "drills.md")
    monkeypatch.setattr(drills, "commit", lambda *_paths: "1234567")
    return tmp_path / "record"


def write(record: Path, *runs: Run) -> None:
    record.write_text("".join(json.dumps(run._asdict()) + "\n" for run in runs))


@pytest.mark.parametrize(
    ("node", "name"),
    [
        ("tests/faults/test_a.py::test_cut_in_the_middle", "cut in the middle"),
        ("tests/faults/test_a.py::test_full_disk[of /etc]", "full disk: of /etc"),
    ],
)
def test_drill_is_named_after_its_test_and_case(node: str, name: str) -> None:
    assert title(node) == name


def test_each_end_is_recorded_with_its_points_and_versions(record: Path) -> None:
    recorder = Recorder()
    report = pytest.TestReport("a.py::test_cut[here]", ("a.py", 1, ""), {}, "passed", None, "call", duration=1.26)
    report.user_properties = [("points", 7)]
    recorder.pytest_runtest_logreport(report)
    report.outcome = "failed"
    recorder.pytest_runtest_logreport(report)
    report.when, report.outcome = "setup", "passed"
    recorder.pytest_runtest_logreport(report)
    report.nodeid, report.outcome, report.user_properties = "a.py::test_boot", "skipped", []
    recorder.pytest_runtest_logreport(report)
    runs = drills.record()
    assert [run[:4] for run in runs] == [
        ("a.py::test_cut[here]", "passed", 7, 1.3),
        ("a.py::test_cut[here]", "failed", 7, 1.3),
        ("a.py::test_boot", "skipped", 0, 1.3),
    ]
    assert all(run.commit == "1234567" and run.date and run.ansible and run.python and run.kernel for run in runs)


def test_what_has_passed_often_enough_is_not_run_again_and_what_failed_is(
    record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(
        record,
        ONE,
        ONE,
        ONE._replace(drill="a.py::test_boot", outcome="failed"),
        ONE._replace(drill="a.py::test_uml", outcome="skipped"),
    )
    items = [SimpleNamespace(nodeid=f"a.py::test_{name}") for name in ("cut", "boot", "uml", "new")]
    left: list[t.Any] = list(items)
    monkeypatch.setenv("UNIFIED_TURN", "1")
    config = SimpleNamespace(hook=SimpleNamespace(pytest_deselected=lambda items: None))
    Recorder().pytest_collection_modifyitems(t.cast("pytest.Config", config), left)
    assert left == [items[1], items[3]]
    monkeypatch.setenv("UNIFIED_TURN", "3")
    left[:] = items
    Recorder().pytest_collection_modifyitems(t.cast("pytest.Config", config), left)
    assert left == items


@pytest.mark.parametrize(("until", "stops"), [("inf", False), ("1", True)])
def test_no_drill_is_begun_when_the_time_of_a_part_is_over(
    record: Path, monkeypatch: pytest.MonkeyPatch, until: str, stops: bool
) -> None:
    monkeypatch.setenv("UNIFIED_UNTIL", until)
    item = SimpleNamespace(session=SimpleNamespace(shouldstop=False))
    running = Recorder().pytest_runtest_protocol(t.cast("pytest.Item", item))
    next(running)
    with pytest.raises(StopIteration) as ended:
        running.send(True)
    assert ended.value.value is True and bool(item.session.shouldstop) is stops


def test_turn_that_fails_stops_neither_the_next_nor_the_table(record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNIFIED_TURNS", "3")
    ends, turns = iter((1, 0, 5)), []  # 5: nothing is left to run

    def run(argv: list[str], **options: t.Any) -> SimpleNamespace:
        turns.append(options["env"]["UNIFIED_TURN"])
        write(record, *drills.record(), ONE)
        return SimpleNamespace(returncode=next(ends))

    monkeypatch.setattr(drills.subprocess, "run", run)
    assert drills.main([]) == 1 and turns == ["1", "2", "3"]
    text = (record.parent / "drills.md").read_text()
    assert "| cut | 3 | 3 | 9 | 2 |" in text and "1234567" in text and "{" not in text


def test_what_people_say_of_a_record_outlives_the_next_run(record: Path) -> None:
    assert "skipped, for this machine lacks what it needs.\n\n| drill |" in table([ONE])
    (record.parent / "remark").write_text("Two rows were taken out by hand.\n")
    assert "\n\nTwo rows were taken out by hand.\n\n| drill |" in table([ONE])


def test_table_counts_runs_passes_and_points_and_names_all_versions(record: Path) -> None:
    other = ONE._replace(drill="a.py::test_boot", outcome="failed", points=0, date="2026-11-22")
    text = table([ONE, other, ONE._replace(seconds=5.0), ONE._replace(drill="a.py::test_uml", outcome="skipped")])
    assert text.splitlines()[-4:] == [
        "| boot | 1 | 0 |  | 2 |", "| cut | 2 | 2 | 6 | 4 |", "| uml | 0 | 0 |  |  |", "| **3 drills** | 3 | 2 | 6 | 9 in all |",
    ]  # fmt: skip
    assert "2026-11-21, 2026-11-22" in text and "{" not in text
