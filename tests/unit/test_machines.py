"""Virtual machines, as far as none is needed: the page of their figures, and images that others publish."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
import yaml

from tests.arch import figures
from tests.hosts import public, vm
from tests.hosts.store import Host, HostsError

SUM = "0123456789abcdef" * 4


@pytest.mark.parametrize("line", [f"{SUM} *a.img", f"{SUM}  a.img", f"SHA256 (a.img) = {SUM}"])
def test_checksum_is_that_of_the_very_file(line: str) -> None:
    others = f"{'f' * 64} *aa.img\n{'e' * 64}  a.img.manifest\nSHA256 (a-img) = {'d' * 64}\n"
    assert public.checksum(f"{others}{line}\n", "a.img") == SUM
    assert public.checksum(others, "a.img") == ""


def test_image_that_is_not_what_its_list_says_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.img").write_text("another image")
    (tmp_path / "SUMS").write_text(f"{SUM} *a.img\n")
    monkeypatch.setattr(public, "CACHE", tmp_path / "cache")
    monkeypatch.setattr("tests.hosts.store.CACHE", tmp_path / "cache")
    monkeypatch.setitem(public.IMAGES, "a", public.Image(f"file://{tmp_path}/a.img", "SUMS", "sudo"))
    with pytest.raises(public.HostsError, match="is not what SUMS beside it says"):
        public.image("a")
    assert [path for path in tmp_path.rglob("*") if path.suffix in (".new", ".qcow2")] == []


def test_cloud_init_is_told_of_an_administrator_who_comes_in_by_key_alone() -> None:
    told = yaml.safe_load(public.USER_DATA.format(admin="ansible", group="wheel", key="ssh-ed25519 AAAA tests"))
    (user,) = told["users"]
    assert (user["name"], user["groups"], user["lock_passwd"]) == ("ansible", ["wheel"], True)
    assert user["ssh_authorized_keys"] == ["ssh-ed25519 AAAA tests"]


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Callable[[], tuple[dict[str, t.Any], str]]:
    monkeypatch.setattr(figures, "RECORD", tmp_path / "record.json")
    monkeypatch.setattr(figures, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(figures, "commit", lambda *_paths: "abc")
    return lambda: (json.loads(figures.RECORD.read_text()), figures.PAGE.read_text())


def test_column_of_another_day_stays_beside_a_new_one(kept: t.Callable[[], tuple[dict[str, t.Any], str]]) -> None:
    figures.note("amd64", {"one_task": 10.0, "again": 25.0, "goss": 1.0, "boot": 40.0})
    figures.note("riscv64", {"one_task": 20.0, "again": 40.0, "goss": 2.0, "boot": 90.0})
    record, page = kept()
    assert set(record["machines"]) == {"amd64", "riscv64"}
    assert "| harden again (0 changed) | 25.0 (2.5 x) | 40.0 (2 x) |" in page
    assert (
        "| boot to SSH login, as this run had it | 40.0 | 90.0 |" in page
        and "| audit | not measured | not measured |" in page
    )


def test_boot_that_was_measured_alone_stands_beside_that_of_the_run(
    kept: t.Callable[[], tuple[dict[str, t.Any], str]],
) -> None:
    figures.keep("boots", "amd64", {"seconds": 30.5})
    figures.note("amd64", {"one_task": 10.0, "goss": 1.0, "boot": 40.0})
    record, page = kept()
    assert f"nothing else running (`make bench-machines`) | 30.5 ({record['boots']['amd64']['date']}) |" in page


def test_run_that_stopped_early_is_no_figure(kept: t.Callable[[], tuple[dict[str, t.Any], str]]) -> None:
    figures.note("amd64", {"one_task": 10.0, "again": 25.0, "boot": 40.0})
    assert not figures.RECORD.exists()


def test_system_that_never_ran_is_said_to_have_never_run(kept: t.Callable[[], tuple[dict[str, t.Any], str]]) -> None:
    figures.keep("systems", "rocky9", {})
    _record, page = kept()
    systems = page[page.index("## Other systems") :]
    assert [line for line in systems.splitlines() if line.endswith("| never |")] == [
        f"| {name} | never |" for name in sorted(public.IMAGES) if name != "rocky9"
    ]


@pytest.mark.parametrize(
    ("said", "launches"),
    [
        (["Kernel panic - not syncing: Fatal exception", "login:"], 2),
        (["Kernel panic - not syncing: VFS"] * vm.TURNS, vm.TURNS),
        (["You are in emergency mode"], 1),
    ],
)
def test_boot_is_tried_again_after_a_panic_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str], launches: int
) -> None:
    monkeypatch.setattr("tests.hosts.store.RUN", tmp_path)
    host = Host(name="a", kind="vm", suite="debian13", index=1)
    host.directory.mkdir()
    console, made = host.directory / "console.log", []

    def launch(*_arguments: object) -> None:
        console.write_text(said[len(made)])
        made.append(1)

    def wait(_host: Host, *, timeout: float, died: t.Callable[[], bool]) -> None:
        assert died() == ("panic" in console.read_text())
        if console.read_text() != "login:":
            raise HostsError("it does not answer")

    monkeypatch.setattr(vm, "launch", launch)
    monkeypatch.setattr(vm, "wait_for_ssh", wait)
    if said[-1] == "login:":
        vm.boot(host, tmp_path, "raw")
    else:
        with pytest.raises(HostsError):
            vm.boot(host, tmp_path, "raw")
    assert len(made) == launches
