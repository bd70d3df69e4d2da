"""Kinds banner and cron."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._collect import banner as _banner

from tests.unit.access import planned


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("\\r on \\v", "fail"),
        ("\\S{VERSION}", "fail"),
        ("DEBIAN", "fail"),
        ("\\n \\l", "pass"),
        ("debianist", "pass"),
    ],
)
def test_text_beside_the_banner_is_judged_and_left_to_its_owner(
    catalogue: t.Any, hardened: t.Any, text: str, verdict: str
) -> None:
    hardened["banner"]["/etc/issue"]["/etc/issue.d/x.issue"] = text
    plan = planned(catalogue, hardened)
    assert plan.verdicts["banner//etc/issue"].verdict == verdict
    if verdict == "fail":
        assert "/etc/issue.d/x.issue overrides" in plan.verdicts["banner//etc/issue"].held
        assert "/etc/issue" not in plan.desired.files


def test_text_that_each_login_makes_is_judged_and_its_script_switched_off(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["banner"]["/etc/motd"]["/run/motd.dynamic"] = f"Linux x {hardened['host']['kernel']} x86_64\n"
    hardened["banner"]["/etc/update-motd.d"] = {"/etc/update-motd.d/10-uname": "uname"}
    plan = planned(catalogue, hardened)
    assert "/run/motd.dynamic names the system" in plan.verdicts["banner//etc/motd"].actual
    assert plan.desired.attributes["/etc/update-motd.d/10-uname"]["mode"] == "0600"
    assert ["rm", "-f", "--", "/run/motd.dynamic"] in plan.desired.commands
    hardened["banner"]["/etc/update-motd.d"] = {}
    assert planned(catalogue, hardened).verdicts["banner//etc/motd"].held.startswith("/run/motd.dynamic overrides")


def test_scripts_that_tell_the_system_are_those_that_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_banner, "SCRIPTS", str(tmp_path))
    for name, mode, content in (
        ("a", 0o755, "uname -r"),
        ("b", 0o644, "uname"),
        ("c", 0o755, "date"),
        ("d", 0o755, ". /etc/os-release"),
    ):
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(mode)
    items = _banner.Banners(["/etc/motd"]).read().items
    assert items[str(tmp_path)] == {f"{tmp_path}/a": "uname", f"{tmp_path}/d": "os-release"}


def test_own_text_of_a_site_is_not_overwritten_for_another_file(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["banner"]["/etc/issue"]["/etc/issue"] = "Go away\n"
    hardened["banner"]["/etc/motd"]["/etc/motd"] = hardened["text"]["/etc/motd"] = "Debian"
    files = planned(catalogue, hardened).desired.files
    assert "/etc/motd" in files and "/etc/issue" not in files


@pytest.mark.parametrize("text", ["", " \n"])
def test_banner_without_a_text_fails_but_the_motd_may_be_empty(catalogue: t.Any, hardened: t.Any, text: str) -> None:
    for path in ("/etc/issue", "/etc/motd"):
        hardened["banner"][path] = {path: text}
    verdicts = planned(catalogue, hardened).verdicts
    assert (verdicts["banner//etc/issue"].verdict, verdicts["banner//etc/motd"].verdict) == ("fail", "pass")


def test_file_that_was_not_read_is_an_error_for_its_own_banner_only(catalogue: t.Any, hardened: t.Any) -> None:
    hardened.document["sections"]["banner"]["left_out"] = {"/etc/issue.d/big.issue": "longer than 65536 bytes"}
    verdicts = planned(catalogue, hardened).verdicts
    assert verdicts["banner//etc/issue"].verdict == "error"
    assert verdicts["banner//etc/motd"].verdict == "pass"


@pytest.mark.parametrize(
    ("name", "line", "shown"),
    [
        ("/etc/motd", "session optional pam_motd.so noupdate motd={0}/a:{0}/b", ["a"]),
        ("/etc/motd", "session optional pam_motd.so [motd_dir={0}/d]", ["d/x"]),
        ("/etc/motd", "# session optional pam_motd.so motd={0}/a", []),
        ("/etc/motd", "session optional pam_env.so motd={0}/a", []),
        ("/etc/issue", "ExecStart=-/sbin/agetty --issue-file {0}/a - $TERM", ["a"]),
        ("/etc/issue", "ExecStart=-/sbin/agetty -f{0}/d tty1", ["d/x"]),
        ("/etc/issue", "#ExecStart=-/sbin/agetty -f {0}/a tty1", []),
    ],
)
def test_text_that_a_login_shows_by_another_name_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, line: str, shown: list[str]
) -> None:
    (tmp_path / "d").mkdir()
    for text in ("a", "d/x"):
        (tmp_path / text).write_text("Debian\n")
    (tmp_path / "names").write_text(f"x\n{line.format(tmp_path)}\n")
    monkeypatch.setattr(_banner, "BESIDE", {})
    monkeypatch.setattr(_banner, "NAMED", {name: ((str(tmp_path / "names"),), _banner.NAMED[name][1])})
    items = _banner.Banners([name]).read().items[name]
    assert [path.removeprefix(f"{tmp_path}/") for path in items if path.startswith(str(tmp_path))] == shown


def test_reader_passes_over_pipes_and_long_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = str(tmp_path / "issue")
    monkeypatch.setattr(_banner, "BESIDE", {name: (f"{tmp_path}/issue.d/*.issue",)})
    (tmp_path / "issue.d").mkdir()
    (tmp_path / "issue").write_bytes(b"caf\xe9")
    os.mkfifo(tmp_path / "issue.d/pipe.issue")
    (tmp_path / "issue.d/big.issue").write_bytes(b"x" * 70000)
    (tmp_path / "issue.d/note.txt").write_text("unseen")
    section = _banner.Banners([name]).read()
    assert section.items == {name: {name: "caf\ufffd"}}
    assert list(section.left_out) == [f"{tmp_path}/issue.d/big.issue"]


@pytest.mark.parametrize(
    "left", [{}, {"/etc/cron.allow": {"type": "directory", "mode": "0755", "owner": "root", "group": "root"}}]
)
def test_cron_without_a_list_of_users_fails(catalogue: t.Any, hardened: t.Any, left: dict[str, t.Any]) -> None:
    hardened["file"]["/etc/cron.allow"] = left
    assert planned(catalogue, hardened).verdicts["cron/cron"].verdict == "fail"
