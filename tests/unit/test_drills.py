"""The table of drills: turns of a case are one drill, and a case that fails shows."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import drills
from tests.drills import Drill, table, title


@pytest.mark.parametrize(
    ("node", "name"),
    [
        ("tests/faults/test_a.py::test_cut_in_the_middle", "cut in the middle"),
        ("tests/faults/test_a.py::test_full_disk[of /etc]", "full disk: of /etc"),
    ],
)
def test_drill_is_named_after_its_test_and_case(node: str, name: str) -> None:
    assert title(node) == name


def test_turns_of_a_drill_are_counted_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drills, "RECORD", tmp_path / "record")
    report = pytest.TestReport("a.py::test_cut[here]", ("a.py", 1, ""), {}, "passed", None, "call")
    report.user_properties = [("points", 7)]
    drills.pytest_runtest_logreport(report)
    report.outcome = "failed"
    drills.pytest_runtest_logreport(report)
    report.when, report.outcome = "setup", "passed"
    drills.pytest_runtest_logreport(report)
    report.nodeid, report.outcome, report.user_properties = "a.py::test_boot", "skipped", []
    drills.pytest_runtest_logreport(report)
    assert drills.drills() == {"cut: here": Drill(2, 14, 1), "boot": Drill(0, 0, 0)}


def test_turn_that_fails_stops_neither_the_next_nor_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drills, "RECORD", tmp_path / "record")
    monkeypatch.setattr(drills, "TABLE", tmp_path / "drills.md")
    monkeypatch.setenv("UNIFIED_TURNS", "2")
    ends = iter((1, 0))

    def run(argv: list[str], **_options: object) -> SimpleNamespace:
        if argv[0] == "git":
            return SimpleNamespace(stdout="1234567")
        with drills.RECORD.open("a") as record:
            record.write('["cut", 3, "passed"]\n')
        return SimpleNamespace(returncode=next(ends))

    monkeypatch.setattr(drills.subprocess, "run", run)
    assert drills.main() == 1
    text = (tmp_path / "drills.md").read_text()
    assert "| cut | 2 | 6 | 2 |" in text and "1234567" in text and "{" not in text


def test_table_counts_runs_points_and_passes() -> None:
    made = table({"b": Drill(3, 30, 3), "a": Drill(3, 0, 2)}).splitlines()
    assert made[-3:] == ["| a | 3 |  | 2 |", "| b | 3 | 30 | 3 |", "| **2 drills** | 6 | 30 | 5 |"]
