"""The initramfs is made after the file that decides which drivers load: images and their ages are real files, the program is a fake."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._change import programs
from ansible_collections.unified.deploy.plugins.module_utils._gpu import tree
from ansible_collections.unified.deploy.plugins.module_utils._gpu.steps import initramfs as step

from tests.secrets.modules import run
from tests.unit.gpu_machines import put

NAMES = {"update-initramfs": "initrd.img-%s", "dracut": "initramfs-%s.img"}
RELEASES = ("6.1.0-1", "6.1.0-2")


@dataclass
class FakeMaker:
    """update-initramfs or dracut, which writes the image of every kernel."""

    root: Path
    name: str
    code: int = 0
    writes: bool = True
    argv: list[list[str]] = field(default_factory=list)

    def images(self) -> list[Path]:
        return [self.root / "boot" / (NAMES[self.name] % release) for release in RELEASES]

    def __call__(self, argv: t.Sequence[str], **_options: t.Any) -> programs.Answer:
        self.argv.append(list(argv))
        for image in self.images() if self.writes else ():
            image.write_text("image")
        return programs.Answer(self.code, "", "no space left" if self.code else "")


@pytest.fixture(params=NAMES)
def maker(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeMaker:
    tmp_path.chmod(0o700)
    real = tree.Tree.__init__
    monkeypatch.setattr(tree.Tree, "__init__", lambda self, _root="/": real(self, str(tmp_path)))
    monkeypatch.setattr(step, "BASE", str(tmp_path / "var/lib/unified"))
    monkeypatch.setattr(step.shutil, "which", lambda name, path: name if name == request.param else None)
    fake = FakeMaker(tmp_path, request.param)
    monkeypatch.setattr(programs, "run", fake)
    for release in RELEASES:
        put(tmp_path, f"boot/vmlinuz-{release}", "")
    for image in fake.images():
        image.write_text("image")
        os.utime(image, (1000, 1000))
    return fake


def written(maker: FakeMaker) -> Path:
    put(maker.root, "etc/modprobe.d/unified-gpu.conf", "blacklist nouveau\n")
    return maker.root / "etc/modprobe.d/unified-gpu.conf"


def test_image_is_written_once_after_the_file_and_once_after_it_has_gone(maker: FakeMaker) -> None:
    assert run("gpu_initramfs", {})["changed"] is False
    file = written(maker)
    foreseen = run("gpu_initramfs", {}, check=True)
    assert foreseen["changed"] is True and foreseen["images"] == [str(image) for image in maker.images()]
    assert maker.argv == []
    for expected in ([True, False], [True, False]):
        assert [run("gpu_initramfs", {})["changed"] for _turn in range(2)] == expected
        file.unlink(missing_ok=True)
    assert maker.argv == [list(one) for one in step.MAKERS if one[0] == maker.name] * 2


@pytest.mark.parametrize("gone", [False, True])
def test_image_that_could_not_be_written_is_written_by_the_next_run(maker: FakeMaker, gone: bool) -> None:
    file = written(maker)
    if gone:
        assert run("gpu_initramfs", {})["changed"] is True
        file.unlink()
    maker.code, maker.writes = 1, False
    for _turn in range(2):
        assert "ended with 1: no space left. The next run tries again" in run("gpu_initramfs", {})["msg"]
    maker.code, maker.writes = 0, True
    assert [run("gpu_initramfs", {})["changed"] for _turn in range(2)] == [True, False]


def test_program_that_ends_well_and_writes_nothing_is_an_error(maker: FakeMaker) -> None:
    written(maker)
    maker.writes = False
    answer = run("gpu_initramfs", {})
    assert answer["failed"] and f"did not write {maker.images()[0]}" in answer["msg"]


def test_host_without_a_program_is_told(maker: FakeMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    written(maker)
    monkeypatch.setattr(step.shutil, "which", lambda _name, path: None)
    assert "none of update-initramfs and dracut is there" in run("gpu_initramfs", {})["msg"]
