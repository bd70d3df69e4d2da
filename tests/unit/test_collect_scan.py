"""Which file systems a walk goes through, what it keeps, and what it says of the rest."""

from __future__ import annotations

import json
import os
import time
import typing as t
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._collect import filesystems, mount, scan
from ansible_collections.unified.deploy.plugins.module_utils._collect.filesystems import Choice, Mounted, choose

TYPES = frozenset(["ext4", "tmpfs", "btrfs", "overlay"])


def mounted(point: str, kind: str = "ext4", device: str = "8:1", root: str = "/") -> Mounted:
    return Mounted(point, kind, "/dev/x", ("rw",), device, root)


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """st_dev of mount points that are not there; each its own unless the test says otherwise."""
    numbers: dict[str, int] = {}
    # What this machine keeps of containers is not the test's business.
    monkeypatch.setattr(filesystems, "STORAGE", ())
    real = os.lstat

    def lstat(path: t.Any, **options: t.Any) -> t.Any:
        if str(path) in numbers:
            return os.stat_result((0o40755, 1, numbers[str(path)], 1, 0, 0, 0, 0, 0, 0))
        return real(path, **options)

    monkeypatch.setattr(os, "lstat", lstat)
    return numbers


def test_names_that_begin_like_system_directories_are_walked(devices: dict[str, int]) -> None:
    points = ["/", "/snapshots", "/systemdata", "/procurement", "/run/users", "/var/lib/docker"]
    devices.update({point: number for number, point in enumerate(points)})
    assert choose([mounted(point) for point in points], TYPES).roots == sorted(points)


def test_subvolumes_of_one_source_are_all_walked(devices: dict[str, int]) -> None:
    devices.update({"/": 1, "/home": 2})
    mounts = [mounted("/", "btrfs", root="/@"), mounted("/home", "btrfs", root="/@home")]
    assert choose(mounts, TYPES).roots == ["/", "/home"]


def test_bind_mounts_are_walked_once(devices: dict[str, int]) -> None:
    devices.update({"/": 1, "/srv/www": 1, "/data": 2, "/mnt/a": 2, "/mnt/b": 2})
    mounts = [
        mounted("/"),
        mounted("/srv/www", root="/var/www"),
        mounted("/mnt/a", root="/x/a"),
        mounted("/mnt/b", root="/x/b"),
    ]
    assert choose(mounts, TYPES).roots == ["/", "/mnt/a", "/mnt/b"]
    assert choose([*mounts, mounted("/data")], TYPES).roots == ["/", "/data"]


@pytest.mark.parametrize(
    "kind", ["nfs4", "cifs", "ceph", "lustre", "gpfs", "beegfs", "fuse.sshfs", "9p", "never_heard_of"]
)
def test_file_system_that_is_not_local_is_left_out_by_name(devices: dict[str, int], kind: str) -> None:
    devices["/"] = 1
    choice = choose([mounted("/"), mounted("/srv/data", kind)], TYPES)
    assert choice.roots == ["/"]
    assert choice.left_out == {"/srv/data": f"not a local file system ({kind})"}


def test_kernels_own_file_systems_are_no_files_of_anybody(devices: dict[str, int]) -> None:
    devices["/"] = 1
    assert choose([mounted("/"), mounted("/sys", "sysfs"), mounted("/proc", "proc")], TYPES).left_out == {}


def test_mounts_of_this_process_alone_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    line = "9 1 0:{} / {} rw - tmpfs tmpfs rw\n"
    tables = {"/proc/1/mountinfo": line.format(3, "/run"), "/proc/self/mountinfo": line.format(3, "/run")}
    monkeypatch.setattr(filesystems, "read", tables.__getitem__)
    assert filesystems.private() == {}
    tables["/proc/self/mountinfo"] += line.format(4, "/tmp")
    assert list(filesystems.private()) == ["/tmp"]
    tables["/proc/1/mountinfo"] += line.format(5, "/tmp")
    assert list(filesystems.private()) == ["/tmp"]


@pytest.mark.parametrize(
    ("point", "system", "listed"),
    [("ro,nosuid", "rw,size=1024k", "ro,nosuid,size=1024k"), ("rw", "ro,size=1024k", "ro,size=1024k")],
)
def test_mount_point_or_file_system_that_is_read_only_is_one_to_findmnt_and_to_us(
    monkeypatch: pytest.MonkeyPatch, point: str, system: str, listed: str
) -> None:
    """As systemd mounts a service's credentials."""
    table = f"9 1 0:34 / /run/credentials/a.service {point} - tmpfs tmpfs {system}\n"
    monkeypatch.setattr(filesystems, "read", lambda _path: table)
    row = {"target": "/run/credentials/a.service", "source": "tmpfs", "fstype": "tmpfs", "options": listed}
    live, left_out = said_by_findmnt(json.dumps({"filesystems": [row]}))._live()
    assert left_out == {}
    assert "rw" not in live[row["target"]]["options"]


def said_by_findmnt(output: str) -> mount.Mounts:
    """The reader, with another answer of findmnt."""
    reader = object.__new__(mount.Mounts)
    reader.live = t.cast(t.Any, SimpleNamespace(text=lambda: output))
    return reader


def test_walk_of_a_tmp_of_its_own_is_not_the_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "mounted", lambda: [mounted("/tmp", "tmpfs"), mounted("/dev/mqueue", "mqueue")])
    monkeypatch.setattr(scan, "choose", lambda mounts, types: None)
    monkeypatch.setattr(scan, "Child", lambda run: Done(({"inodes": 100}, {})))
    monkeypatch.setattr(scan, "private", lambda: {"/dev/mqueue": "other"})
    assert scan.Scan().read().whole
    monkeypatch.setattr(scan, "private", lambda: {"/tmp": "other"})
    assert "/tmp (other)" in scan.Scan().read().left_out[scan.WALK]


class Done:
    """A child that has ended."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def next(self, seconds: float) -> object:
        return self.answer

    def close(self) -> None:
        pass


def test_local_types_come_from_the_kernel() -> None:
    types = filesystems.local_types()
    assert {"tmpfs", "overlay", "zfs"} <= types
    assert not types & {"nfs", "nfs4", "cifs", "fuse", "fuseblk", "proc", "squashfs"}


def test_storage_of_containers_is_walked_where_others_may_enter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, devices: dict[str, int]
) -> None:
    devices["/"] = 1
    storage = tmp_path / "overlay2"
    storage.mkdir()
    monkeypatch.setattr(filesystems, "STORAGE", (str(storage),))
    monkeypatch.setattr(filesystems, "closed", lambda _path: False)
    assert choose([mounted("/")], TYPES).storage == []
    monkeypatch.setattr(filesystems, "closed", lambda _path: True)
    choice = choose([mounted("/"), mounted(f"{storage}/1/merged", "overlay")], TYPES)
    assert (choice.roots, choice.storage, list(choice.left_out)) == (["/"], [str(storage)], [str(storage)])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can own the directory")
def test_directory_is_closed_where_only_root_may_enter(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    for one in (tmp_path, *tmp_path.parents):
        if not filesystems.closed(str(one)):
            break
    (tmp_path / "a").chmod(0o710)
    assert filesystems.closed(str(tmp_path / "a" / "b"))
    os.chown(tmp_path / "a", 0, 33)
    (tmp_path / "a").chmod(0o700)
    assert filesystems.closed(str(tmp_path / "a" / "b"))


def walked(directory: Path, **options: t.Any) -> tuple[dict[str, t.Any], dict[str, str]]:
    for number in range(120):
        (directory / f"plain{number}").touch(mode=0o644)
    return scan.walk(Choice([str(directory)], [], {"/nfs": "not a local file system (nfs)"}), **options)


@pytest.mark.skipif(os.geteuid() != 0, reason="giving files away needs root")
def test_nobody_pushes_roots_files_out_of_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "MOST", 5)
    for number in range(20):
        path = tmp_path / f"aa{number:02}"
        path.touch()
        path.chmod(0o4755)
        os.chown(path, 65534, 65534)
        path.chmod(0o4755)
    (tmp_path / "zz").touch()
    (tmp_path / "zz").chmod(0o4755)
    items, left_out = walked(tmp_path)
    assert items["set_id"][0] == f"{tmp_path}/zz"
    assert (items["counts"]["set_id"], len(items["set_id"])) == (21, 6)
    assert left_out["set_id"] == "6 of 21 are listed"
    assert left_out["/nfs"] == "not a local file system (nfs)"


@pytest.mark.parametrize("name", [b"caf\xe9", b"a\nb", b"a  b", b"\x1b[2J", b"n" * 255, b"{{ 1 }}"])
def test_odd_name_is_one_finding(tmp_path: Path, name: bytes) -> None:
    path = os.path.join(os.fsencode(tmp_path), name)
    os.close(os.open(path, os.O_CREAT, 0o666))
    os.chmod(path, 0o666)
    items, left_out = walked(tmp_path)
    assert items["counts"]["world_writable_files"] == 1
    assert items["world_writable_files"][0].isprintable()
    assert scan.WALK not in left_out
    assert items["inodes"] == 122


def test_walk_that_takes_too_long_keeps_what_it_saw_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "find"
    program.write_text(
        "#!/bin/sh\nhead -c 200 /dev/zero | tr '\\0' .\nprintf '\\nf 666 0 0 7 ext4 /x\\0\\n'\nsleep 60\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(scan, "SEARCH_PATH", f"{tmp_path}:/usr/bin:/bin")
    started = time.monotonic()
    items, left_out = scan.walk(Choice(["/"], [], {}), seconds=1)
    assert time.monotonic() - started < 10
    assert (items["inodes"], items["world_writable_files"]) == (201, ["/x"])
    assert "longer than 1 s" in left_out[scan.WALK]


def test_complaints_of_find_count_but_not_of_what_vanished_or_is_not_walked() -> None:
    complaints = (
        "find: '/a/gone': No such file or directory\nfind: '/run/user/1/gvfs': Permission denied\n"
        "find: '/bad': Input/output error\n"
    )
    assert scan._unread(complaints, {"/run/user/1/gvfs": "x"}) == ["/bad: Input/output error"]


def test_records_are_taken_in_wherever_the_pipe_cuts_them() -> None:
    output = b"..\nf 666 0 0 7 ext4 /a\0\n...\nd 777 0 0 256 btrfs /b\nc\0\n." * 3
    for size in (1, 2, 7, 1000):
        records = scan.Records()
        for start in range(0, len(output), size):
            records.feed(output[start : start + size])
        assert records.inodes == 24, size
        assert records.lists["world_writable_files"].count == 3
        assert records.subvolumes == ["/b\\nc"] * 3


def test_a_million_findings_fit_in_memory() -> None:
    records = scan.Records()
    for number in range(20000):
        records.feed(b"\nf 666 1000 1000 7 ext4 /tmp/%d\0\n" % number)
    assert records.lists["world_writable_files"].count == 20000
    assert len(records.lists["world_writable_files"].listed()) == scan.MOST


@pytest.mark.parametrize(
    ("option", "shown"),
    [
        ("password=hunter2", "password=(masked)"),
        ("pass=x", "pass=(masked)"),
        ("credentials=/root/.smb", "credentials=(masked)"),
        ("KEY=abc", "KEY=(masked)"),
        ("user=bob%hunter2", "user=bob%(masked)"),
        ("username=bob", "username=bob"),
        ("noexec", "noexec"),
        ("nokey", "nokey"),
    ],
)
def test_secret_in_an_option_is_masked(option: str, shown: str) -> None:
    assert mount.masked(option) == shown


def test_fstab_without_findmnt_is_read_with_its_escapes() -> None:
    rows = mount.fstab("# x /tmp\n//u:pw@host/s /mnt/a\\040b/ cifs password=x 0 0\n/dev/sda1 / ext4\nshort\n")
    assert rows == {
        "/mnt/a b": {"source": "//u:(masked)@host/s", "type": "cifs", "options": ["password=(masked)"]},
        "/": {"source": "/dev/sda1", "type": "ext4", "options": []},
    }


def test_of_two_lines_for_one_mount_point_only_common_options_count() -> None:
    rows = mount.fstab("a /home ext4 nosuid,nodev 0 0\nb /home ext4 nodev 0 0\n")
    assert rows["/home"]["options"] == ["nodev"]


def test_mounts_of_this_machine_agree_with_the_kernel() -> None:
    section = mount.Mounts().read()
    assert "/" in section.items["live"]
    assert not {"/", "/proc"} & set(section.left_out)


@pytest.mark.parametrize(
    ("path", "kind", "mode", "uid", "gid", "offences"),
    [
        ("/usr/lib/x.so", "f", 0o644, 0, 0, []),
        ("/usr/lib/x.so", "f", 0o664, 0, 0, ["library_writable"]),
        ("/lib64/a b", "f", 0o644, 2, 0, ["library_owner"]),
        ("/usr/libx32/x", "f", 0o644, 0, 999, []),
        ("/usr/lib32/x", "f", 0o644, 0, 1000, ["library_group"]),
        ("/usr/lib", "d", 0o755, 0, 1, ["library_directory_group"]),
        ("/lib/a", "d", 0o777, 1, 0, ["library_directory_owner"]),
        ("/usr/libexec/x", "f", 0o666, 1000, 1000, []),
        ("/usr/local/lib/x", "f", 0o666, 1000, 1000, []),
        ("/usr/local/bin/x", "f", 0o755, 999, 999, []),
        ("/usr/local/sbin/x", "f", 0o775, 1000, 1000, ["command_writable", "command_owner", "command_group"]),
        ("/bin/x\ny", "f", 0o722, 0, 0, ["command_writable"]),
        ("/usr/bin/x", "d", 0o777, 1000, 1000, []),
        ("/home/usr/bin/x", "f", 0o777, 1000, 1000, []),
    ],
)
def test_libraries_and_commands_that_others_may_change(
    path: str, kind: str, mode: int, uid: int, gid: int, offences: list[str]
) -> None:
    assert scan.system_offences(path, kind, mode, uid, gid) == offences


def test_walk_meets_every_library_and_command_that_offends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # What find is asked to print a record for, on a tree that stands for /usr/lib.
    monkeypatch.setattr(scan, "SYSTEM_PATHS", (f"{tmp_path}/lib*",))
    seen: list[tuple[str, int]] = []
    monkeypatch.setattr(scan, "system_offences", lambda path, _k, mode, *_i: seen.append((Path(path).name, mode)) or [])
    lib = tmp_path / "lib"
    lib.mkdir(mode=0o755)
    for number in range(100):
        (lib / f"fine{number}").touch(mode=0o644)
    for name, mode in (("open", 0o664), ("shared", 0o646)):
        (lib / name).touch()
        (lib / name).chmod(mode)
    (lib / "link").symlink_to("/nowhere")
    scan.walk(Choice([str(tmp_path)], {}, []))
    assert {("open", 0o664), ("shared", 0o646)} <= set(seen)
    assert os.getuid() != 0 or {name for name, _mode in seen} == {"open", "shared"}
