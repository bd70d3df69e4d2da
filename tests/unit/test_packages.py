"""What a revert does about packages: only what the run itself changed, in few calls, and what fails keeps nothing else."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._change import package_log, packages
from ansible_collections.unified.deploy.plugins.module_utils._change.packages import (
    Way,
    restore,
    way_back,
    with_changes_of,
)
from ansible_collections.unified.deploy.plugins.module_utils._change.programs import Answer

BEFORE = {"kept": "1", "gone": "1", "moved": "1", "configured": ""}
AFTER = {"kept": "1", "moved": "2", "configured": "3", "new": "1"}


def test_only_what_the_run_changed_is_brought_back() -> None:
    assert way_back(BEFORE, AFTER, AFTER) == Way(["new"], ["configured"], {"gone": "1", "moved": "1"})
    since = {**AFTER, "kept": "9", "later": "1"}
    assert way_back(BEFORE, AFTER, since) == way_back(BEFORE, AFTER, AFTER)


def test_what_somebody_has_done_since_stays() -> None:
    since = {"kept": "1", "gone": "2", "moved": "3"}
    assert way_back(BEFORE, AFTER, since) == Way([], [], {})


LOG = """
Start-Date: 2026-11-21  10:00:00
Commandline: /usr/bin/unattended-upgrade
Upgrade: openssl:amd64 (3.5.0-1, 3.5.1-1)
End-Date: 2026-11-21  10:00:01

Start-Date: 2026-11-21  10:00:02
Commandline: /usr/bin/apt-get -y -o Dpkg::Options::=--force-confold install --no-install-recommends 'aide=0.19' ufw
Install: ufw:amd64 (0.36), aide:amd64 (0.19, automatic), libstdc++6:i386 (14-1, automatic)
Remove: telnet:amd64 (0.17)
End-Date: 2026-11-21  10:00:03

Start-Date: 2026-11-21  10:00:04
Commandline: apt-get install tree
Install: tree:amd64 (2.1)
"""


def test_log_tells_what_came_with_the_packages_that_a_run_asked_for() -> None:
    assert package_log.moved(LOG, {"aide"}) == {"aide", "ufw", "libstdc++6", "telnet"}
    assert package_log.moved(LOG, {"goss"}) == set()
    assert package_log.moved("", {"aide"}) == set()


def test_log_is_read_from_where_it_ended_also_after_it_was_rotated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "history.log"
    monkeypatch.setattr(package_log, "APT", str(log))
    assert package_log.mark() == {"inode": 0, "size": 0}
    older = LOG.replace("aide", "sudo")
    log.write_text(older)
    mark = package_log.mark()
    log.write_text(older + LOG)
    assert "sudo" not in package_log.moved_with({"aide", "sudo"}, mark)
    tmp_path.joinpath("history.log.1.gz").write_bytes(gzip.compress((older + LOG).encode()))
    log.rename(tmp_path / "gone")
    log.write_text("Commandline: apt-get install aide\nInstall: nft:amd64 (1)\n")
    assert package_log.moved_with({"aide"}, mark) == {"aide", "ufw", "libstdc++6", "telnet", "nft"}


def test_what_others_installed_during_a_run_is_as_it_was() -> None:
    assert with_changes_of({"new", "moved"}, BEFORE, AFTER) == {
        "kept": "1",
        "gone": "1",
        "moved": "2",
        "configured": "",
        "new": "1",
    }
    assert with_changes_of({"gone"}, BEFORE, AFTER) == {"kept": "1", "moved": "1", "configured": ""}
    assert with_changes_of({"new"}, {}, {"new:amd64": "1", "other": "2"}) == {"new:amd64": "1"}


class Fake:
    """A fake package manager that knows some versions."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *known: str) -> None:
        self.known, self.calls = known, list[list[str]]()
        monkeypatch.setattr(packages.programs, "run", self.run)
        monkeypatch.setattr(packages.time, "sleep", lambda seconds: None)
        self.locked = 0

    def run(self, argv: list[str], **_options: object) -> Answer:
        if argv[0] == "dpkg-query":
            return Answer(0, "".join(f"{name} ii {version}\n" for name, version in AFTER.items()), "")
        self.calls.append(
            [argv[0], *(part for part in argv[1:] if ("=" in part and "::" not in part) or part in AFTER)]
        )
        if self.locked:
            self.locked -= 1
            return Answer(2, "", "dpkg frontend lock was locked by another process")
        missing = [part for part in argv if "=" in part and "::" not in part and part not in self.known]
        return (
            Answer(100, "", f"E: Version for {missing[0]} was not found")
            if missing and "install" in argv
            else Answer(0, "", "")
        )


def test_one_call_each_brings_packages_back(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake(monkeypatch, "gone=1", "moved=1", "DPkg::Lock::Timeout=60")
    fake.locked = 2
    assert restore(BEFORE, AFTER) == []
    assert fake.calls == [["dpkg", "new"]] * 3 + [["dpkg", "configured"], ["apt-get", "gone=1", "moved=1"]]


def test_version_that_the_archive_no_longer_has_is_named_and_keeps_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake(monkeypatch, "gone=1")
    (problem,) = restore(BEFORE, AFTER)
    assert "moved=1" in problem and "was not found" in problem
    assert fake.calls[-2:] == [["apt-get", "gone=1"], ["apt-get", "moved=1"]]


def test_nothing_changed_calls_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake(monkeypatch)
    assert restore(AFTER, AFTER) == [] and fake.calls == []
