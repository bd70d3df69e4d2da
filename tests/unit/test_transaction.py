from __future__ import annotations

import errno
import os
import stat
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils import _transaction
from ansible_collections.unified.deploy.plugins.module_utils._transaction import Change, Transaction, TransactionError


@pytest.fixture
def owner(tmp_path: Path) -> dict[str, str]:
    return {"owner": tmp_path.owner(), "group": tmp_path.group()}


def everything(path: Path) -> dict[str, tuple[str, int, int]]:
    files = (p for p in path.rglob("*") if p.is_file())
    return {
        str(p.relative_to(path)): (p.read_text(), stat.S_IMODE(p.stat().st_mode), p.stat().st_mtime_ns) for p in files
    }


def test_writes_all_then_changes_nothing(tmp_path: Path, owner: t.Any) -> None:
    wanted = [Change(str(tmp_path / name), f"{name}\n", "0600", **owner) for name in ("a", "sub/b")]
    Transaction(wanted).apply()
    first = everything(tmp_path)
    assert {name: value[:2] for name, value in first.items()} == {"a": ("a\n", 0o600), "sub/b": ("sub/b\n", 0o600)}
    again = Transaction(wanted)
    assert again.changes() == []
    again.apply()
    assert everything(tmp_path) == first


def test_dry_run_leaves_nothing_behind(tmp_path: Path, owner: t.Any) -> None:
    Transaction([Change(str(tmp_path / "new/dir/a"), "x", **owner)]).apply(dry=True)
    assert list(tmp_path.iterdir()) == []


def test_one_refusing_validator_keeps_every_file(tmp_path: Path, owner: t.Any) -> None:
    (tmp_path / "a").write_text("old\n")
    before = everything(tmp_path)
    wanted = [
        Change(str(tmp_path / "a"), "new\n", **owner),
        Change(str(tmp_path / "b"), "bad\n", validate=["grep", "-q", "good", "%s"], **owner),
    ]
    with pytest.raises(TransactionError, match="b: 'grep' refuses the new text"):
        Transaction(wanted).apply()
    assert everything(tmp_path) == before


def test_missing_validator_is_named_and_nothing_changes(tmp_path: Path, owner: t.Any) -> None:
    with pytest.raises(TransactionError, match="its validator 'no-such-program' is not installed"):
        Transaction([Change(str(tmp_path / "a"), "x", validate=["no-such-program", "%s"], **owner)]).apply()
    assert list(tmp_path.iterdir()) == []


def test_failing_rename_restores_what_was_renamed(
    tmp_path: Path, owner: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(f"old {name}\n")
    before = {name: value[:2] for name, value in everything(tmp_path).items()}
    real = os.replace

    def refuse(source: str, target: str) -> None:
        if target.endswith("/b") and ".unified-old" not in source:
            raise OSError(errno.EIO, "Input/output error", target)
        real(source, target)

    monkeypatch.setattr(_transaction.os, "replace", refuse)
    with pytest.raises(TransactionError, match="nothing was changed"):
        Transaction([Change(str(tmp_path / "a"), "new", **owner), Change(str(tmp_path / "b"), "new", **owner)]).apply()
    assert {name: value[:2] for name, value in everything(tmp_path).items()} == before


def test_removal_and_backup_keep_the_original(tmp_path: Path, owner: t.Any) -> None:
    # As some hosts run Ansible's modules: the test on real hosts found world-writable directories.
    before = os.umask(0)
    target = tmp_path / "etc/a"
    target.parent.mkdir()
    target.write_text("precious\n")
    Transaction([Change(str(target), None, **owner)], backup=str(tmp_path / "backup")).apply()
    os.umask(before)
    assert not target.exists()
    assert Path(f"{tmp_path}/backup{target}").read_text() == "precious\n"
    made = [path for path in [tmp_path / "backup", *(tmp_path / "backup").rglob("*")] if path.is_dir()]
    assert len(made) > 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o700}


def test_stricter_mode_is_left_alone(tmp_path: Path, owner: t.Any) -> None:
    target = tmp_path / "a"
    target.write_text("old")
    target.chmod(0o600)
    Transaction([Change(str(target), "new", "0644", **owner)]).apply()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_link_is_followed_not_replaced(tmp_path: Path, owner: t.Any) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    Transaction([Change(str(tmp_path / "link"), "new", **owner)]).apply()
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_text() == "new"


def test_path_given_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TransactionError, match="stands twice"):
        Transaction([Change(str(tmp_path / "a"), "x"), Change(str(tmp_path / "a"), "y")]).changes()


@pytest.mark.parametrize("text", ["", "no newline", "crlf\r\n", "b\udcffad\n"])
def test_texts_survive_byte_for_byte(tmp_path: Path, owner: t.Any, text: str) -> None:
    target = tmp_path / "a"
    Transaction([Change(str(target), text, **owner)]).apply()
    assert target.read_bytes() == text.encode(errors="surrogateescape")
    assert Transaction([Change(str(target), text, **owner)]).changes() == []
