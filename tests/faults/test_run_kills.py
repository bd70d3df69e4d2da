"""A batch killed at each of its lines: the next run finds it as it was or finishes it, its command and its attributes too."""

from __future__ import annotations

import os
import shutil
import stat
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._change import runs as module
from ansible_collections.unified.deploy.plugins.module_utils._change.attributes import Wish
from ansible_collections.unified.deploy.plugins.module_utils._change.batch import Plan
from ansible_collections.unified.deploy.plugins.module_utils._change.commands import Command
from ansible_collections.unified.deploy.plugins.module_utils._change.runs import Runs, apply_batch
from ansible_collections.unified.deploy.plugins.module_utils._change.transaction import Planned

from tests.faults.killing import kill, kill_points, scratch

OWN = {"owner": os.geteuid(), "group": os.getegid()}


class Drill:
    """Two files, an attribute and a command that reads one file: `loaded` is what the daemon of this drill knows, `made` is new."""

    def __init__(self, root: Path) -> None:
        self.etc, self.base = root / "etc", str(root / "records")
        self.runs = Runs(self.base)

    def reset(self) -> None:
        for path in (self.etc, Path(self.base)):
            shutil.rmtree(path, ignore_errors=True)
        self.etc.mkdir()
        for name in ("a", "b", "loaded"):
            (self.etc / name).write_text("old")
        (self.etc / "c").write_text("c")
        (self.etc / "c").chmod(0o644)

    def plan(self) -> Plan:
        return Plan(
            "drill",
            files=[Planned(str(self.etc / name), b"new", **OWN) for name in ("a", "b")],
            attributes=[Wish(str(self.etc / "c"), mode="0600")],
            commands=[
                Command(["sh", "-c", f"cd {self.etc} && cp a loaded && touch made"], saves=[f"{self.etc}/[lm]*"])
            ],
        )

    def apply(self, identifier: str = "one", dead: tuple[str, ...] = ()) -> None:
        with self.runs.lock("drill"):
            run, _said = self.runs.begin(identifier, {}, dead=dead)
            apply_batch(run, self.plan(), revert_after=0)
            self.runs.confirm(run, finish=True)

    def wait(self) -> None:
        """Make it as `apply` does, and die before anybody confirms it."""
        with self.runs.lock("drill"):
            run, _said = self.runs.begin("one", {})
            apply_batch(run, self.plan(), revert_after=60)

    def state(self) -> tuple[list[str], int, bool]:
        texts = [(self.etc / name).read_text() for name in ("a", "b", "loaded")]
        return texts, stat.S_IMODE((self.etc / "c").stat().st_mode), (self.etc / "made").exists()


OLD, NEW = (["old"] * 3, 0o644, False), (["new"] * 3, 0o600, True)


@pytest.fixture
def drill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Drill]:
    # Units and packages are the real hosts'; without them the drill needs no systemd.
    monkeypatch.setattr(module, "versions", dict)
    monkeypatch.setattr(module.timer, "disarm", lambda: None)
    monkeypatch.setattr(module.revert, "write", lambda path: None)
    monkeypatch.setattr("ansible_collections.unified.deploy.plugins.module_utils._change.states.serving", lambda: None)
    with scratch(tmp_path) as directory:
        yield Drill(directory)


def leftovers(drill: Drill) -> list[str]:
    left = [
        *Path(drill.base).glob("runs/*/*/new"),
        *Path(drill.base).rglob(".unified-*"),
        *drill.etc.glob(".unified-*"),
    ]
    return [str(path) for path in left]


def test_batch_killed_at_any_line_is_as_it_was_or_finished(
    drill: Drill, record_property: t.Callable[[str, object], None]
) -> None:
    drill.reset()
    points = kill_points(drill.apply)
    record_property("points", len(points))
    ends = {"old": 0, "new": 0}
    for line in points:
        drill.reset()
        kill(line, drill.apply)
        with drill.runs.lock("recovery"):
            drill.runs.recover(dead=["one"])
        state = drill.state()
        assert state in (OLD, NEW), f"a mixture after line {line}: {state}"
        assert leftovers(drill) == [], f"after line {line}"
        ends["old" if state == OLD else "new"] += 1
    print(f"{len(points)} kill points, {ends}, 0 mixtures, 0 leftovers")
    assert len(points) > 400 and min(ends.values()) > 50


def test_revert_killed_at_any_line_is_finished_when_tried_again(
    drill: Drill, record_property: t.Callable[[str, object], None]
) -> None:
    drill.reset()
    drill.apply()
    points = kill_points(lambda: drill.runs.revert("one"))
    record_property("points", len(points))
    for line in points:
        drill.reset()
        drill.apply()
        kill(line, lambda: drill.runs.revert("one"))
        drill.runs.revert("one")
        assert drill.state() == OLD and leftovers(drill) == [], f"after line {line}"
    assert len(points) > 200


def test_batch_that_nobody_confirmed_and_that_was_killed_at_any_line_is_undone(
    drill: Drill, monkeypatch: pytest.MonkeyPatch, record_property: t.Callable[[str, object], None]
) -> None:
    """As it was, to the last file that its command made, or not begun."""
    monkeypatch.setattr(module.timer, "arm", lambda *args, **options: None)
    drill.reset()
    points = kill_points(drill.wait)
    record_property("points", len(points))
    for line in points:
        drill.reset()
        kill(line, drill.wait)
        with drill.runs.lock("recovery"):
            drill.runs.recover(dead=["one"])
        assert drill.state() == OLD and leftovers(drill) == [], f"after line {line}"
    assert len(points) > 400
