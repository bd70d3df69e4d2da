"""The table of drills: turns of a case are one drill, and a case that fails shows."""

from __future__ import annotations

from pathlib import Path

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
    assert drills.drills() == {"cut: here": Drill(2, 14, 1)}


def test_table_counts_runs_points_and_passes() -> None:
    made = table({"b": Drill(3, 30, 3), "a": Drill(3, 0, 2)}).splitlines()
    assert made[-3:] == ["| a | 3 |  | 2 |", "| b | 3 | 30 | 3 |", "| **2 drills** | 6 | 30 | 5 |"]
