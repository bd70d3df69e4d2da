"""Runs on the host's disk, as far as they need no systemd; on real hosts they are in tests/faults."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._change import revert, states, timer
from ansible_collections.unified.deploy.plugins.module_utils._change import runs as module
from ansible_collections.unified.deploy.plugins.module_utils._change.attributes import Wish
from ansible_collections.unified.deploy.plugins.module_utils._change.batch import Plan
from ansible_collections.unified.deploy.plugins.module_utils._change.commands import Command
from ansible_collections.unified.deploy.plugins.module_utils._change.errors import ChangeError, RunError
from ansible_collections.unified.deploy.plugins.module_utils._change.journal import is_any_open
from ansible_collections.unified.deploy.plugins.module_utils._change.programs import Answer
from ansible_collections.unified.deploy.plugins.module_utils._change.runs import LiveOwnerError, Run, Runs, apply_batch
from ansible_collections.unified.deploy.plugins.module_utils._change.transaction import Planned

OWN = {"owner": os.geteuid(), "group": os.getegid()}
OWNER = {"user": "anna", "controller": "desk", "pid": 7}


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    monkeypatch.setattr(module, "versions", lambda: {"kept": "1", "moved": "1"})
    # The timer's units, systemd and what serves are the real hosts'.
    monkeypatch.setattr(module.timer, "disarm", lambda: None)
    monkeypatch.setattr(states, "serving", lambda: None)
    return Runs(str(tmp_path / "records"))


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/a").write_text("old")
    (tmp_path / "etc/a").chmod(0o644)
    return tmp_path / "etc"


def plan(etc: Path, text: str = "new", **fields: t.Any) -> Plan:
    return Plan("files", files=[Planned(str(etc / "a"), text.encode(), **OWN)], **fields)


def make(runs: Runs, identifier: str, what: Plan, *, finish: bool = True, revert_after: int = 0) -> Run:
    run, _said = runs.begin(identifier, OWNER)
    apply_batch(run, what, revert_after=revert_after)
    if finish:
        runs.confirm(run, finish=True)
    return run


def test_packages_that_the_run_did_not_ask_for_are_not_its_to_take_back(
    runs: Runs, etc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _said = runs.begin("one", OWNER)
    run.ask_for(["aide"])
    monkeypatch.setattr(module, "versions", lambda: {"kept": "1", "moved": "2", "aide": "1", "lib": "1", "tree": "1"})
    monkeypatch.setattr(module.package_log, "moved_with", lambda asked, since: {"lib", *asked})
    runs.confirm(run, finish=True)
    after = json.loads(Path(run.directory, "packages-after.json").read_text())
    assert after == {"kept": "1", "moved": "1", "aide": "1", "lib": "1"}
    other = make(runs, "two", plan(etc))
    assert (
        Path(other.directory, "packages-after.json").read_text() == Path(other.directory, "packages.json").read_text()
    )


def test_run_is_recorded_for_root_only_and_reverted(runs: Runs, etc: Path) -> None:
    wish = Wish(str(etc / "a"), mode="0600")
    run = make(runs, "one", plan(etc)._replace(attributes=[wish]))
    assert (etc / "a").read_text() == "new" and stat.S_IMODE((etc / "a").stat().st_mode) == 0o600
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in Path(runs.base).rglob("*")} == {0}
    assert runs.revert("one") == ([], {})
    assert (etc / "a").read_text() == "old" and stat.S_IMODE((etc / "a").stat().st_mode) == 0o644
    assert run.state == "reverted" and not runs.revertible(run)


def test_batch_that_changes_nothing_leaves_no_record(runs: Runs, etc: Path) -> None:
    run = make(runs, "one", plan(etc, "old"))
    assert run.batches() == []


def test_failing_command_undoes_the_batch(runs: Runs, etc: Path) -> None:
    with pytest.raises(ChangeError, match="'false' ended with 1: ; all was undone"):
        make(runs, "one", plan(etc, commands=[Command(["false"])]))
    assert (etc / "a").read_text() == "old"
    assert [batch.state for batch in Run(runs.base, "one").batches()] == ["reverted"]


def test_command_that_is_not_required_is_named_and_the_rest_stays(runs: Runs, etc: Path) -> None:
    run, _said = runs.begin("one", OWNER)
    batch, _difference, _answers = apply_batch(
        run, plan(etc, commands=[Command(["false"], required=False)]), revert_after=0
    )
    assert batch and batch.problems == ["'false' ended with 1: "] and (etc / "a").read_text() == "new"


def test_what_a_command_changes_and_makes_is_brought_back(runs: Runs, etc: Path) -> None:
    script = f"echo changed > {etc}/b; echo made > {etc}/c"
    (etc / "b").write_text("old b")
    make(runs, "one", Plan("load", commands=[Command(["sh", "-c", script], saves=[f"{etc}/*"])]))
    assert (etc / "c").exists() and (etc / "b").read_text() == "changed\n"
    assert runs.revert("one")[0] == []
    assert sorted(path.name for path in etc.iterdir()) == ["a", "b"] and (etc / "b").read_text() == "old b"


def test_revert_runs_undo_commands_backwards_and_names_those_without(runs: Runs, etc: Path) -> None:
    def note(text: str) -> list[str]:
        return ["sh", "-c", f"echo {text} >> {etc}/log"]

    commands = [
        Command(note("do 1"), undo=note("undo 1")),
        Command(note("do 2"), undo=note("undo 2")),
        Command(["true"]),
    ]
    make(runs, "one", Plan("load", commands=commands))
    assert runs.revert("one")[0] == ["'true' has no known way back"]
    assert (etc / "log").read_text().splitlines() == ["do 1", "do 2", "undo 2", "undo 1"]


def test_later_edit_is_kept_beside_when_a_run_is_reverted(runs: Runs, etc: Path) -> None:
    make(runs, "one", plan(etc))
    (etc / "a").write_text("by hand")
    (problem,) = runs.revert("one")[0]
    assert (etc / "a").read_text() == "old"
    assert Path(problem.rpartition(" ")[2]).read_text() == "by hand"


def test_later_run_must_be_reverted_first(runs: Runs, etc: Path) -> None:
    make(runs, "one", plan(etc))
    make(runs, "two", plan(etc, "newer"))
    with pytest.raises(RunError, match=r"run two changed .*/a later: revert that one first"):
        runs.revert("one")
    runs.revert("two")
    assert (etc / "a").read_text() == "new"
    runs.revert("one")
    assert (etc / "a").read_text() == "old"


def test_packages_that_differ_are_named(runs: Runs, etc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(runs, "one", plan(etc))
    monkeypatch.setattr(module, "versions", lambda: {"kept": "1", "moved": "2", "new": "1"})
    _problems, packages = runs.revert("one")
    assert packages == {"moved": {"before": "1", "now": "2"}, "new": {"before": "", "now": "1"}}


@pytest.mark.parametrize("identifier", ["", "../x", "a/b", ".hidden", "x" * 65])
def test_ids_that_are_none_are_refused(runs: Runs, identifier: str) -> None:
    with pytest.raises(RunError, match="no id of a run"):
        runs.revert(identifier)


def test_unknown_half_recorded_and_foreign_runs_are_told_apart(runs: Runs, etc: Path) -> None:
    with pytest.raises(RunError, match="there is no run none on this host"):
        runs.revert("none")
    half = Path(runs.base, "runs/half")
    half.mkdir(parents=True)
    with pytest.raises(RunError, match="run half was only half recorded: nothing was changed by it"):
        runs.revert("half")
    run = make(runs, "one", plan(etc))
    assert not half.exists()  # the next run forgets it
    record = Path(run.directory, "run.json")
    record.write_text(json.dumps({**json.loads(record.read_text()), "machine": "0" * 32}))
    with pytest.raises(RunError, match="run one was recorded on another host"):
        runs.revert("one")
    assert (etc / "a").read_text() == "new"


def test_open_run_of_a_living_owner_is_named(runs: Runs, etc: Path) -> None:
    make(runs, "one", plan(etc), finish=False)
    with pytest.raises(
        LiveOwnerError, match=r"run one of anna on desk \(process 7\), begun \d+ s ago, has not ended"
    ) as caught:
        runs.begin("two", OWNER)
    assert (caught.value.run, caught.value.owner) == ("one", OWNER)
    assert runs.begin("one", OWNER)[0].id == "one"


def test_open_run_of_a_dead_owner_or_another_boot_is_ended(
    runs: Runs, etc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(runs, "one", plan(etc), finish=False)
    runs.begin("two", OWNER, dead=["one"])
    assert Run(runs.base, "one").state == "finished"
    monkeypatch.setattr(module, "boot_id", lambda: "another")
    runs.begin("three", OWNER)
    assert [run.state for run in runs.all()] == ["finished", "finished", "open"]


def test_batch_killed_in_the_middle_is_finished_by_the_next_run(runs: Runs, etc: Path) -> None:
    what = plan(etc, commands=[Command(["sh", "-c", f"echo ran >> {etc}/log"])])
    run = make(runs, "one", what)
    batch = run.batches()[0]
    lines = [line for line in Path(batch.journal.path).read_text().splitlines() if "command 0" not in line]
    kept = lines[: next(i for i, line in enumerate(lines) if '"applied"' in line or '"made"' in line)]
    Path(batch.journal.path).write_text("\n".join(kept) + "\n")
    Path(run.journal.path).unlink()
    assert (run.state, batch.state) == ("open", "applying")
    _run, said = runs.begin("two", OWNER, dead=["one"])
    assert said == ["run one, batch 01-files: finished"]
    assert (etc / "log").read_text() == "ran\nran\n" and batch.state == "applied"


def test_unconfirmed_batch_of_a_dead_run_is_undone(runs: Runs, etc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.timer, "arm", lambda *args, **options: None)
    make(runs, "one", plan(etc), finish=False, revert_after=60)
    with pytest.raises(RunError, match="batch 01-files waits to be confirmed"):
        runs.begin("one", OWNER)
    _run, said = runs.begin("two", OWNER, dead=["one"])
    assert said == ["run one, batch 01-files: undone, for nobody confirmed it"]
    assert (etc / "a").read_text() == "old"


def test_timer_cannot_be_armed_without_systemd_and_nothing_changes(
    runs: Runs, etc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timer.os.path, "isdir", lambda path: path != "/run/systemd/system" and Path(path).is_dir())
    run, _said = runs.begin("one", OWNER)
    with pytest.raises(RunError, match="cannot be armed: no systemd runs on this host"):
        apply_batch(run, plan(etc), revert_after=60)
    assert (etc / "a").read_text() == "old" and run.batches() == []


def test_program_in_the_record_needs_nothing_else(runs: Runs, etc: Path) -> None:
    run = make(runs, "one", plan(etc))
    program = f"{run.directory}/revert"
    assert stat.S_IMODE(os.stat(program).st_mode) == 0o700
    environment = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-I", program], capture_output=True, text=True, env=environment, cwd="/", check=False
    )
    # The packages of this machine are not those of the fixture.
    assert "run one: everything is undone" in done.stdout, done.stderr
    assert (etc / "a").read_text() == "old" and run.state == "reverted"


def test_late_confirmation_says_that_the_host_undid_it(runs: Runs, etc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.timer, "arm", lambda *args, **options: None)
    run = make(runs, "one", plan(etc), finish=False, revert_after=60)
    batch = run.batches()[0]
    batch.lapse()
    with pytest.raises(RunError, match="raise hardening_confirm_seconds"):
        runs.confirm(run, finish=False)


def test_timer_that_fires_early_waits_and_one_that_fires_in_time_ends_the_run(
    runs: Runs, etc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.timer, "arm", lambda *args, **options: None)
    run = make(runs, "one", plan(etc), finish=False, revert_after=60)
    batch = run.batches()[0]
    argv = [f"{run.directory}/revert", "--armed"]
    assert revert.main(argv) == 0
    assert (batch.state, run.state) == ("applied", "open") and (etc / "a").read_text() == "new"
    now = time.monotonic()
    monkeypatch.setattr("time.monotonic", lambda: now + 61)
    assert revert.main(argv) == 0
    assert (batch.state, run.state) == ("reverted", "finished") and (etc / "a").read_text() == "old"


def test_only_the_newest_runs_are_kept_and_a_jumping_clock_keeps_some(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT_RUNS", 8)
    for number in range(10):
        run, _said = runs.begin(f"r{number}", OWNER)
        runs.confirm(run, finish=True)
    runs.prune()
    assert [run.id for run in runs.all()] == [f"r{number}" for number in range(2, 10)]
    runs.prune(now=run.facts["created"] + 3 * 365 * 86400)
    assert [run.id for run in runs.all()] == [f"r{number}" for number in range(5, 10)]


def test_torn_journal_line_is_skipped(runs: Runs) -> None:
    run, _said = runs.begin("one", OWNER)
    run.journal.write("finished")
    with Path(run.journal.path).open("a") as handle:
        handle.write('{"event": "rev')
    assert run.state == "finished"
    run.journal.write("reverted")
    assert run.state == "reverted"


def test_next_batch_keeps_the_one_that_waits_unless_the_host_has_undone_it(
    runs: Runs, etc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.timer, "arm", lambda *args, **options: None)
    run = make(runs, "one", plan(etc), finish=False, revert_after=60)
    runs.begin("one", OWNER, keep=True)
    apply_batch(run, plan(etc, "newer"), revert_after=60)
    first, second = run.batches()
    assert (first.state, second.state) == ("confirmed", "applied")
    second.lapse()
    run.journal.write("finished", by="its timer")
    with pytest.raises(RunError, match="batch 02-files: the host has undone it"):
        runs.begin("one", OWNER, keep=True)
    assert (etc / "a").read_text() == "new"


def test_end_of_a_run_undoes_the_batch_that_died_in_it(runs: Runs, etc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.timer, "arm", lambda *args, **options: None)
    run = make(runs, "one", plan(etc), finish=False, revert_after=60)
    (batch,) = run.batches()
    journal = Path(batch.journal.path)
    journal.write_text("".join(line + "\n" for line in journal.read_text().splitlines() if '"applied"' not in line))
    assert batch.state == "applying"
    assert runs.confirm(run, finish=True) == ["run one, batch 01-files: undone, for nobody confirmed it"]
    assert (etc / "a").read_text() == "old" and run.state == "finished"


def test_timer_that_is_armed_is_not_armed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[list[str]] = []
    monkeypatch.setattr(timer, "DIRECTORY", str(tmp_path))
    monkeypatch.setattr(timer.os.path, "isdir", lambda path: True)
    monkeypatch.setattr(timer, "replace", lambda *files: [Path(one.path).write_bytes(one.content) for one in files])
    monkeypatch.setattr(timer, "run", lambda argv: called.append(argv) or Answer(0, "", ""))
    for seconds in (60, 60, 90):
        timer.arm("/bin/true", run_id="one", seconds=seconds)
    assert [argv[1] for argv in called] == ["enable", "is-active", "enable"]


def test_way_back_of_its_own_has_every_module_that_it_needs(tmp_path: Path) -> None:
    archive = tmp_path / "revert"
    revert.write(str(archive))
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(archive)!r}); from _change import revert, runs"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def undone_by_its_timer(runs: Runs, etc: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run of which a batch waited for too long; whoever undoes it may be killed meanwhile."""
    monkeypatch.setattr(module.timer, "arm", lambda *args, **options: None)
    run = make(runs, "one", plan(etc), finish=False, revert_after=60)
    now = time.monotonic()
    monkeypatch.setattr("time.monotonic", lambda: now + 61)
    return run


def test_timer_that_is_killed_when_it_has_undone_a_batch_keeps_nobody_from_hearing_of_it(
    runs: Runs, etc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = undone_by_its_timer(runs, etc, monkeypatch)
    batch = run.batches()[0]
    undo = type(batch).revert

    def killed(one: t.Any) -> t.NoReturn:
        undo(one)
        raise KeyboardInterrupt

    monkeypatch.setattr(type(batch), "revert", killed)
    with pytest.raises(KeyboardInterrupt):
        revert.main([f"{run.directory}/revert", "--armed"])
    assert (etc / "a").read_text() == "old" and run.state == "open"
    with pytest.raises(RunError, match="the host has undone it"):
        runs.begin("one", OWNER, keep=True)


@pytest.mark.parametrize("years", [3, -3])
def test_order_of_runs_is_not_the_clocks(runs: Runs, etc: Path, monkeypatch: pytest.MonkeyPatch, years: int) -> None:
    make(runs, "one", plan(etc))
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + years * 365 * 86400)
    make(runs, "two", plan(etc, "newer"))
    assert [run.id for run in runs.all()] == ["one", "two"]
    with pytest.raises(RunError, match=r"run two changed .*/a later"):
        runs.revert("one")


def test_what_is_no_run_stops_none_and_counts_for_nobody(runs: Runs, etc: Path) -> None:
    make(runs, "one", plan(etc))
    directory = Path(runs.base, "runs")
    (directory / "notes.txt").write_text("by hand")
    (directory / ".hidden").mkdir()
    (directory / ".hidden/run.json").write_text(json.dumps({"machine": "", "created": 0}))
    (directory / "odd").mkdir()
    (directory / "odd/run.json").write_text("{}")
    make(runs, "two", plan(etc, "newer"), finish=False)
    assert [run.id for run in runs.all()] == ["one", "two"] and (directory / "notes.txt").exists()
    assert is_any_open(runs.base) and [run.id for run in runs.open_runs()] == ["two"]
    runs.confirm(Run(runs.base, "two"), finish=True)
    assert not is_any_open(runs.base)


def test_line_for_which_there_is_no_room_is_an_error_not_a_torn_line(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _said = runs.begin("one", OWNER)
    write = os.write
    monkeypatch.setattr("os.write", lambda descriptor, line: write(descriptor, line[:5]))
    with pytest.raises(OSError, match="No space left") as caught:
        run.journal.write("finished")
    assert caught.value.errno == errno.ENOSPC


@pytest.mark.parametrize("end", ["failed", "killed"])
def test_command_that_failed_or_was_killed_leaves_nothing_that_it_made(
    runs: Runs, etc: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    (etc / "mine").write_text("from before")
    script = f"echo made > {etc}/c; echo do >> {etc}/log; exit {1 if end == 'failed' else 0}"
    command = Command(["sh", "-c", script], undo=["sh", "-c", f"echo undo >> {etc}/log"], saves=[f"{etc}/[cm]*"])
    if end == "failed":
        with pytest.raises(ChangeError, match="all was undone"):
            make(runs, "one", Plan("load", commands=[command]))
    else:
        run = make(runs, "one", Plan("load", commands=[command]), finish=False)
        (batch,) = run.batches()
        journal = Path(batch.journal.path)
        lines = journal.read_text().splitlines(keepends=True)
        journal.write_text("".join(lines[: next(i for i, line in enumerate(lines) if '"made"' in line)]))
        assert batch.revert() == []
    assert sorted(path.name for path in etc.iterdir()) == ["a", "log", "mine"]
    assert (etc / "log").read_text() == "do\nundo\n"


def test_room_to_undo_a_batch_is_held_until_it_is_kept(runs: Runs, etc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.timer, "arm", lambda *args, **options: None)
    (etc / "a").write_text("o" * 300_000)
    run = make(runs, "one", plan(etc), finish=False, revert_after=60)
    held = Path(run.batches()[0].directory, "reserve")
    assert held.stat().st_blocks * 512 > 300_000
    runs.begin("one", OWNER, keep=True)
    assert not held.exists()
    last, _difference, _said = apply_batch(run, plan(etc, "newer"), revert_after=0)
    assert last and not Path(last.directory, "reserve").exists()


def test_next_run_removes_what_killed_writers_left_in_records_and_beside_units(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "units").mkdir()
    monkeypatch.setattr(timer, "DIRECTORY", str(tmp_path / "units"))
    run, _said = runs.begin("one", OWNER)
    runs.confirm(run, finish=True)
    left = [Path(directory, ".unified-1-1-ab") for directory in (run.directory, timer.DIRECTORY)]
    for path in left:
        path.touch()
    runs.begin("two", OWNER)
    assert not any(path.exists() for path in left)


def test_late_word_of_a_run_that_has_ended_leaves_the_timer_of_the_next(
    runs: Runs, etc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its controller keeps the evidence after it in a call of its own; another's batch may wait for a login by then."""
    disarmed: list[str] = []
    monkeypatch.setattr(module.timer, "arm", lambda *args, **options: None)
    first = make(runs, "one", plan(etc))
    make(runs, "two", plan(etc, "newer"), finish=False, revert_after=60)
    monkeypatch.setattr(module.timer, "disarm", lambda: disarmed.append("timer"))
    runs.confirm(first, finish=True)
    with pytest.raises(LiveOwnerError, match="run two of anna"):
        runs.revert("one")
    assert disarmed == [] and (etc / "a").read_text() == "newer"
    runs.confirm(Run(runs.base, "two"), finish=True)
    assert disarmed == ["timer"]


def test_run_is_reverted_when_what_a_dead_one_left_is_undone(
    runs: Runs, etc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.timer, "arm", lambda *args, **options: None)
    make(runs, "one", plan(etc))
    make(runs, "two", plan(etc, "newer"), finish=False, revert_after=60)
    assert runs.revert("one", dead=["two"])[0] == ["run two, batch 01-files: undone, for nobody confirmed it"]
    assert (etc / "a").read_text() == "old"


def test_lock_is_held_where_there_is_no_room_to_say_by_whom(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> t.NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.pwrite", full)
    with runs.lock("one"), pytest.raises(RunError, match="another process changes this host: its name is not written"):
        runs.lock("two", timeout=0).__enter__()
