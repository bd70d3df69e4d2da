"""Every fault drill, on fresh hosts each turn (``python -m tests.drills``), and the table of them, docs/drills.md.

UNIFIED_TURNS says how often. As a pytest plugin it notes how each drill went; those that cut at several points tell how many with
``record_property("points", ...)``.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DRILLS = ("tests/faults/test_*.py", *(f"tests/integration/test_{name}.py" for name in ("lockouts", "services", "undo")))
RECORD = ROOT / "build/drills.jsonl"
TABLE = ROOT / "docs/drills.md"
HEAD = """# Fault drills

Written by `make test-faults` on {date}, at {commit}, with ansible-core {ansible} and Python {python} on Linux {kernel}; hosts are
Debian 13 containers and kernels in user space. A drill passes when the host is reachable, no file is half-written, nothing of ours is left
over, and every daemon is younger than its configuration, as far as that drill touches them. Points are the places at which one drill kills
the code. A drill without runs was skipped, for this machine lacks what it needs.

| drill | runs | points | passed |
|---|---:|---:|---:|
"""


class Drill(t.NamedTuple):
    """How one test went, all its turns together."""

    runs: int = 0
    points: int = 0
    passed: int = 0


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when != "call" and report.passed:
        return
    points = sum(value for key, value in report.user_properties if key == "points" and isinstance(value, int))
    with RECORD.open("a", encoding="utf-8") as record:
        record.write(json.dumps([title(report.nodeid), points, report.outcome]) + "\n")


def drills() -> dict[str, Drill]:
    """What all turns have noted, by drill."""
    noted: dict[str, Drill] = {}
    for line in RECORD.read_text(encoding="utf-8").splitlines():
        name, points, outcome = json.loads(line)
        known = noted.get(name, Drill())
        ran, passed = outcome != "skipped", outcome == "passed"
        noted[name] = Drill(known.runs + ran, known.points + points, known.passed + passed)
    return noted


def title(node: str) -> str:
    """The name of a test in words, with its case."""
    name, _bracket, case = node.rpartition("::")[2].rstrip("]").partition("[")
    words = name.removeprefix("test_").replace("_", " ")
    return f"{words}: {case}" if case else words


def table(drills: t.Mapping[str, Drill]) -> str:
    head = HEAD.format(
        date=f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d}",
        commit=subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=ROOT, check=False
        ).stdout.strip()
        or "no commit",
        ansible=importlib.metadata.version("ansible-core"),
        python=platform.python_version(),
        kernel=platform.release(),
    )
    rows = [f"| {name} | {one.runs} | {one.points or ''} | {one.passed} |\n" for name, one in sorted(drills.items())]
    total = Drill(*(sum(values) for values in zip(*drills.values(), strict=True)))
    return f"{head}{''.join(rows)}| **{len(rows)} drills** | {total.runs} | {total.points} | {total.passed} |\n"


def main() -> int:
    """Run all turns, whatever fails, and write the table after each; returns how pytest ended where it ended badly."""
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.unlink(missing_ok=True)
    files = sorted(str(path) for pattern in DRILLS for path in ROOT.glob(pattern))
    argv = [sys.executable, "-m", "pytest", *files, "-p", "tests.drills", "-p", "no:cacheprovider", "-v", *sys.argv[1:]]
    turns, codes = int(os.environ.get("UNIFIED_TURNS", "3")), [0]
    for turn in range(1, turns + 1):
        print(f"turn {turn} of {turns}", flush=True)
        codes.append(subprocess.run(argv, cwd=ROOT, check=False).returncode)
        TABLE.write_text(table(drills()), encoding="utf-8")
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
