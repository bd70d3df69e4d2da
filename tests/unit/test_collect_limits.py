"""The collector's limits: time, memory, what programs print, and what is no regular file."""

from __future__ import annotations

import gc
import os
import resource
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._collect import child as _child
from ansible_collections.unified.deploy.plugins.module_utils._collect import collector, command, home, readers
from ansible_collections.unified.deploy.plugins.module_utils._collect.paths import shown
from ansible_collections.unified.deploy.plugins.module_utils._collect.section import Reader, Section


class Hanging(Reader):
    def read(self) -> Section:
        time.sleep(60)
        return Section({})


class Greedy(Reader):
    def read(self) -> Section:
        # A little more than the limit, which a machine without one gives.
        return Section(len(bytearray(collector.MEMORY + (1 << 26))))


class Broken(Reader):
    def __init__(self, request: None = None) -> None:
        raise OSError(5, "Input/output error")


class Ending(Reader):
    def read(self) -> Section:
        os._exit(9)


class Process(Reader):
    def read(self) -> Section:
        return Section({"garbage": gc.isenabled(), "memory": resource.getrlimit(resource.RLIMIT_DATA)[0]})


class Quick(Reader):
    def read(self) -> Section:
        return Section({"seen": True})


def collected(monkeypatch: pytest.MonkeyPatch, limit: float = 20, **fakes: type[Reader]) -> dict[str, t.Any]:
    monkeypatch.setattr(readers, "READERS", fakes)
    document = collector.collect(dict.fromkeys(fakes), limit=limit)
    return t.cast("dict[str, t.Any]", document["sections"])


def test_section_that_hangs_costs_itself_and_what_comes_later(monkeypatch: pytest.MonkeyPatch) -> None:
    started = time.monotonic()
    sections = collected(monkeypatch, limit=1, host=Quick, home=Hanging)
    assert time.monotonic() - started < 10
    assert sections["host"] == {"items": {"seen": True}, "whole": True, "left_out": {}}
    assert sections["home"]["items"] is None
    assert "longer than 1 s" in sections["home"]["left_out"][""]


def test_section_that_needs_too_much_memory_costs_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    sections = collected(monkeypatch, account=Greedy, file=Quick)
    assert sections["account"]["left_out"][""].startswith("MemoryError")
    assert sections["file"]["whole"]


def test_reader_that_cannot_start_costs_its_section(monkeypatch: pytest.MonkeyPatch) -> None:
    sections = collected(monkeypatch, account=Broken, file=Quick)
    assert "Input/output error" in sections["account"]["left_out"][""]
    assert sections["file"]["whole"]


def test_longest_program_does_not_wait_for_the_other_readers_to_be_imported() -> None:
    package = collector.__name__.rpartition(".")[0]
    code = f"import sys; from {collector.__name__} import LONGEST; print('{package}.readers' in sys.modules, *LONGEST)"
    env = {"PYTHONPATH": str(Path(collector.__file__).parents[6])}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "aide_rules"], done.stderr


def test_only_the_collectors_own_process_is_set_up_for_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    own = collected(monkeypatch, host=Process)["host"]["items"]
    assert own["garbage"] is False and 0 < own["memory"] <= collector.MEMORY
    before = resource.getrlimit(resource.RLIMIT_DATA)
    try:
        assert [name for name, _section, _seconds in collector._sections({"host": None})] == ["host"]
        assert (gc.isenabled(), resource.getrlimit(resource.RLIMIT_DATA)) == (True, before)
    finally:
        gc.enable()


def test_section_that_nothing_reads_is_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "READERS", {"file": Quick})
    sections = collector.collect({"file": None, "fiel": None})["sections"]
    assert sections["file"]["whole"]
    assert sections["fiel"] == {
        "items": None,
        "whole": False,
        "left_out": {"": "nothing reads such a section; there are file"},
    }


@pytest.mark.parametrize(
    ("apart", "reason"),
    [(Broken, "OSError: [Errno 5] Input/output error"), (Greedy, "MemoryError: "), (Ending, "its reader ended early")],
)
def test_section_read_in_a_process_of_its_own_costs_itself(
    monkeypatch: pytest.MonkeyPatch, apart: type[Reader], reason: str
) -> None:
    monkeypatch.setattr(collector, "APART", ("service", "host"))
    sections = collected(monkeypatch, service=apart, host=Quick, file=Quick)
    assert sections["service"] == {"items": None, "whole": False, "left_out": {"": reason}}
    assert sections["host"] == sections["file"] == {"items": {"seen": True}, "whole": True, "left_out": {}}


def test_home_that_hangs_costs_that_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "home_facts", lambda path: time.sleep(60) if path == "/dead" else ({"path": path}, {}))
    started = time.monotonic()
    answers, left_out = home.look([("one", "/a"), ("two", "/dead"), ("three", "/b")], seconds=0.5)
    assert time.monotonic() - started < 10
    assert set(answers) == {"one", "three"}
    assert "did not answer" in left_out["/dead"]


def test_home_that_ends_its_reader_costs_that_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "home_facts", lambda path: os._exit(9) if path == "/bad" else ({"path": path}, {}))
    answers, left_out = home.look([("one", "/bad"), ("two", "/b")])
    assert (set(answers), set(left_out)) == ({"two"}, {"/bad"})


def test_child_leaves_nothing_behind() -> None:
    child = _child.Child(lambda: iter([1, {"a": "\udcff"}]))
    assert [child.next(5), child.next(5)] == [1, {"a": "\udcff"}]
    with pytest.raises(EOFError):
        child.next(5)
    child.close()
    with pytest.raises(ChildProcessError):
        os.waitpid(child.pid, 0)


def test_program_that_prints_too_much_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "MOST_OUTPUT", 1 << 16)
    with pytest.raises(command.CommandError, match="printed more than"):
        command.Command("sh", "-c", "sleep 0.3; exec yes").output()


def test_pipe_and_device_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(OSError, match="not a regular file"):
            command.read(str(path))


def test_null_device_masks_a_file_and_a_large_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "masked").symlink_to("/dev/null")
    assert command.read(str(tmp_path / "masked")) == ""
    (tmp_path / "large").write_bytes(b"x" * 2000)
    with pytest.raises(OSError, match="larger than"):
        command.read_bytes(str(tmp_path / "large"), 1000)


def test_kernel_parameters_are_read_in_small_pieces() -> None:
    """The kernel refuses to fill a large buffer with one: every live value was missing."""
    assert command.read("/proc/sys/net/ipv4/ip_forward") in ("0\n", "1\n")


@pytest.mark.parametrize(
    ("name", "evidence"),
    [
        ("plain.log", "plain.log"),
        ("grün 🦊", "grün 🦊"),
        ("{{ 7*7 }} '\"", "{{ 7*7 }} '\""),
        ("a\nb", "a\\nb"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("caf\udce9", "caf\\udce9"),
        ("back\\slash", "back\\\\slash"),
        ("\\n", "\\\\n"),
    ],
)
def test_name_is_kept_as_it_can_be_shown_and_told_apart(name: str, evidence: str) -> None:
    assert shown(name) == evidence
    assert shown(name).isprintable()
