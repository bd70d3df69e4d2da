from __future__ import annotations

import os
import stat
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.results import ended
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.results_directory import (
    ResultsDirectory,
    directory_name,
)
from ansible_collections.unified.deploy.plugins.plugin_utils._errors import ComplianceError

NAMES = (
    "a/b", "a_b", "a%2Fb", "a%252Fb", "..", ".", "...", "%2E.", "/etc", "../../x", "a\\b", "a\nb", "web1", "web1.example.org", "ä", "\udcff",
    "x" * 254, "x" * 255, "ä" * 100, "ä" * 101, "", " ",
)  # fmt: skip


def test_every_name_has_a_directory_of_its_own_inside(tmp_path: Path) -> None:
    results = ResultsDirectory(str(tmp_path / "results"))
    directories = {name: results.host(name) for name in NAMES if name}
    assert len(set(directories.values())) == len(directories)
    for directory in directories.values():
        assert directory.is_dir() and directory.parent == tmp_path / "results" / "hosts"
        assert directory.resolve() == directory
        results.write(directory / "result.json", "x")
    assert directory_name("web1.example.org") == "web1.example.org"


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    results = ResultsDirectory(str(tmp_path))
    results.write_model("web1", ended("web1", "run1", "planned"))
    assert stat.S_IMODE(results.host("web1").stat().st_mode) == 0o700
    assert stat.S_IMODE((results.host("web1") / "result.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": 1}', "[" * 100_000])
def test_damaged_result_is_refused_by_name(tmp_path: Path, content: str) -> None:
    results = ResultsDirectory(str(tmp_path))
    results.write(results.host("web1") / "result.json", content)
    with pytest.raises(ComplianceError, match=r"web1/result\.json"):
        results.read_model("web1")


def test_result_of_another_run_is_not_verified(tmp_path: Path) -> None:
    results = ResultsDirectory(str(tmp_path))
    results.write_model("web1", {**ended("web1", "run1", "planned"), "rules": {}})
    assert results.read_planned("web1", "run1")["state"] == "planned"
    with pytest.raises(ComplianceError, match="no results of this run"):
        results.read_planned("web1", "run2")


def test_end_of_a_run_keeps_its_plan_and_drops_another_runs(tmp_path: Path) -> None:
    results = ResultsDirectory(str(tmp_path))
    planned: dict[str, t.Any] = {**ended("web1", "run1", "planned"), "rules": {"a/b": {}}}
    results.write_model("web1", planned)
    results.write_end("web1", "run1", "failed", "Restart", "no")
    assert results.read_model("web1") == {**planned, "state": "failed", "task": "Restart", "reason": "no"}
    results.write_end("web1", "run2", "unreachable", "Collect", "no route")
    assert results.read_model("web1") == ended("web1", "run2", "unreachable", "Collect", "no route")
    assert results.ended_as("web1", "run2", "unreachable") and not results.ended_as("web1", "run1", "unreachable")
    results.write(results.host("web1") / "result.json", "{")
    assert not results.ended_as("web1", "run2", "unreachable")


def test_goss_file_is_taken_only_where_nobody_else_could_write_it(tmp_path: Path) -> None:
    results = ResultsDirectory(str(tmp_path / "results"))
    assert results.gossfile("web1") == "" and not results.root.exists()
    path = results.write(results.host("web1") / "goss.yml", "file:\n")
    assert results.gossfile("web1") == "file:\n"
    for step in (path, *path.parents[:3]):
        mode = stat.S_IMODE(step.stat().st_mode)
        for loose in (0o020, 0o002):
            step.chmod(mode | loose)
            assert results.gossfile("web1") == "", step
        step.chmod(mode)
    os.chown(path, 4242, -1)
    assert results.gossfile("web1") == ""
    os.chown(path, os.geteuid(), -1)
    assert results.gossfile("web1") == "file:\n"


def test_goss_file_behind_a_link_counts_as_what_the_link_leads_to(tmp_path: Path) -> None:
    target, link = ResultsDirectory(str(tmp_path / "target")), tmp_path / "link"
    path = target.write(target.host("web1") / "goss.yml", "file:\n")
    link.symlink_to(target.root)
    assert ResultsDirectory(str(link)).gossfile("web1") == "file:\n"
    target.root.chmod(0o777)
    assert ResultsDirectory(str(link)).gossfile("web1") == ""
    target.root.chmod(0o700)
    moved = path.rename(tmp_path / "goss.yml")
    path.symlink_to(moved)
    assert target.gossfile("web1") == ""
