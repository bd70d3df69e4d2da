"""Several files changed together or not at all; what happens to a killed one is in tests/faults."""

from __future__ import annotations

import errno
import os
import stat
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._change import transaction as module
from ansible_collections.unified.deploy.plugins.module_utils._change.errors import ChangeError, PathError, StaleError
from ansible_collections.unified.deploy.plugins.module_utils._change.files import ABSENT, digest
from ansible_collections.unified.deploy.plugins.module_utils._change.fileset import Outcome, apply_files
from ansible_collections.unified.deploy.plugins.module_utils._change.transaction import Check, Planned

root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: other owners, mount namespaces, attributes of files")
OWN = {"owner": os.geteuid(), "group": os.getegid()}


@pytest.fixture
def base(tmp_path: Path) -> str:
    return str(tmp_path / "records")


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    return tmp_path / "etc"


def apply(base: str, *files: Planned, **options: t.Any) -> Outcome:
    return apply_files([file._replace(**OWN) for file in files], base=base, **options)


def everything(path: Path) -> dict[str, tuple[bytes, int, int]]:
    files = (p for p in path.rglob("*") if p.is_file())
    return {
        str(p.relative_to(path)): (p.read_bytes(), stat.S_IMODE(p.stat().st_mode), p.stat().st_mtime_ns) for p in files
    }


def leftovers(base: str) -> list[str]:
    return [str(path) for path in Path(base).rglob("*") if path.name not in ("lock", "transactions")]


def test_writes_all_then_changes_nothing(base: str, etc: Path) -> None:
    planned = [Planned(str(etc / name), f"{name}\n".encode(), 0o600) for name in ("a", "sub/b")]
    assert [change.path for change in apply(base, *planned).changes] == [str(etc / "a"), str(etc / "sub/b")]
    first = everything(etc)
    assert {name: row[:2] for name, row in first.items()} == {"a": (b"a\n", 0o600), "sub/b": (b"sub/b\n", 0o600)}
    assert apply(base, *planned).changes == []
    assert everything(etc) == first
    assert leftovers(base) == []


def test_dry_run_validates_and_leaves_nothing_behind(tmp_path: Path, base: str, etc: Path) -> None:
    apply(base, Planned(str(etc / "new/dir/a"), b"x", validate=["grep", "-q", "x", "%s"]), dry=True)
    with pytest.raises(ChangeError, match="refuses the new text"):
        apply(base, Planned(str(etc / "a"), b"y", validate=["grep", "-q", "x", "%s"]), dry=True)
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["etc"]


def test_one_refusing_validator_keeps_every_file(base: str, etc: Path) -> None:
    (etc / "a").write_text("old\n")
    before = everything(etc)
    planned = [
        Planned(str(etc / "a"), b"new\n"),
        Planned(str(etc / "b"), b"bad\n", validate=["grep", "-q", "good", "%s"]),
    ]
    with pytest.raises(ChangeError, match="b: 'grep' refuses the new text"):
        apply(base, *planned)
    assert everything(etc) == before
    assert leftovers(base) == []


def test_missing_validator_is_named_and_nothing_changes(base: str, etc: Path) -> None:
    with pytest.raises(ChangeError, match="no-such-program: is not installed"):
        apply(base, Planned(str(etc / "a"), b"x", validate=["no-such-program", "%s"]))
    assert list(etc.iterdir()) == [] and leftovers(base) == []


@root
def test_check_sees_all_new_files_in_their_places(base: str, etc: Path) -> None:
    (etc / "sub").mkdir()
    for name in ("a", "sub/b", "gone"):
        (etc / name).write_text("old ")
    planned = [
        Planned(str(etc / "a"), b"new "),
        Planned(str(etc / "sub/c"), b"more "),
        Planned(str(etc / "gone"), None),
    ]
    script = f"cd {etc} && cat a sub/b sub/c && ! test -e gone"
    outcome = apply(base, *planned, checks=[Check(["sh", "-c", script], [str(etc)])])
    assert outcome.said == ["new old more "]
    refusing = Check(["sh", "-c", f"grep -q old {etc}/a || {{ echo no old; exit 3; }}"], [str(etc)])
    with pytest.raises(ChangeError, match="refuses the new files: no old; nothing was changed"):
        apply(base, Planned(str(etc / "a"), b"newer"), checks=[refusing])
    assert (etc / "a").read_text() == "new " and leftovers(base) == []


def test_failing_rename_restores_what_was_renamed(base: str, etc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        (etc / name).write_text(f"old {name}\n")
        os.utime(etc / name, ns=(1, 10**18))
    before = everything(etc)
    real, calls = os.rename, []

    def refuse(source: str, target: str, **options: t.Any) -> None:
        calls.append(target)
        if calls.count("b") == 1 and target == "b":
            raise OSError(errno.EIO, "Input/output error", target)
        real(source, target, **options)

    monkeypatch.setattr(module.os, "rename", refuse)
    with pytest.raises(ChangeError, match="b could not be put in place: Input/output error"):
        apply(base, *[Planned(str(etc / name), b"new") for name in ("new/dir/c", "a", "b")])
    assert everything(etc) == before
    assert not (etc / "new").exists() and leftovers(base) == []


def test_stricter_mode_is_left_alone(base: str, etc: Path) -> None:
    (etc / "a").write_text("old")
    (etc / "a").chmod(0o600)
    apply(base, Planned(str(etc / "a"), b"new", 0o644))
    assert stat.S_IMODE((etc / "a").stat().st_mode) == 0o600


def test_link_of_root_is_followed_not_replaced(base: str, etc: Path) -> None:
    (etc / "real").write_text("old")
    (etc / "link").symlink_to(etc / "real")
    apply(base, Planned(str(etc / "link"), b"new"))
    assert (etc / "link").is_symlink() and (etc / "real").read_text() == "new"


def test_two_names_of_one_file_are_refused(base: str, etc: Path) -> None:
    (etc / "real").write_text("old")
    (etc / "link").symlink_to(etc / "real")
    for names in (("real", "real"), ("real", "link")):
        with pytest.raises(ChangeError, match="stands twice"):
            apply(base, *[Planned(str(etc / name), name.encode() * number) for number, name in enumerate(names, 2)])


def test_directory_of_others_refuses_the_whole_unless_not_required(base: str, etc: Path) -> None:
    shared = etc / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    planned = [Planned(str(etc / "a"), b"x"), Planned(str(shared / "b"), b"x")]
    with pytest.raises(ChangeError, match=r"others than root can write to .*shared.*nothing was changed"):
        apply(base, *planned)
    assert not (etc / "a").exists()
    outcome = apply(base, planned[0], planned[1]._replace(required=False))
    assert [row["path"] for row in outcome.refused] == [str(shared / "b")]
    assert (etc / "a").exists() and not (shared / "b").exists()


def test_pipe_in_place_of_a_file_is_refused_at_once(base: str, etc: Path) -> None:
    os.mkfifo(etc / "a")
    with pytest.raises(ChangeError, match="no regular file"):
        apply(base, Planned(str(etc / "a"), None))
    assert stat.S_ISFIFO((etc / "a").lstat().st_mode)


def test_file_that_is_not_what_it_was_planned_from_is_stale(base: str, etc: Path) -> None:
    (etc / "a").write_text("theirs")
    planned = [Planned(str(etc / "a"), b"ours", digest=digest(b"old")), Planned(str(etc / "b"), b"ours", digest=ABSENT)]
    with pytest.raises(StaleError, match="Plan again") as caught:
        apply(base, *planned)
    assert caught.value.paths == [str(etc / "a")]
    assert (etc / "a").read_text() == "theirs" and not (etc / "b").exists()
    apply(base, planned[0]._replace(digest=digest(b"theirs")), planned[1])
    assert apply(base, *planned).changes == []  # what is as wanted is not stale


def test_file_that_changes_between_staging_and_rename_stays(
    base: str, etc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (etc / "a").write_text("old")
    real = module.Transaction.commit

    def late(self: t.Any) -> None:
        (etc / "a").write_text("theirs")
        real(self)

    monkeypatch.setattr(module.Transaction, "commit", late)
    (etc / "b").write_text("old")
    with pytest.raises(ChangeError, match="changed by somebody else in the meantime"):
        apply(base, Planned(str(etc / "b"), b"ours"), Planned(str(etc / "a"), b"ours"))
    assert (etc / "a").read_text() == "theirs" and (etc / "b").read_text() == "old"


@pytest.mark.parametrize(
    "content", [b"", b"no newline", b"crlf\r\n", b"latin \xe9\n", b"nul \0\n", b"x" * 10_000_000], ids=range(6)
)
def test_bytes_survive(base: str, etc: Path, content: bytes) -> None:
    apply(base, Planned(str(etc / "a"), content))
    assert (etc / "a").read_bytes() == content
    assert apply(base, Planned(str(etc / "a"), content)).changes == []


@root
def test_access_list_and_attributes_stay_and_capabilities_go(base: str, etc: Path) -> None:
    target = etc / "a"
    target.write_text("old")
    try:
        os.setxattr(target, "user.note", b"kept")
    except OSError:
        pytest.skip("this file system has no attributes of users")
    os.chown(target, 1234, 4321)
    os.utime(target, ns=(1, 10**18))
    apply(base, Planned(str(target), b"new", 0o644, keep_times=True))
    assert os.getxattr(target, "user.note") == b"kept"
    assert (target.stat().st_uid, target.stat().st_gid) == (1234, 4321)
    assert target.stat().st_mtime_ns == 10**18


@root
def test_other_file_system_is_staged_on_it_and_left_clean(base: str, tmp_path: Path) -> None:
    shm = Path("/dev/shm") / f"unified-{os.getpid()}"
    if not shm.parent.is_dir() or shm.parent.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("/dev/shm is no file system of its own")
    shm.mkdir()
    others = set(shm.parent.glob(".unified-*"))
    try:
        apply(base, Planned(str(shm / "a"), b"new"))
        assert (shm / "a").read_bytes() == b"new"
        assert not set(shm.parent.glob(".unified-*")) - others
    finally:
        (shm / "a").unlink()
        shm.rmdir()


def test_second_writer_is_told_who_holds_the_lock(base: str, etc: Path) -> None:
    from ansible_collections.unified.deploy.plugins.module_utils._change.lock import Lock

    with Lock(base, "a drill"), pytest.raises(ChangeError, match=rf"process {os.getpid()} \(a drill\), since 0 s"):
        apply(base, Planned(str(etc / "a"), b"x"), timeout=0)
    apply(base, Planned(str(etc / "a"), b"x"), timeout=0)


def test_record_below_a_directory_of_others_is_refused(etc: Path, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(PathError, match="others than root can write"):
        apply(str(tmp_path / "open/records"), Planned(str(etc / "a"), b"x"))
