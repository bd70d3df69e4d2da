"""Kinds file, scan, mount, partition, home, account and root_shell, judged and planned on recorded evidence."""

from __future__ import annotations

import json
import os
import re
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._collect import account as _account
from ansible_collections.unified.deploy.plugins.module_utils._collect import mount
from ansible_collections.unified.deploy.plugins.module_utils._collect import paths as _paths
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import goss as _goss
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import plan as _plan
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import selection as _selection
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.kinds import mount as _mount
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.kinds.base import Connection

from tests.unit import goss_program
from tests.unit.goss_program import GOSS


def planned(catalogue: t.Any, evidence: t.Any, user: str = "ansible", **overlay: t.Any) -> _plan.Plan:
    selection = _selection.select(catalogue, [("cis", "l2_server")], _selection.Overlay(**overlay), evidence["host"])
    return _plan.plan(selection, evidence, Connection(user=user))


def verdict(catalogue: t.Any, evidence: t.Any, rule: str) -> _plan.Verdict:
    return planned(catalogue, evidence).verdicts[rule]


FACTS = {"type": "file", "mode": "0640", "owner": "root", "group": "root"}
LOGS = "/var/log/**"


# file


@pytest.mark.parametrize(
    ("entry", "judged"),
    [
        ("user:nobody:r--", "fail"),
        ("group:shadow:r--", "pass"),
        ("group:shadow:rw-", "fail"),
        ("group:adm:r--", "fail"),
    ],
)
def test_access_list_on_shadow_is_judged_and_held(catalogue: t.Any, hardened: t.Any, entry: str, judged: str) -> None:
    hardened["file"]["/etc/shadow"]["/etc/shadow"]["acl"] = [entry]
    ruling = verdict(catalogue, hardened, "file//etc/shadow")
    assert ruling.verdict == judged
    if judged == "fail":
        assert "setfacl -b /etc/shadow" in ruling.held


def test_file_that_somebody_can_put_another_in_place_of_fails_and_is_held(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["file"]["/etc/shadow"]["/etc/shadow"]["unsafe"] = "/etc belongs to another than root"
    ruling = verdict(catalogue, hardened, "file//etc/shadow")
    assert ruling.verdict == "fail" and "/etc belongs to another" in ruling.actual
    assert "nobody but root may change a directory above it" in ruling.held


def test_access_list_that_gives_no_more_than_the_mode_passes(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["file"]["/etc/passwd"]["/etc/passwd"]["acl"] = ["user:nobody:r--"]
    assert verdict(catalogue, hardened, "file//etc/passwd").verdict == "pass"
    hardened["file"]["/etc/passwd"]["/etc/passwd"]["acl"] = ["user:nobody:rw-"]
    assert verdict(catalogue, hardened, "file//etc/passwd").verdict == "fail"


def test_device_behind_a_link_is_never_changed(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["file"]["/etc/motd"] = {"/dev/null": {**FACTS, "type": "other", "mode": "0666"}}
    plan = planned(catalogue, hardened)
    assert plan.verdicts["file//etc/motd"].verdict == "fail"
    assert "replace it by a file" in plan.verdicts["file//etc/motd"].held
    assert "/dev/null" not in plan.desired.attributes


def test_owner_that_is_a_service_keeps_its_log(catalogue: t.Any, hardened: t.Any) -> None:
    redis = {**FACTS, "owner": "redis", "group": "redis", "service_group": "redis"}
    hardened["file"][LOGS]["/var/log/redis.log"] = redis
    assert verdict(catalogue, hardened, f"file/{LOGS}").verdict == "pass"
    hardened["file"][LOGS]["/var/log/redis.log"] = {**redis, "mode": "0644"}
    plan = planned(catalogue, hardened)
    assert plan.desired.attributes["/var/log/redis.log"] == {"path": "/var/log/redis.log", "mode": "0640"}
    hardened["file"][LOGS]["/var/log/redis.log"] = {**redis, "group": "users"}
    assert "only the operator knows" in verdict(catalogue, hardened, f"file/{LOGS}").held


def test_log_of_a_person_fails_and_is_held(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["file"][LOGS]["/var/log/app.log"] = {**FACTS, "owner": "ansible", "group": "ansible"}
    plan = planned(catalogue, hardened)
    assert "only the operator knows" in plan.verdicts[f"file/{LOGS}"].held
    assert "/var/log/app.log" not in plan.desired.attributes


def test_what_the_package_manager_writes_is_left_out(catalogue: t.Any) -> None:
    excluded = catalogue.request(walk=False)["file"][LOGS]["except"]
    assert {"/var/log/apt/history.log*", "/var/log/dpkg.log*"} <= set(excluded)


def test_name_with_escapes_is_never_given_to_a_writer(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["file"][LOGS]["/var/log/caf\\xe9.log"] = {**FACTS, "mode": "0666"}
    plan = planned(catalogue, hardened)
    assert "cannot be printed" in plan.verdicts[f"file/{LOGS}"].held
    hardened["file"][LOGS]["/var/log/plain.log"] = {**FACTS, "mode": "0666"}
    plan = planned(catalogue, hardened)
    assert [path for path in plan.desired.attributes if path.startswith("/var/log")] == ["/var/log/plain.log"]


def test_files_that_are_not_listed_are_counted_in_the_verdict(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["file"][LOGS]["/var/log/x.log"] = {**FACTS, "mode": "0666", "more": 90000}
    assert "and 90000 more" in verdict(catalogue, hardened, f"file/{LOGS}").actual


@pytest.mark.parametrize(("item", "judged"), [("/var/log/deep/dir", "error"), ("/var/logs", "pass"), ("/var", "error")])
def test_unread_directory_concerns_the_rules_that_speak_of_it(
    catalogue: t.Any, hardened: t.Any, item: str, judged: str
) -> None:
    hardened.document["sections"]["file"]["left_out"] = {item: "Permission denied"}
    assert verdict(catalogue, hardened, f"file/{LOGS}").verdict == judged
    assert verdict(catalogue, hardened, "file//etc/shadow").verdict == "pass"


# scan


def test_scan_names_what_it_did_not_walk_and_still_passes(catalogue: t.Any, hardened: t.Any) -> None:
    hardened.document["sections"]["scan"]["left_out"] = {"/srv": "not a local file system (nfs4)"}
    ruling = verdict(catalogue, hardened, "scan/world_writable_files")
    assert (ruling.verdict, "not walked: /srv: not a local file system (nfs4)" in ruling.actual) == ("pass", True)


def test_walk_that_was_cut_never_passes(catalogue: t.Any, hardened: t.Any) -> None:
    hardened.document["sections"]["scan"]["left_out"] = {"walk": "it took longer than 100 s and was ended"}
    assert verdict(catalogue, hardened, "scan/world_writable_files").verdict == "error"
    hardened["scan"].update(
        world_writable_files=["/x"], counts={**hardened["scan"]["counts"], "world_writable_files": 603}
    )
    ruling = verdict(catalogue, hardened, "scan/world_writable_files")
    assert (ruling.verdict, "and 602 more" in ruling.actual) == ("fail", True)


# account


@pytest.mark.parametrize(
    ("shell", "login"),
    [
        *((f"{top}/{name}", False) for top in ("/bin", "/usr/bin") for name in ("true", "false", "sync")),
        *(
            (f"{top}/{name}", False)
            for top in ("/sbin", "/usr/sbin", "/bin")
            for name in ("nologin", "shutdown", "halt")
        ),
        # passwd(5): an empty field is /bin/sh.
        *(
            (shell, True)
            for shell in ("", "/bin/sh", "/usr/bin/git-shell", "/bin/true/x", "/bin/truely", "/opt/bin/true", "true")
        ),
    ],
)
def test_program_that_ends_a_login_is_no_shell(shell: str, login: bool) -> None:
    assert _account.may_login(shell) is login


# mount, partition


def mount_evidence(evidence: t.Any, point: str, kind: str, options: str, stored: str | None) -> None:
    live = {"source": "/dev/vdb", "type": kind, "options": options.split(","), "device": "8:99"}
    evidence["mount"]["live"][point] = live
    evidence["text"]["/etc/fstab"] = f"# caf\udce9\r\n{stored}\n" if stored else ""
    if stored:
        row = stored.split()
        evidence["mount"]["fstab"] = {point: {"source": row[0], "type": row[2], "options": row[3].split(",")}}
    else:
        evidence["mount"]["fstab"] = {}


@pytest.mark.parametrize("kind", ["ext4", "overlay", "zfs", "tmpfs"])
def test_mount_that_fstab_does_not_own_is_held(catalogue: t.Any, hardened: t.Any, kind: str) -> None:
    mount_evidence(hardened, "/home", kind, "rw,relatime", None)
    plan = planned(catalogue, hardened)
    assert "/etc/fstab has no line for /home" in plan.verdicts["mount//home:nodev"].held
    assert "/etc/fstab" not in plan.desired.files or "/home" not in plan.desired.files["/etc/fstab"]["content"]


def test_only_the_options_of_a_line_that_is_there_are_changed(catalogue: t.Any, hardened: t.Any) -> None:
    line = "UUID=1\t/home  ext4 defaults,dev\t0 2"
    mount_evidence(hardened, "/home", "ext4", "rw", line)
    content = planned(catalogue, hardened).desired.files["/etc/fstab"]["content"]
    assert "# caf\udce9\r\n" in content
    assert re.search(r"^UUID=1\t/home  ext4 defaults,(nodev,nosuid|nosuid,nodev)\t0 2$", content, re.MULTILINE)


def test_tmpfs_of_systemd_gets_a_line_and_a_validator(catalogue: t.Any, hardened: t.Any) -> None:
    mount_evidence(hardened, "/tmp", "tmpfs", "rw,nosuid,nodev", None)
    file = planned(catalogue, hardened).desired.files["/etc/fstab"]
    assert "tmpfs /tmp tmpfs defaults,nosuid,nodev,mode=1777,size=50%,noexec 0 0\n" in file["content"]
    assert file["validate"][:2] == ["findmnt", "--verify"]


def test_option_that_is_taken_back_later_fails(catalogue: t.Any, hardened: t.Any) -> None:
    mount_evidence(hardened, "/home", "ext4", "rw,nodev,nosuid", "/dev/vdb /home ext4 nodev,nosuid,suid 0 2")
    plan = planned(catalogue, hardened)
    assert plan.verdicts["mount//home:nosuid"].verdict == "fail"
    assert "/dev/vdb /home ext4 nodev,nosuid 0 2" in plan.desired.files["/etc/fstab"]["content"]


@pytest.mark.parametrize(
    ("line", "unit", "held"),
    [
        (None, None, False),
        (
            "tmpfs /tmp tmpfs noexec 0 0",
            {"source": "/etc/systemd/system/tmp.mount", "options": ["nodev"], "wins": True, "pulled": True},
            True,
        ),
        (
            None,
            {"source": "/usr/lib/systemd/system/tmp.mount", "options": ["nodev"], "wins": False, "pulled": True},
            False,
        ),
    ],
)
def test_option_that_only_the_moment_has_fails(
    catalogue: t.Any, hardened: t.Any, line: str | None, unit: dict[str, t.Any] | None, held: bool
) -> None:
    point = "/tmp" if unit else "/dev/shm"
    mount_evidence(hardened, point, "tmpfs", "rw,nosuid,nodev,noexec", line)
    hardened["mount"]["units"] = {point: unit} if unit else {}
    plan = planned(catalogue, hardened)
    verdict = plan.verdicts[f"mount/{point}:noexec"]
    assert verdict.verdict == "fail"
    if held:
        assert verdict.held.startswith("/etc/systemd/system/tmp.mount takes the place")
    else:
        assert re.search(rf"^tmpfs {point} tmpfs \S*noexec", plan.desired.files["/etc/fstab"]["content"], re.MULTILINE)


def test_line_of_fstab_wins_over_a_packages_unit_and_loses_to_the_operators(tmp_path: Path) -> None:
    operator, generated, package = tmp_path / "etc", tmp_path / "run", tmp_path / "usr"
    for directory in (operator, generated, package):
        directory.mkdir()
    (package / "tmp.mount").write_text("[Mount]\nWhat=tmpfs\nWhere=/tmp\nOptions=mode=1777,nosuid\n")
    directories = ((str(operator),), str(generated), (str(package),))
    assert mount.units(*directories)["/tmp"] == {
        "source": f"{package}/tmp.mount",
        "options": ["mode=1777", "nosuid"],
        "wins": False,
        "pulled": False,
    }
    (package / "local-fs.target.wants").mkdir()
    (package / "local-fs.target.wants/tmp.automount").symlink_to("../tmp.automount")
    (operator / "tmp.mount.d").mkdir()
    (operator / "tmp.mount.d" / "x.conf").write_text("[Mount]\nOptions=exec\n")
    assert mount.units(*directories)["/tmp"] == {
        "source": f"{operator}/tmp.mount.d/x.conf",
        "options": ["exec"],
        "wins": True,
        "pulled": True,
    }
    # What a generator makes of fstab is told by fstab, as long as nothing changes it.
    (generated / "home.mount").write_text("[Unit]\nSourcePath=/etc/fstab\n[Mount]\nWhere=/home\nOptions=nosuid\n")
    assert "/home" not in mount.units(*directories)
    (generated / "pool.mount").write_text("[Unit]\nSourcePath=/etc/zfs/pool\n[Mount]\nWhere=/pool\nOptions=nosuid\n")
    assert mount.units(*directories)["/pool"]["wins"] is False
    for directory, options in (("mount.d", "nodev"), ("home.mount.d", "suid")):
        (operator / directory).mkdir()
        (operator / directory / f"{options}.conf").write_text(f"[Mount]\nOptions={options}\n")
    units = mount.units(*directories)
    assert units["/home"] == {
        "source": f"{operator}/home.mount.d/suid.conf",
        "options": ["suid"],
        "wins": True,
        "pulled": False,
    }
    assert units["/tmp"]["source"] == f"{operator}/tmp.mount.d/x.conf"
    (operator / "tmp.mount").write_text("[Mount]\nWhere=/srv\n")
    assert mount.units(*directories)["/srv"]["wins"] is True


def test_broken_fstab_is_mended_first(catalogue: t.Any, hardened: t.Any) -> None:
    mount_evidence(hardened, "/home", "ext4", "rw", "/dev/vdb /home ext4 defaults 0 2")
    hardened["mount"]["broken"] = "[E] parse error at line 3"
    assert "parse error at line 3" in verdict(catalogue, hardened, "mount//home:nodev").held


def test_fstab_whose_text_was_not_read_is_held(catalogue: t.Any, hardened: t.Any) -> None:
    mount_evidence(hardened, "/home", "ext4", "rw", "/dev/vdb /home ext4 defaults 0 2")
    del hardened["text"]["/etc/fstab"]
    hardened.document["sections"]["text"]["left_out"] = {"/etc/fstab": "line 1 holds a secret, which is not read"}
    plan = planned(catalogue, hardened)
    assert "line 1 holds a secret" in plan.verdicts["mount//home:nodev"].held
    assert "/etc/fstab" not in plan.desired.files
    assert plan.verdicts["sshd/Banner"].verdict == "pass"


def test_text_that_was_not_read_is_no_missing_text(catalogue: t.Any, hardened: t.Any) -> None:
    del hardened["banner"]["/etc/motd"]
    hardened.document["sections"]["banner"]["left_out"] = {"/etc/motd": "is larger than 1024 KiB"}
    assert verdict(catalogue, hardened, "banner//etc/motd").verdict == "error"


def test_bind_mount_is_no_partition(catalogue: t.Any, hardened: t.Any) -> None:
    root = hardened["mount"]["live"]["/"]
    hardened["mount"]["live"]["/var"] = dict(root)
    ruling = verdict(catalogue, hardened, "partition//var")
    assert (ruling.verdict, ruling.actual) == ("fail", "a bind mount of the file system at /")
    hardened["mount"]["live"]["/var"] = {**root, "device": "8:7"}
    hardened["host"]["container"] = False
    assert verdict(catalogue, hardened, "partition//var").verdict == "fail"
    mount_evidence(hardened, "/var", "ext4", "rw,nodev,nosuid", "/dev/vdb /var ext4 nodev,nosuid 0 2")
    assert verdict(catalogue, hardened, "partition//var").verdict == "pass"


PULLED = {"source": "/etc/systemd/system/home.mount", "options": ["nodev"], "wins": True, "pulled": True}


@pytest.mark.parametrize(
    ("kind", "line", "unit", "container", "verdict_of_it"),
    [
        ("ext4", None, None, False, "fail"),
        # What a container's volumes are mounted by cannot be seen from within it.
        ("ext4", None, None, True, "pass"),
        ("ext4", "/dev/vdb /home ext4 nodev,nosuid 0 2", None, False, "pass"),
        ("ext4", "/dev/vdb /home ext4 nodev,nosuid,noauto 0 2", None, False, "fail"),
        ("ext4", "/dev/vdb /home ext4 nodev,nosuid,noauto,x-systemd.automount 0 2", None, False, "pass"),
        ("ext4", None, PULLED, False, "pass"),
        ("ext4", None, {**PULLED, "pulled": False}, False, "fail"),
        ("zfs", None, None, False, "pass"),
        ("autofs", None, None, False, "pass"),
    ],
)
def test_what_is_mounted_by_hand_is_gone_at_the_next_boot(
    catalogue: t.Any,
    hardened: t.Any,
    kind: str,
    line: str | None,
    unit: dict[str, t.Any] | None,
    container: bool,
    verdict_of_it: str,
) -> None:
    mount_evidence(hardened, "/home", kind, "rw,nodev,nosuid", line)
    hardened["mount"]["units"] = {"/home": unit} if unit else {}
    hardened["host"]["container"] = container
    plan = planned(catalogue, hardened)
    ruling, options = plan.verdicts["partition//home"], plan.verdicts["mount//home:nodev"]
    gone = "neither /etc/fstab nor a unit mounts it at the next boot"
    assert (ruling.verdict, gone in ruling.actual) == (verdict_of_it, verdict_of_it == "fail")
    assert (options.verdict, gone in options.actual) == ("pass", verdict_of_it == "fail")


def test_goss_looks_for_what_mounts_a_file_system_again(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["host"]["container"] = False
    for line, unit in ((None, None), ("/dev/vdb /home ext4 nodev 0 2", None), (None, PULLED)):
        mount_evidence(hardened, "/home", "ext4", "rw,nodev,nosuid", line)
        hardened["mount"]["units"] = {"/home": unit} if unit else {}
        verdicts = planned(catalogue, hardened).verdicts
        files = [one for one in _goss.checks_of(verdicts, hardened)["partition//home"] if one.resource == "file"]
        assert [one.attributes["path"] for one in files] == [unit["source"] if unit else "/etc/fstab"]


def test_memory_mounted_by_hand_gets_a_line_and_other_sources_are_held(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["host"]["container"] = False
    mount_evidence(hardened, "/tmp", "tmpfs", "rw,nodev,nosuid,noexec", None)
    plan = planned(catalogue, hardened)
    assert plan.verdicts["partition//tmp"].verdict == "fail"
    assert re.search(r"^tmpfs /tmp tmpfs \S*noexec", plan.desired.files["/etc/fstab"]["content"], re.MULTILINE)
    mount_evidence(hardened, "/tmp", "tmpfs", "rw", None)
    assert planned(catalogue, hardened).desired.files["/etc/fstab"]["content"].count(" /tmp ") == 1
    mount_evidence(hardened, "/tmp", "ext4", "rw,nodev,nosuid,noexec", None)
    assert verdict(catalogue, hardened, "partition//tmp").held == "/dev/vdb is mounted there: unmount it first"
    mount_evidence(
        hardened, "/tmp", "tmpfs", "rw,nodev,nosuid,noexec", "tmpfs /tmp tmpfs noauto,noexec,nodev,nosuid 0 0"
    )
    assert "says noauto" in verdict(catalogue, hardened, "partition//tmp").held


@pytest.mark.parametrize(
    ("options", "option", "holds"),
    [("rw,nodev", "nodev", True), ("nodev,dev", "nodev", False), ("dev,nodev", "nodev", True), ("rw", "nosuid", False)],
)
def test_last_of_an_option_and_its_opposite_counts(options: str, option: str, holds: bool) -> None:
    assert _mount.effective(options.split(","), option) is holds


# home


def home(path: str, account: str = "bob", **facts: t.Any) -> dict[str, t.Any]:
    return {
        "account": account, "path": path, "real": path, "type": "directory", "mode": "0755", "owner": account,
        "group": account, "dot_files": {}, **facts,
    }  # fmt: skip


def test_access_list_of_a_home_is_held(catalogue: t.Any, hardened: t.Any) -> None:
    dots = {".profile": {**FACTS, "owner": "bob", "mode": "0644", "links": 1, "acl": ["user:games:r--"]},
            ".netrc": {**FACTS, "owner": "bob", "mode": "0600", "links": 1, "acl": ["user:games:r--"]}}  # fmt: skip
    hardened["home"]["homes"]["bob"] = home("/home/bob", mode="0750", acl=["group:games:r-x"], dot_files=dots)
    plan = planned(catalogue, hardened)
    assert "/home/bob has the access list group:games:r-x" in plan.verdicts["home/directory"].held
    assert plan.verdicts["home/dot_files"].actual == "/home/bob/.netrc has the access list user:games:r--"
    checks = json.dumps(
        [check.attributes for check in _goss.checks(plan.verdicts["home/directory"], hardened)], default=str
    )
    assert ":[^:]*[rwx][^:]*$" in checks


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (home("/"), "does not lie below /home"),
        (home("/", owner="root"), "/ belongs to root"),
        (home("/home"), "does not lie below /home"),
        (home("/var/www", owner="www-data"), "belongs to www-data"),
        (home("/homes/bob"), "does not lie below /home"),
        (home("/home/ansible"), "also the home of ansible"),
        (home("/home/ansible/sub"), "also the home of ansible"),
        (home("/home/bob", real="/srv/bob"), "does not lie below /home"),
        (home("/dev/null", type="other"), "/dev/null is none"),
        (home("/home/x", type="link"), "is a link"),
        (home("/home/gone", type="missing"), "is missing"),
        (home("/home/b\\x1b"), "cannot be printed"),
    ],
)
def test_home_that_is_not_the_accounts_alone_is_held(
    catalogue: t.Any, hardened: t.Any, one: dict[str, t.Any], reason: str
) -> None:
    hardened["home"]["homes"]["bob"] = {
        **one,
        "dot_files": {".profile": {**FACTS, "owner": "bob", "mode": "0666", "links": 1}},
    }
    if one["type"] != "directory":
        hardened["home"]["homes"]["bob"]["dot_files"] = {}
    plan = planned(catalogue, hardened)
    ruling = plan.verdicts["home/directory"]
    assert ruling.verdict == "fail"
    assert reason in ruling.held
    assert not [
        path
        for path in plan.desired.attributes
        if path == one["path"] or path.startswith(one["path"].rstrip("/") + "/")
    ]


def test_home_gets_its_mode_and_nothing_else(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["home"]["homes"]["bob"] = home("/home/bob")
    plan = planned(catalogue, hardened)
    assert plan.desired.attributes["/home/bob"] == {"path": "/home/bob", "mode": "0750"}


def test_site_can_ask_for_stricter_homes_and_masks(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["home"]["homes"]["bob"] = home("/home/bob", mode="0750")
    values = {"home/directory": {"mode": {"at_most": "0700"}}, "root_shell/umask": {"mode": {"at_most": "0700"}}}
    plan = planned(catalogue, hardened, values=values)
    assert plan.desired.attributes["/home/bob"]["mode"] == "0700"
    assert "umask 077" in plan.desired.files["/etc/profile.d/zz-unified.sh"]["content"]


def test_dot_files_get_modes_only_and_nothing_is_removed(catalogue: t.Any, hardened: t.Any) -> None:
    def dot(**facts: t.Any) -> dict[str, t.Any]:
        return {**FACTS, "owner": "bob", "group": "bob", "links": 1, **facts}

    dots = {
        ".profile": dot(mode="0664"),
        ".netrc": dot(mode="0644"),
        ".rhosts": dot(type="directory", mode="0755"),
        ".roots": dot(owner="root", mode="0644"),
        ".linked": dot(mode="0666", links=2),
        ".bashrc": dot(mode="0744"),
    }
    hardened["home"]["homes"]["bob"] = home("/home/bob", mode="0700", dot_files=dots)
    plan = planned(catalogue, hardened)
    changed = {path: change for path, change in plan.desired.attributes.items() if path.startswith("/home/bob")}
    assert changed == {
        "/home/bob/.profile": {"path": "/home/bob/.profile", "mode": "0644"},
        "/home/bob/.netrc": {"path": "/home/bob/.netrc", "mode": "0600"},
    }
    assert not [path for path in plan.desired.files if path.startswith("/home")]
    del dots[".profile"], dots[".netrc"]
    held = verdict(catalogue, hardened, "home/dot_files").held
    assert "/home/bob/.rhosts must not exist" in held
    assert ".roots belongs to root" in held
    assert ".linked has mode 0666: it has another name" in held


def test_goss_is_not_asked_for_dot_files_below_what_is_no_directory(catalogue: t.Any, hardened: t.Any) -> None:
    """lstat(2) of a name below /dev/null is an error, and so was the rule."""
    hardened["home"]["homes"] = {"bob": home("/dev/null", type="other")}
    checks = _goss.checks(planned(catalogue, hardened).verdicts["home/dot_files"], hardened)
    assert {check.resource for check in checks} == {"matching"}


def test_home_that_did_not_answer_is_no_pass(catalogue: t.Any, hardened: t.Any) -> None:
    hardened.document["sections"]["home"]["left_out"] = {"/home/nfs": "did not answer within 5 s"}
    plan = planned(catalogue, hardened)
    assert {plan.verdicts[rule].verdict for rule in ("home/directory", "home/dot_files")} == {"error"}
    assert plan.verdicts["account/uid_zero"].verdict == "pass"


# account, root_shell


def accounts(
    monkeypatch: pytest.MonkeyPatch,
    users: str,
    group: str = "root:x:0:\n",
    shadow: str = "",
    defs: str = "",
    shadow_listed: str = "",
    **listed: str,
) -> t.Any:
    """The section as read from files with these texts; LISTED is what getent says."""
    texts = {
        "/etc/passwd": users,
        "/etc/group": group,
        "/etc/shadow": shadow,
        "/etc/login.defs": defs,
        "/etc/shells": "/bin/sh\n/bin/bash\n/usr/sbin/nologin\n",
    }

    class Getent:
        def __init__(self, _program: str, table: str, timeout: float) -> None:
            self.table = table

        def text(self) -> str:
            return {**listed, "shadow": shadow_listed}.get(self.table, "")

    monkeypatch.setattr(_account, "read", texts.get)
    monkeypatch.setattr(_account, "Command", Getent)
    return _account.Accounts().read()


def test_empty_shell_is_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    users = accounts(monkeypatch, "games:x:5:60:::\nman:x:6:12:::/usr/sbin/nologin\nx:x:7:7:::/tmp/nologin\n").items[
        "users"
    ]
    assert [(user["login"], user["valid_shell"]) for user in users] == [(True, True), (False, False), (True, False)]


def test_first_of_two_lines_of_shadow_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    shadow = "bob::20773:1:365:7:45::\nbob:!:20773:1:365:7:45::\n"
    users = accounts(monkeypatch, "bob:x:1001:1001::/:/bin/sh\n", shadow=shadow).items["users"]
    assert [user["password"] for user in users] == ["empty"]


def test_password_without_a_day_of_change_does_not_age(
    catalogue: t.Any, hardened: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in ("", "-1"):
        users = accounts(monkeypatch, "bob:x:1001:1001::/:/bin/sh\n", shadow=f"bob:$y$x:{day}:1:365:7:45::\n").items[
            "users"
        ]
        assert [users[0][field] for field in ("last_change", "min", "max", "warn", "inactive")] == [None] * 5
    hardened["account"]["users"].append({**hardened["account"]["users"][0], **users[0], "local": True})
    for rule in ("inactive_days", "password_max_days", "password_min_days", "password_warn_days"):
        made = verdict(catalogue, hardened, f"account/{rule}")
        assert made.verdict == "fail" and "bob: no day of the last change" in made.held
    assert "bob" not in planned(catalogue, hardened).desired.users


def test_last_line_of_the_first_number_of_people_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    section = accounts(monkeypatch, "bob:x:1001:1001::/:/bin/sh\n", defs="UID_MIN 5000\nUID_MIN 1000\n#UID_MIN 9\n")
    assert section.items["uid_min"] == 1000


def test_empty_field_of_passwd_is_an_empty_password(
    monkeypatch: pytest.MonkeyPatch, catalogue: t.Any, hardened: t.Any
) -> None:
    users = accounts(monkeypatch, "a::1001:1001::/:/bin/sh\nb:x:1002:1002::/:/bin/sh\n").items["users"]
    assert [user["password"] for user in users] == ["empty", "none"]
    hardened["account"]["users"][-1].update(password="empty", shadowed=False)
    plan = planned(catalogue, hardened)
    ruling = plan.verdicts["account/empty_password"]
    assert ruling.verdict == "fail" and "in passwd(5) itself" in ruling.held


def test_accounts_that_only_getent_shows_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    section = accounts(monkeypatch, "  toor:x: 0:0:::/bin/sh\n", passwd="toor:x:0:0:::/bin/sh\nldap:*:0:0:::/bin/sh\n")
    assert [(user["name"], user["uid"], user["local"]) for user in section.items["users"]] == [
        ("toor", 0, True), ("ldap", 0, False),
    ]  # fmt: skip
    assert section.whole


def test_password_of_an_account_that_only_getent_shows_is_looked_at(
    monkeypatch: pytest.MonkeyPatch, catalogue: t.Any, hardened: t.Any
) -> None:
    users = accounts(
        monkeypatch, "root:x:0:0:::/bin/sh\n", shadow="root:*:1::::::\n",
        passwd="open:x:1001:1001:::/bin/sh\n", shadow_listed="root::1::::::\nopen::20773::::::\n",
    ).items["users"]  # fmt: skip
    assert [user["password"] for user in users] == ["disabled", "empty"]
    hardened["account"]["users"].append({**users[1], "local": False})
    made = verdict(catalogue, hardened, "account/empty_password")
    assert made.verdict == "fail" and "open: not an account of this host's own files" in made.held


def test_line_that_brings_in_others_or_is_cut_leaves_the_section_not_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    section = accounts(monkeypatch, "root:x:0:0:::/bin/sh\n# note\n\n+::::::\nbad:x:1\n")
    assert set(section.left_out) == {"/etc/passwd:4", "/etc/passwd:5"}


def test_duplicate_lines_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    users = accounts(monkeypatch, "a:x:1:1:::/bin/sh\na:x:1:1:::/bin/sh\n").items["users"]
    assert [user["name"] for user in users] == ["a", "a"]


def test_system_account_with_an_empty_shell_fails_and_is_mended(catalogue: t.Any, hardened: t.Any) -> None:
    for user in hardened["account"]["users"]:
        if user["name"] == "games":
            user.update(shell="/bin/sh", login=True, valid_shell=True)
    plan = planned(catalogue, hardened)
    assert plan.verdicts["account/system_shells"].actual == "games: yes"
    assert plan.desired.users["games"]["shell"] == "/usr/sbin/nologin"


def test_account_of_a_directory_service_is_held(catalogue: t.Any, hardened: t.Any) -> None:
    games = next(user for user in hardened["account"]["users"] if user["name"] == "games")
    games.update(login=True, local=False)
    assert "not an account of this host's own files" in verdict(catalogue, hardened, "account/system_shells").held


def test_no_accounts_are_no_pass(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["account"]["users"] = []
    verdicts = planned(catalogue, hardened).verdicts
    users = [
        v for v in verdicts.values() if v.demand.rule.spec.get("of") == "users" and v.demand.rule.kind == "account"
    ]
    assert {v.verdict for v in users} == {"error"}


def test_lock_after_expiry_that_would_end_the_connecting_users_logins_is_held(
    catalogue: t.Any, hardened: t.Any
) -> None:
    user = next(user for user in hardened["account"]["users"] if user["name"] == "ansible")
    user.update(inactive=None, last_change=100, max=365)
    assert "would lock or expire ansible" in verdict(catalogue, hardened, "account/inactive_days").held


BREAKS: dict[str, dict[str, t.Any]] = {
    "uid_zero": {"uid": 0},
    "gid_zero_accounts": {"gid": 0},
    "system_shells": {"login": True, "system": True},
    "invalid_shell_locked": {"valid_shell": False, "password": "set"},
    "shadowed": {"shadowed": False},
    "empty_password": {"password": "empty"},
    "groups_exist": {"has_group": False},
    "unique_uid": {"uid": 1},
    "unique_user_name": {"name": "bin"},
    "password_change_past": {"password": "set", "ahead": 3},
    "password_max_days": {"password": "set", "max": 99999},
    "password_min_days": {"password": "set", "min": None},
    "password_warn_days": {"password": "set", "warn": 0},
    "inactive_days": {"password": "set", "inactive": -1},
}


@pytest.mark.skipif(not GOSS, reason="no goss program here: the integration tests run it on hosts")
@pytest.mark.parametrize("rule", sorted(BREAKS))
def test_judge_and_goss_template_of_an_account_rule_agree(
    catalogue: t.Any, hardened: t.Any, rule: str, tmp_path: Path
) -> None:
    def judges() -> tuple[dict[str, bool], dict[str, bool]]:
        verdicts = {
            name: one
            for name, one in planned(catalogue, hardened).verdicts.items()
            if one.demand.rule.kind in ("account", "root_shell")
        }
        said = goss_program.results(_goss.generate(verdicts, hardened), tmp_path, hardened.document)
        planner = {name: one.verdict == "pass" for name, one in verdicts.items()}
        return planner, {name: name in said["passed"] for name in verdicts}

    planner, second = judges()
    assert planner == second
    games = next(user for user in hardened["account"]["users"] if user["name"] == "games")
    games.update(BREAKS[rule])
    planner, second = judges()
    assert not planner[f"account/{rule}"]
    assert planner == second


@pytest.mark.skipif(not GOSS, reason="no goss program here: the integration tests run it on hosts")
@pytest.mark.parametrize(
    "name", ["caf\\xe9", "a\\nb", "'\"", "{{ .Vars }}", "gr\u00fcn \U0001f98a", "\\x1b[2J", "n" * 255, "back\\\\slash"]
)
def test_goss_reads_every_name_that_evidence_can_hold(
    catalogue: t.Any, hardened: t.Any, name: str, tmp_path: Path
) -> None:
    hardened["file"][LOGS] = {f"/var/log/{name}": {**FACTS, "acl": ["user:nobody:r--"]}}
    hardened["home"]["homes"]["bob"] = home(f"/home/{name}", dot_files={f".{name}": {**FACTS, "links": 1}})
    hardened["scan"]["world_writable_files"] = [f"/srv/{name}"]
    rules = (f"file/{LOGS}", "home/directory", "home/dot_files", "scan/world_writable_files")
    verdicts = {rule: one for rule, one in planned(catalogue, hardened).verdicts.items() if rule in rules}
    assert {one.verdict for one in verdicts.values()} == {"fail"}
    said = goss_program.results(_goss.generate(verdicts, hardened), tmp_path, hardened.document)
    assert set(said["failing"]) == set(rules)


@pytest.mark.parametrize(
    ("mode", "owner", "reason"),
    [(0o755, 0, ""), (0o775, 0, "can be written to by others"), (0o755, 1000, "belongs to another than root")],
)
def test_directory_of_the_search_path_is_looked_at_with_all_above_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, owner: int, reason: str
) -> None:
    modes = {"/": (0o40755, 0), "/opt": (0o40000 | mode, owner), "/opt/bin": (0o40755, 0)}
    monkeypatch.setattr(os.path, "realpath", lambda path: path)
    facts = {path: os.stat_result((kind, 1, 1, 1, uid, 0, 0, 0, 0, 0)) for path, (kind, uid) in modes.items()}
    monkeypatch.setattr(os, "lstat", lambda path: facts[path])
    assert _paths.why_unsafe("/opt/bin") == (f"/opt {reason}" if reason else "")


@pytest.mark.parametrize("part", ["", ".", "bin", "./bin"])
def test_relative_part_of_the_search_path_is_unsafe(part: str) -> None:
    assert _paths.why_unsafe(part) == "depends on the current directory"
