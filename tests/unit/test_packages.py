"""What a revert does about packages: only what the run itself changed, in few calls, and what fails keeps nothing else."""

from __future__ import annotations

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._change import packages
from ansible_collections.unified.deploy.plugins.module_utils._change.packages import Way, restore, way_back
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
