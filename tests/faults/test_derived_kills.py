"""A boot menu that is killed at each line of its making: it is the old one or the new one, and the next run makes it."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._change import programs
from ansible_collections.unified.deploy.plugins.module_utils._change.derived import derive

from tests.faults.killing import kill, kill_points, scratch

OLD, NEW = "menuentry old\n" * 400, "menuentry new\n" * 500


@pytest.fixture
def memory(tmp_path: Path) -> t.Iterator[Path]:
    with scratch(tmp_path) as directory:
        yield directory


@pytest.mark.quick
@pytest.mark.parametrize("mode", [0o600, 0o444])
def test_menu_that_is_killed_while_it_is_made_is_whole(
    memory: Path, monkeypatch: pytest.MonkeyPatch, mode: int, record_property: t.Callable[[str, object], None]
) -> None:
    monkeypatch.setattr(programs, "trusted_program", lambda name: f"/bin/{name}")
    boot, record = memory / "boot", memory / "record"
    boot.mkdir()
    record.mkdir(mode=0o700)
    menu, source = boot / "grub.cfg", memory / "source"
    source.write_text(NEW)

    def make() -> None:
        derive(["cp", str(source), "%s"], str(menu), str(record), timeout=60)

    def reset() -> None:
        menu.unlink(missing_ok=True)
        menu.write_text(OLD)
        menu.chmod(mode)

    reset()
    points = kill_points(make)
    record_property("points", len(points))
    assert len(points) > 50
    for point in points:
        reset()
        kill(point, make)
        assert menu.read_text() in (OLD, NEW), f"neither whole at point {point}"
        make()
        assert menu.read_text() == NEW and menu.stat().st_mode & 0o777 == mode
        assert os.listdir(boot) == ["grub.cfg"] and os.listdir(record) == [], f"left over at point {point}"
