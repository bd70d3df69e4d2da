"""A transaction killed at each of its lines: the next one finds all files old or all new, and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._change.errors import ChangeError
from ansible_collections.unified.deploy.plugins.module_utils._change.fileset import apply_files, recover
from ansible_collections.unified.deploy.plugins.module_utils._change.lock import Lock
from ansible_collections.unified.deploy.plugins.module_utils._change.transaction import Planned

from tests.faults.killing import kill, kill_points, lines

OWN = {"owner": os.geteuid(), "group": os.getegid()}
State = dict[str, t.Optional[bytes]]


class Drill:
    """Files to change, one of them on another file system where there is one, and the record."""

    def __init__(self, root: Path, other: Path) -> None:
        self.base, self.etc, self.other = str(root / "records"), root / "etc", other
        for path in (self.etc, self.other):
            path.mkdir()
        self.old: State = {"changed": b"old 1", "strict": b"old 2", "removed": b"old 3", "new": None, "deep/new": None}
        self.new: State = {"changed": b"new 1", "strict": b"new 2", "removed": None, "new": b"n", "deep/new": b"d"}
        self.old[str(other / "far")], self.new[str(other / "far")] = b"old far", b"new far"

    def reset(self) -> None:
        for path in (self.etc, self.other, Path(self.base), *self.other.parent.glob(".unified-*")):
            shutil.rmtree(path, ignore_errors=True)
        for path in (self.etc, self.other):
            path.mkdir(mode=0o755)
        for name, content in self.old.items():
            if content is not None:
                (self.etc / name).write_bytes(content)

    def apply(self) -> None:
        planned = [Planned(str(self.etc / name), content, **OWN) for name, content in self.new.items()]
        planned[0] = planned[0]._replace(validate=["true", "%s"])
        apply_files(planned, base=self.base)

    def state(self) -> State:
        paths = {name: self.etc / name for name in self.new}
        return {name: path.read_bytes() if path.exists() else None for name, path in paths.items()}

    def leftovers(self) -> list[str]:
        kept = {self.etc / name for name in self.new} | {self.etc / "deep"}
        places = (self.etc, self.other, Path(self.base), self.other.parent)
        left = {path for place in places[:3] for path in place.rglob("*") if path not in kept}
        left |= set(self.other.parent.glob(".unified-*"))
        return sorted(str(path) for path in left if path.name not in ("lock", "transactions"))


@pytest.fixture
def drill(tmp_path: Path) -> t.Iterator[Drill]:
    # Mounted for this drill alone: files are staged at the root of their mount, where others work at the same time in a shared one.
    far = tmp_path / "far"
    far.mkdir()
    mounted = (
        os.geteuid() == 0 and not subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(far)], check=False).returncode
    )
    yield Drill(tmp_path, far / "other")
    if mounted:
        subprocess.run(["umount", "--lazy", str(far)], check=True)


def test_killed_at_any_line_it_is_all_old_or_all_new(
    drill: Drill, record_property: t.Callable[[str, object], None]
) -> None:
    drill.reset()
    points = kill_points(drill.apply)
    record_property("points", len(points))
    ends = {"old": 0, "new": 0}
    for line in points:
        drill.reset()
        kill(line, drill.apply)
        with Lock(drill.base, "recovery"):
            recover(drill.base)
        state = drill.state()
        assert state in (drill.old, drill.new), f"a mixture after line {line}: {state}"
        assert drill.leftovers() == [], f"after line {line}"
        ends["old" if state == drill.old else "new"] += 1
        drill.apply()
        assert drill.state() == drill.new and drill.leftovers() == [], f"the next run after line {line}"
    print(f"{len(points)} kill points, {ends}, 0 mixtures, 0 leftovers")
    assert len(points) > 463 and ends["old"] > 100 and ends["new"] > 20


def test_recovery_killed_at_any_line_is_finished_by_the_next(
    drill: Drill, record_property: t.Callable[[str, object], None]
) -> None:
    """The transaction itself is killed where some files are in place and others are not."""
    drill.reset()
    low, high = 1, len(lines(drill.apply))
    while high - low > 1:
        middle = (low + high) // 2
        drill.reset()
        kill(middle, drill.apply)
        low, high = (middle, high) if drill.state() == drill.old else (low, middle)
    halfway = high + 40

    def start() -> None:
        drill.reset()
        kill(halfway, drill.apply)
        assert drill.state() not in (drill.old, drill.new)

    start()
    points = kill_points(lambda: recover(drill.base))
    record_property("points", len(points))
    for line in points:
        start()
        kill(line, lambda: recover(drill.base))
        recover(drill.base)
        assert drill.state() == drill.new and drill.leftovers() == [], f"after line {line} of the recovery"
    assert len(points) > 100


def test_two_writers_never_mix(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in "abcdef"]
    base = str(tmp_path / "records")

    def write(text: bytes) -> t.NoReturn:
        for _turn in range(25):
            apply_files([Planned(str(path), text, **OWN) for path in paths], base=base, timeout=60)
        os._exit(0)

    children = []
    for text in (b"one", b"two"):
        child = os.fork()
        if not child:
            try:
                write(text)
            except BaseException:
                os._exit(1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    assert len({path.read_bytes() for path in paths}) == 1


def test_waiting_writer_gets_its_turn(tmp_path: Path) -> None:
    base = str(tmp_path / "records")
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        with Lock(base, "a drill"):
            held.set()
            free.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    with pytest.raises(ChangeError, match="another process changes this host"):
        apply_files([Planned(str(tmp_path / "a"), b"x", **OWN)], base=base, timeout=0.2)
    threading.Timer(0.5, free.set).start()
    started = time.monotonic()
    apply_files([Planned(str(tmp_path / "a"), b"x", **OWN)], base=base, timeout=10)
    assert time.monotonic() - started > 0.3
    thread.join()
