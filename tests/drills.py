"""Every fault drill (``python -m tests.drills [PYTEST ARGUMENTS]``), the record of how each went, and the table of it, docs/drills.md.

UNIFIED_TURNS says how many times each drill is to pass (3), UNIFIED_MINUTES after how long no other is begun (0: all are run). What is
recorded in build/drills.jsonl is not run again, so that a long suite can be run in parts, of a file or of an hour; remove build/drills.*
to begin anew. What people have to say of that record stands in build/drills.md, and comes into the page. Why a drill failed is in
build/drills.log at once. As a pytest plugin this notes how each drill went; those that cut at several points tell how many with
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
import time
import typing as t
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DRILLS = ("tests/faults/test_*.py", *(f"tests/integration/test_{name}.py" for name in ("lockouts", "services", "undo")))
RECORD = ROOT / "build/drills.jsonl"
REMARK = ROOT / "build/drills.md"
TABLE = ROOT / "docs/drills.md"
HEAD = """# Fault drills

Written by `make test-faults`: runs of {dates}, at {commits}, with ansible-core {ansible} and Python {python} on Linux {kernel}; hosts
are Debian 13 containers and kernels in user space. A drill passes when the host is reachable, no file is half-written, nothing of ours is
left over, and every daemon is younger than its configuration, as far as that drill touches them. A drill that failed was run again when
its cause was mended; both runs count. Points are the places at which one drill kills the code, all its runs together. A drill without runs
was skipped, for this machine lacks what it needs.
{remark}
| drill | runs | passed | points | seconds a run |
|---|---:|---:|---:|---:|
"""
TOTAL = "| **{count} drills** | {runs} | {passed} | {points} | {seconds:.0f} in all |\n"


class Run(t.NamedTuple):
    """One line of the record: how one drill (a test's node id) went once, and with what."""

    drill: str
    outcome: str
    points: int
    seconds: float
    date: str
    commit: str
    ansible: str
    python: str
    kernel: str
    note: str = ""


def record() -> list[Run]:
    if not RECORD.exists():
        return []
    return [Run(**json.loads(line)) for line in RECORD.read_text(encoding="utf-8").splitlines()]


def commit(*written: Path) -> str:
    """The commit of this checkout, with a plus where something but what is WRITTEN by the run is not committed."""

    def git(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", *words], capture_output=True, text=True, cwd=ROOT, check=False)

    changed = git(
        "diff", "--quiet", "HEAD", "--", ".", *(f":(exclude){path.relative_to(ROOT)}" for path in written)
    ).returncode
    return git("rev-parse", "--short", "HEAD").stdout.strip() + "+" * bool(changed) or "no commit"


def passes(runs: t.Iterable[Run], drill: str) -> int:
    """How many runs need not be made again: a drill that is skipped here is skipped every time."""
    return sum(run.drill == drill and run.outcome in ("passed", "skipped") for run in runs)


class Recorder:
    """The pytest plugin of one turn."""

    def __init__(self) -> None:
        self.turn = int(os.environ.get("UNIFIED_TURN", "1"))
        self.until = float(os.environ.get("UNIFIED_UNTIL", "inf"))
        self.commit = commit(TABLE)

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        runs = record()
        done = [item for item in items if passes(runs, item.nodeid) >= self.turn]
        config.hook.pytest_deselected(items=done)
        items[:] = [item for item in items if item not in done]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> t.Generator[None, object, object]:
        ended = yield
        if time.time() > self.until:
            item.session.shouldstop = "the time for this part is over"
        return ended

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.passed:
            return
        run = Run(
            drill=report.nodeid,
            outcome=report.outcome,
            points=sum(value for key, value in report.user_properties if key == "points" and isinstance(value, int)),
            seconds=round(report.duration, 1),
            date=f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d}",
            commit=self.commit,
            ansible=importlib.metadata.version("ansible-core"),
            python=platform.python_version(),
            kernel=platform.release().partition("-")[0],
            note=" ".join(str(value) for key, value in report.user_properties if key == "note"),
        )
        with RECORD.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(run._asdict()) + "\n")
        if report.failed:
            with RECORD.with_suffix(".log").open("a", encoding="utf-8") as log:
                log.write(f"{report.nodeid}\n{report.longreprtext}\n")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Recorder())


def title(node: str) -> str:
    """The name of a test in words, with its case."""
    name, _bracket, case = node.rpartition("::")[2].rstrip("]").partition("[")
    words = name.removeprefix("test_").replace("_", " ")
    return f"{words}: {case}" if case else words


def table(runs: t.Sequence[Run]) -> str:
    """The page, from at least one run, with what REMARK says of them."""
    remark = f"\n{REMARK.read_text(encoding='utf-8').strip()}\n" if REMARK.exists() else ""
    several = {field: ", ".join(dict.fromkeys(getattr(run, field) for run in runs)) for field in Run._fields[4:9]}
    rows = []
    ran = [run for run in runs if run.outcome != "skipped"]
    for drill in sorted({run.drill for run in runs}, key=title):
        own = [run for run in ran if run.drill == drill]
        passed, points = sum(run.outcome == "passed" for run in own), sum(run.points for run in own)
        seconds = f"{sum(run.seconds for run in own) / len(own):.0f}" if own else ""
        rows.append(f"| {title(drill)} | {len(own)} | {passed} | {points or ''} | {seconds} |\n")
    notes = "".join(f"\n{title(run.drill)} ({run.date}): {run.note}.\n" for run in ran if run.note)
    total = TOTAL.format(
        count=len(rows),
        runs=len(ran),
        passed=sum(run.outcome == "passed" for run in ran),
        points=sum(run.points for run in ran),
        seconds=sum(run.seconds for run in ran),
    )
    head = HEAD.format(dates=several["date"], commits=several["commit"], remark=remark, **several)
    return head + "".join(rows) + total + notes


def main(arguments: t.Sequence[str]) -> int:
    """Run what is not recorded yet, and write the table after each turn; returns how pytest ended where it ended badly."""
    RECORD.parent.mkdir(exist_ok=True)
    files = (
        []
        if any("tests/" in one for one in arguments)
        else sorted(str(path) for pattern in DRILLS for path in ROOT.glob(pattern))
    )
    argv = [sys.executable, "-m", "pytest", *files, *arguments, "-p", "tests.drills", "-p", "no:cacheprovider", "-v"]
    turns, minutes = (
        int(os.environ.get(name) or default) for name, default in (("UNIFIED_TURNS", 3), ("UNIFIED_MINUTES", 0))
    )
    until = time.time() + 60 * minutes if minutes else float("inf")
    codes = [0]
    for turn in range(1, turns + 1):
        if time.time() > until:
            break
        print(f"turn {turn} of {turns}", flush=True)
        environment = {**os.environ, "UNIFIED_TURN": str(turn), "UNIFIED_UNTIL": str(until)}
        codes.append(subprocess.run(argv, cwd=ROOT, check=False, env=environment).returncode)
        if record():
            TABLE.write_text(table(record()), encoding="utf-8")
    return max(code for code in codes if code != pytest.ExitCode.NO_TESTS_COLLECTED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
