"""Attributes, access lists and texts, of directories made by the test."""

from __future__ import annotations

import json
import os
import shutil
import stat
import struct
import types
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils import _url
from ansible_collections.unified.deploy.plugins.module_utils._change import options
from ansible_collections.unified.deploy.plugins.module_utils._collect import apt, command, home, paths, text
from ansible_collections.unified.deploy.plugins.module_utils._collect import file as _file
from ansible_collections.unified.deploy.plugins.module_utils._collect.section import Section

NAMES = [b"caf\xe9.log", b"new\nline.log", b"'quote\".log", b"{{ x }}.log", b"\x1b]0;title\x07.log", b"n" * 255]


def matched(
    directory: Path, pattern: str = "/**", excluded: t.Sequence[str] = (), includes: str = ""
) -> tuple[dict[str, t.Any], Section]:
    whole = f"{directory}{pattern}"
    section = _file.Files({whole: {"except": list(excluded), "includes": includes}}).read()
    json.dumps(section.as_dict(), ensure_ascii=False).encode()
    return section.items[whole], section


def test_last_of_many_logs_is_seen(tmp_path: Path) -> None:
    for number in range(2100):
        (tmp_path / f"{number:04}.log").touch(mode=0o640)
    (tmp_path / "zz.log").touch()
    (tmp_path / "zz.log").chmod(0o666)
    files, section = matched(tmp_path)
    assert files[f"{tmp_path}/zz.log"]["mode"] == "0666"
    assert len(files) == 2101
    assert section.whole


def test_hundred_thousand_logs_are_all_looked_at(tmp_path: Path) -> None:
    for number in range(100_000):
        os.mknod(tmp_path / f"{number:06}.log", 0o640 | stat.S_IFREG)
    (tmp_path / "777777.log").touch()
    (tmp_path / "777777.log").chmod(0o666)
    files, section = matched(tmp_path)
    assert files[f"{tmp_path}/777777.log"]["mode"] == "0666"
    assert sum(1 + facts.get("more", 0) for facts in files.values()) == 100_001
    assert len(files) == _file.MOST + 1 and section.whole


def test_directory_that_others_may_change_is_told_of_its_files_but_not_of_logs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    for name in ("open/a.conf", "b.conf"):
        (tmp_path / name).touch(mode=0o640)
    monkeypatch.setattr(_file, "why_unsafe", lambda directory: "open" if directory.endswith("/open") else "")
    files, _section = matched(tmp_path)
    assert files[f"{tmp_path}/open/a.conf"]["unsafe"] == "open" and "unsafe" not in files[f"{tmp_path}/b.conf"]
    monkeypatch.setattr(_file, "LOGS", (f"{tmp_path}/",))
    files, _section = matched(tmp_path)
    assert "unsafe" not in files[f"{tmp_path}/open/a.conf"]


def test_what_sshd_includes_from_elsewhere_is_one_of_its_drop_ins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main, drop_in, other = (tmp_path / name for name in ("sshd_config", "a.conf", "site"))
    main.write_text(f"Include {tmp_path}/*.conf\nInclude {other}\n")
    for path in (drop_in, other):
        path.write_text("LogLevel INFO\n")
    other.chmod(0o666)
    monkeypatch.setattr(_file, "SSHD", str(main))
    assert matched(tmp_path, "/*.conf")[0].keys() == {str(drop_in)}
    files, _section = matched(tmp_path, "/*.conf", includes="sshd")
    assert {path: facts["mode"] for path, facts in files.items()} == {str(drop_in): "0644", str(other): "0666"}


def test_files_beyond_the_list_are_counted_with_those_they_are_like(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_file, "MOST", 10)
    for number in range(100):
        (tmp_path / f"{number:04}.log").touch()
        (tmp_path / f"{number:04}.log").chmod(0o666 if number % 2 else 0o640)
    files, section = matched(tmp_path)
    assert len(files) == 20
    assert sum(1 + facts.get("more", 0) for facts in files.values()) == 100
    assert {facts["mode"] for facts in files.values()} == {"0640", "0666"}
    assert section.whole


@pytest.mark.parametrize("name", NAMES)
def test_odd_name_is_listed_and_can_be_shown(tmp_path: Path, name: bytes) -> None:
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))).touch(mode=0o640)
    files, section = matched(tmp_path)
    (path,) = files
    assert path.isprintable()
    assert section.whole


def test_file_that_vanishes_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("gone.log", "here.log"):
        (tmp_path / name).touch()
    real = os.lstat

    def lstat(path: t.Any, **options: t.Any) -> os.stat_result:
        if str(path).endswith("gone.log"):
            raise FileNotFoundError(2, "No such file or directory", path)
        return real(path, **options)

    monkeypatch.setattr(os, "lstat", lstat)
    files, section = matched(tmp_path)
    assert list(files) == [f"{tmp_path}/here.log"]
    assert section.whole


@pytest.mark.parametrize(
    ("swap", "kind"),
    [
        (lambda path: path.symlink_to("/etc/shadow"), "link"),
        (lambda path: os.mkfifo(path, 0o640), "other"),
        pytest.param(
            lambda path: os.mknod(path, 0o640 | stat.S_IFCHR, os.makedev(1, 9)),
            "other",
            marks=pytest.mark.skipif(os.geteuid() != 0, reason="making a device needs root"),
        ),
    ],
    ids=["link", "pipe", "device"],
)
def test_file_that_is_swapped_after_it_was_listed_is_told_as_what_it_is_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swap: t.Callable[[Path], None], kind: str
) -> None:
    log = tmp_path / "swapped.log"
    log.touch(mode=0o640)
    real = os.lstat

    def lstat(path: t.Any, **options: t.Any) -> os.stat_result:
        if str(path) == str(log) and log.is_file() and not log.is_symlink():
            log.unlink()
            swap(log)
        return real(path, **options)

    monkeypatch.setattr(os, "lstat", lstat)
    files, section = matched(tmp_path)
    assert (files[str(log)]["type"], section.whole) == (kind, True)


def test_file_that_cannot_be_read_costs_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("bad.log", "here.log"):
        (tmp_path / name).touch()

    def access_list(path: str) -> list[str]:
        if path.endswith("bad.log"):
            raise OSError(5, "Input/output error")
        return []

    monkeypatch.setattr(_file, "access_list", access_list)
    files, section = matched(tmp_path)
    assert list(files) == [f"{tmp_path}/here.log"]
    assert section.left_out == {f"{tmp_path}/bad.log": "Input/output error"}


def test_directory_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "closed").mkdir()
    real = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: _denied() if path.endswith("closed") else real(path))
    files, section = matched(tmp_path)
    assert files == {}
    assert section.left_out == {f"{tmp_path}/closed": "Permission denied"}
    assert _file.covers(f"{tmp_path}/**", f"{tmp_path}/closed")
    assert not _file.covers("/etc/passwd", f"{tmp_path}/closed")


def _denied() -> t.NoReturn:
    raise PermissionError(13, "Permission denied")


def test_link_has_what_it_leads_to(tmp_path: Path) -> None:
    logs, elsewhere = tmp_path / "log", tmp_path / "srv"
    (elsewhere / "app").mkdir(parents=True)
    logs.mkdir()
    for path in (logs / "plain.log", elsewhere / "open.log", elsewhere / "app" / "deep.log"):
        path.touch()
        path.chmod(0o666)
    (logs / "link.log").symlink_to("../srv/open.log")
    (logs / "app").symlink_to(elsewhere / "app")
    (logs / "again").symlink_to(logs / "app")
    (logs / "circle").symlink_to(logs)
    (logs / "gone.log").symlink_to("/nowhere")
    (logs / "null.log").symlink_to("/dev/null")
    (logs / "README").symlink_to("/usr/lib/os-release")
    (logs / "same.log").symlink_to("plain.log")
    files, section = matched(logs)
    assert section.whole
    targets = {path.removeprefix(f"{logs}/"): facts.get("target", "") for path, facts in files.items()}
    app = next(name for name in targets if name.endswith("/deep.log"))
    assert targets == {"plain.log": "", "link.log": f"{elsewhere}/open.log", app: f"{elsewhere}/app/deep.log"}
    assert {facts["mode"] for facts in files.values()} == {"0666"}
    files, _section = matched(logs, "/*.log")
    assert {path.rpartition("/")[2] for path in files} == {"plain.log", "link.log"}


def test_link_to_a_file_system_that_is_not_local_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.log").symlink_to("/remote/x.log")
    mount = types.SimpleNamespace(point="/remote", type="nfs4")
    monkeypatch.setattr(_file, "mounted", lambda: [mount])
    for pattern in ("/**", "/*.log"):
        files, section = matched(tmp_path, pattern)
        assert files == {} and "/remote/x.log" in section.left_out[f"{tmp_path}/x.log"]


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("a.list", "deb [ arch=amd64 trusted=yes ] http://a x\n# deb [trusted=yes] http://b x\n", ["trusted=yes"]),
        ("a.list", "deb [trusted=no] http://a x\ndeb http://a trusted=yes\n", []),
        ("a.list", "deb-src [allow-insecure=true] http://a x\n", ["allow-insecure=true"]),
        ("a.sources", "Types: deb\nTrusted: YES\n", ["Trusted: YES"]),
        ("a.sources", "Types: deb\nTrusted:\n yes\n", ["Trusted: yes"]),
        ("a.sources", "Types: deb\nEnabled: no\nTrusted: yes\n\nTypes: deb\n#Trusted: yes\n", []),
    ],
)
def test_source_that_apt_believes_unsigned_is_named(name: str, content: str, options: list[str]) -> None:
    assert apt.unsigned(f"/x/{name}", content) == [f"/x/{name}: {option}" for option in options]


def test_pipes_and_excluded_files_are_not_listed(tmp_path: Path) -> None:
    (tmp_path / "a.log").touch()
    (tmp_path / "skip.log").touch()
    (tmp_path / "link.log").symlink_to("/etc/shadow")
    os.mkfifo(tmp_path / "pipe.log")
    files, _section = matched(tmp_path, excluded=[f"{tmp_path}/skip*"])
    assert list(files) == [f"{tmp_path}/a.log", f"{tmp_path}/link.log"]
    files, _section = matched(tmp_path, "/*.log")
    assert {path.rpartition("/")[2]: facts["type"] for path, facts in files.items()} == {
        "a.log": "file", "link.log": "file", "pipe.log": "other", "skip.log": "file",
    }  # fmt: skip


def test_access_list_of_a_named_user_is_told_with_the_mask_applied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [(0x01, 6, 0xFFFFFFFF), (0x02, 7, 65534), (0x04, 4, 0xFFFFFFFF), (0x08, 2, 0), (0x10, 5, 0xFFFFFFFF)]
    raw = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    monkeypatch.setattr(os, "getxattr", lambda *_arguments, **_options: raw)
    assert paths.access_list(str(tmp_path)) == ["user:nobody:r-x"]


@pytest.mark.skipif(not shutil.which("setfacl"), reason="no setfacl here: tests/kinds/file.py runs it on a host")
def test_access_list_on_disk_is_read(tmp_path: Path) -> None:
    path = tmp_path / "shadow"
    path.touch(mode=0o640)
    if os.system(f"setfacl -m u:nobody:r {path}"):
        pytest.skip("this file system has no access lists")
    assert (paths.attributes(str(path)) or {})["acl"] == ["user:nobody:r--"]


@pytest.mark.parametrize("content", [b"caf\xe9\n", b"a\r\nb\r\n", b"no newline", b"a\x00b\x0b\xe2\x80\xa8c\n", b""])
def test_text_can_be_written_back_as_it_was(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "login.defs"
    path.write_bytes(content)
    evidence = json.loads(json.dumps(text.Texts([str(path)]).read().as_dict()))
    assert evidence["items"][str(path)].encode("utf-8", "surrogateescape") == content


def test_text_that_is_too_large_or_no_file_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * (text.MOST + 1))
    os.mkfifo(tmp_path / "pipe")
    section = text.Texts([f"{tmp_path}/{name}" for name in ("large", "pipe", "missing")]).read()
    assert section.items == {f"{tmp_path}/missing": None}
    assert set(section.left_out) == {f"{tmp_path}/large", f"{tmp_path}/pipe"}


PROXY = "http://proxy:s3cr@t@proxy.example.com:3128/"


def test_apts_proxy_is_told_without_its_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "apt-config"
    program.write_text(f"#!/bin/sh\necho 'Acquire::http::Proxy \"{PROXY}\";'\necho 'APT::Get::Assume \"a@b\";'\n")
    program.chmod(0o755)
    monkeypatch.setattr(command, "SEARCH_PATH", f"{tmp_path}:{command.SEARCH_PATH}")
    items = apt.Apt().read().items
    assert items["options"] == {
        "acquire::http::proxy": "http://(masked)@proxy.example.com:3128/",
        "apt::get::assume": "a@b",
    }
    assert "s3cr" not in json.dumps(items)


def test_text_with_a_password_in_a_url_is_not_read_and_no_diff_shows_it(tmp_path: Path) -> None:
    path = tmp_path / "zz-unified"
    path.write_text(f'# ours\nAcquire::http::Proxy "{PROXY}";\n')
    section = text.Texts([str(path)]).read()
    assert section.items == {}
    assert "line 2 holds a password in a URL" in section.left_out[str(path)]
    change = types.SimpleNamespace(
        path=str(path),
        before=types.SimpleNamespace(content=path.read_bytes()),
        planned=types.SimpleNamespace(content=path.read_bytes() + b"more\n"),
    )
    assert "s3cr" not in json.dumps(options.diff([change]))
    assert _url.masked_urls("https://deb.debian.org/x@y and user@host") == "https://deb.debian.org/x@y and user@host"


def test_secret_in_fstab_keeps_its_text_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "fstab")
    monkeypatch.setattr(text, "FSTAB", path)
    Path(path).write_text("tmpfs /tmp tmpfs defaults 0 0\n#//a/b /mnt cifs username=u,password=hunter2 0 0\n")
    section = text.Texts([path]).read()
    assert section.items == {}
    assert "line 2 holds a secret" in section.left_out[path]
    Path(path).write_text("//a/b /mnt cifs credentials=/root/.smb 0 0\n")
    assert path in text.Texts([path]).read().items


@pytest.fixture
def people(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def test_home_is_listed_by_descriptor(people: Path) -> None:
    bob = people / "bob"
    bob.mkdir(mode=0o700)
    (bob / ".bashrc").touch()
    (bob / ".rhosts").mkdir()
    (bob / ".link").symlink_to("/etc/shadow")
    os.mkfifo(bob / ".pipe")
    facts, unseen = home.home_facts(str(bob))
    assert (facts["type"], facts["real"], unseen) == ("directory", str(bob), {})
    assert {name: dot["type"] for name, dot in facts["dot_files"].items()} == {
        ".bashrc": "file",
        ".rhosts": "directory",
    }


@pytest.mark.skipif(os.geteuid() != 0, reason="giving files away needs root")
def test_home_behind_a_link_of_its_user_is_not_entered(people: Path) -> None:
    people.chmod(0o777)
    (people / "bob").symlink_to("/root")
    os.chown(people / "bob", 1000, 1000, follow_symlinks=False)
    facts, _unseen = home.home_facts(str(people / "bob"))
    assert (facts["type"], facts["dot_files"]) == ("link", {})


@pytest.mark.parametrize(("path", "kind"), [("/dev/null", "other"), ("/nowhere/bob", "missing"), ("", "missing")])
def test_home_that_is_no_directory_is_told(path: str, kind: str) -> None:
    facts, unseen = home.home_facts(path)
    assert (facts["type"], facts["dot_files"], unseen) == (kind, {}, {})


def test_more_dot_files_than_are_looked_at_are_told(people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "MOST", 3)
    for name in (".a", ".b", ".c", ".d", ".rhosts"):
        (people / name).touch()
    facts, unseen = home.home_facts(str(people))
    assert ".rhosts" in facts["dot_files"]
    assert unseen == {str(people): "3 of 5 dot files were looked at"}


def test_roots_home_is_looked_at_as_peoples_are(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def look(homes: list[tuple[str, str]]) -> tuple[dict[str, t.Any], dict[str, str]]:
        asked.extend(homes)
        return {}, {}

    shell, none = "/bin/sh", "/usr/sbin/nologin"
    accounts = (("root", 0, shell), ("daemon", 1, shell), ("bob", 1001, shell), ("sync", 1002, none))
    lines = [f"{name}:x:{uid}:{uid}::/{name}:{program}" for name, uid, program in accounts]
    monkeypatch.setattr(home, "rows", lambda _path, _columns: [line.split(":") for line in lines])
    monkeypatch.setattr(home, "uid_min", lambda: 1000)
    monkeypatch.setattr(home, "look", look)
    home.Homes().read()
    assert asked == [("root", "/root"), ("bob", "/bob")]
