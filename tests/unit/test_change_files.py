"""The one writer of files, and paths that nobody else can redirect."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._change import files, programs
from ansible_collections.unified.deploy.plugins.module_utils._change.attributes import Wish, look
from ansible_collections.unified.deploy.plugins.module_utils._change.errors import ChangeError, PathError
from ansible_collections.unified.deploy.plugins.module_utils._change.files import (
    Staged,
    Wanted,
    attributes_set,
    replace,
)
from ansible_collections.unified.deploy.plugins.module_utils._change.paths import (
    locate,
    make_directories,
    trust,
    trusted_program,
)
from ansible_collections.unified.deploy.plugins.module_utils._change.record import make_private


def open_to_all(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o777)
    return path


def names(path: Path) -> list[str]:
    return sorted(str(entry.relative_to(path)) for entry in path.rglob("*"))


def test_link_of_ours_is_followed_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/a").write_text("old")
    (tmp_path / "way").symlink_to("real")
    (tmp_path / "real/b").symlink_to(tmp_path / "real/a")
    replace(Wanted(str(tmp_path / "way/b"), b"new"))
    assert (tmp_path / "real/b").is_symlink() and (tmp_path / "real/a").read_text() == "new"


@pytest.mark.parametrize("name", ["shared/link", "shared/way/victim"])
def test_link_where_others_can_write_is_refused(tmp_path: Path, name: str) -> None:
    shared = open_to_all(tmp_path / "shared")
    (tmp_path / "victim").write_text("precious")
    (shared / "link").symlink_to(tmp_path / "victim")
    (shared / "way").symlink_to(tmp_path)
    with pytest.raises(PathError, match="symbolic link that another user can exchange: not followed"):
        replace(Wanted(str(tmp_path / name), b"bad"))
    assert (tmp_path / "victim").read_text() == "precious"
    assert names(tmp_path) == ["shared", "shared/link", "shared/way", "victim"]


def test_strict_walk_refuses_a_directory_of_others(tmp_path: Path) -> None:
    open_to_all(tmp_path / "shared/below")
    with pytest.raises(PathError, match=r"others than root can write to .*/shared/below"):
        locate(str(tmp_path / "shared/below/file"), trust(strict=True))


def test_sticky_directory_is_safe_for_what_is_ours(tmp_path: Path) -> None:
    sticky = tmp_path / "sticky"
    (sticky / "ours").mkdir(parents=True)
    sticky.chmod(0o1777)
    with locate(str(sticky / "ours/a"), trust(strict=True)) as place:
        assert place.closed


@pytest.mark.parametrize("path", ["relative", "/a/../b", "/a\0b"])
def test_paths_that_are_none_are_refused(path: str) -> None:
    with pytest.raises(PathError, match="no absolute path"):
        locate(path, trust())


def test_circle_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(PathError, match="too many symbolic links"):
        locate(str(tmp_path / "a/x"), trust())


@pytest.mark.parametrize("make", ["fifo", "directory", "device"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, make: str) -> None:
    target = tmp_path / "a"
    if make == "fifo":
        os.mkfifo(target)
    elif make == "directory":
        target.mkdir()
    else:
        target = Path("/dev/null")
    with pytest.raises(OSError, match=r"no regular file|Permission denied"), locate(str(target), trust()) as place:
        files.read(place)


def test_hard_link_in_a_shared_place_is_refused(tmp_path: Path) -> None:
    shared = open_to_all(tmp_path / "shared")
    (tmp_path / "victim").write_text("precious")
    os.link(tmp_path / "victim", shared / "name")
    with pytest.raises(PathError, match="has another name"):
        attributes_set(Wanted(str(shared / "name"), b"", 0o666, os.geteuid(), os.getegid()))
    assert stat.S_IMODE((tmp_path / "victim").stat().st_mode) != 0o666


def test_several_files_are_put_back_when_one_cannot_be_placed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text("old")
    real = os.replace

    def refuse(source: t.Any, target: t.Any, **options: t.Any) -> None:
        if target == "b":
            raise OSError(errno.EIO, "Input/output error", target)
        real(source, target, **options)

    monkeypatch.setattr(files.os, "replace", refuse)
    with pytest.raises(OSError, match="Input/output"):
        replace(*[Wanted(str(tmp_path / name), b"new") for name in ("new", "a", "b")])
    assert names(tmp_path) == ["a", "b"]
    assert {(tmp_path / name).read_text() for name in ("a", "b")} == {"old"}


def test_killed_writers_leftovers_go_with_the_next_write(tmp_path: Path) -> None:
    script = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from ansible_collections.unified.deploy.plugins.module_utils._change.files import Staged, Wanted\n"
        "Staged(Wanted(sys.argv[2], b'secret')); os.kill(os.getpid(), 9)"
    )
    root = os.path.abspath(files.__file__).split("ansible_collections")[0]
    subprocess.run([sys.executable, "-c", script, root, str(tmp_path / "a")], check=False)
    assert len(names(tmp_path)) == 1 and names(tmp_path)[0].startswith(".unified-")
    mine = Staged(Wanted(str(tmp_path / "other"), b""))
    replace(Wanted(str(tmp_path / "a"), b"new"))
    assert len(names(tmp_path)) == 2  # a living writer's stays
    mine.drop()
    assert names(tmp_path) == ["a"]


def test_attributes_are_set_by_descriptor(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    desired = Wanted(str(tmp_path / "a"), b"", 0o640, os.geteuid(), os.getegid())
    assert attributes_set(desired) and not attributes_set(desired)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
    with pytest.raises(FileNotFoundError):
        attributes_set(desired._replace(path=str(tmp_path / "none")))


def test_directories_get_their_mode_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        made = make_directories(str(tmp_path / "a/b/c"), 0o700)
    finally:
        os.umask(before)
    assert made == [str(tmp_path / name) for name in ("a", "a/b", "a/b/c")]
    assert {stat.S_IMODE(Path(path).stat().st_mode) for path in made} == {0o700}
    assert make_directories(str(tmp_path / "a/b/c"), 0o700) == []


def test_directories_are_not_made_through_a_link_of_others(tmp_path: Path) -> None:
    shared = open_to_all(tmp_path / "shared")
    (shared / "way").symlink_to(tmp_path)
    with pytest.raises(PathError, match="not followed"):
        make_directories(str(shared / "way/new"), 0o755)
    assert names(tmp_path) == ["shared", "shared/way"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_directory_of_records_that_another_has_made_before_is_refused(tmp_path: Path) -> None:
    sticky, foreign = tmp_path / "sticky", tmp_path / "sticky/records"
    foreign.mkdir(parents=True)
    sticky.chmod(0o1777)
    os.chown(foreign, 65534, 65534)
    with pytest.raises(PathError, match="others than root can write to it"):
        make_private(str(foreign))
    os.chown(foreign, 0, 0)
    assert make_private(str(foreign)) == str(foreign)


def test_name_in_a_sticky_directory_can_have_been_exchanged(tmp_path: Path) -> None:
    """Its own names everybody can exchange there: against another file of theirs, or a link of a file of root's."""
    sticky, victim = tmp_path / "sticky", tmp_path / "victim"
    sticky.mkdir()
    sticky.chmod(0o1777)
    victim.write_text("precious")
    victim.chmod(0o646)
    (sticky / "a").hardlink_to(victim)
    with pytest.raises(PathError, match="hard link"):
        look(Wish(str(sticky / "a"), mode="o-w"))
    (sticky / "a").unlink()
    (sticky / "a").write_text("theirs")
    (sticky / "a").chmod(0o666)
    facts = (sticky / "a").stat()
    with pytest.raises(PathError, match="no longer the file that was looked at"):
        look(Wish(str(sticky / "a"), mode="o-w", device=facts.st_dev, inode=facts.st_ino + 1))
    assert look(Wish(str(sticky / "a"), mode="o-w", device=facts.st_dev, inode=facts.st_ino))


def test_program_that_takes_too_long_is_named_and_ended() -> None:
    with pytest.raises(ChangeError, match="'sleep 60' took longer than 0 s and was ended"):
        programs.run(["sleep", "60"], timeout=0.1)


def test_what_a_killed_program_has_started_does_not_go_on(tmp_path: Path) -> None:
    script = f"(sleep 0.3; touch {tmp_path}/late) </dev/null >/dev/null 2>&1 & kill -KILL $$"
    assert programs.run(["sh", "-c", script]).code == -9
    time.sleep(0.6)
    assert not (tmp_path / "late").exists()


def test_programs_of_others_are_not_run(tmp_path: Path) -> None:
    program = tmp_path / "tool"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert trusted_program(str(program)) == str(program)
    program.chmod(0o777)
    with pytest.raises(PathError, match="others than root can write to it"):
        trusted_program(str(program))
    program.chmod(0o755)
    tmp_path.chmod(0o777)
    with pytest.raises(PathError, match="others than root can write to"):
        trusted_program(str(program))
    with pytest.raises(PathError, match="no-such-program: is not installed"):
        trusted_program("no-such-program")
    assert os.path.isabs(trusted_program("sh"))


@pytest.mark.parametrize(
    "content", [b"", b"no newline", b"crlf\r\n", b"latin \xe9\n", b"nul \0 bell \x07\n", "ü\n".encode()]
)
def test_shown_is_always_text_that_steers_no_terminal(content: bytes) -> None:
    said = files.shown(content)
    said.encode()
    assert all(char in "\n\t" or char.isprintable() for char in said)


def test_path_errors_are_both_kinds_of_error(tmp_path: Path) -> None:
    with pytest.raises(ChangeError) as caught:
        locate("x", trust())
    assert isinstance(caught.value, OSError)
    assert str(caught.value) == "x: is no absolute path without '..'"


def test_process_that_ended_unnoticed_is_gone() -> None:
    child = subprocess.Popen(["sleep", "60"])
    assert files.process_start(child.pid) > 0
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert files.process_start(child.pid) == 0
    child.wait()
