"""Kind sshd: its reader's pure parts, its verdicts, and what it foresees."""

from __future__ import annotations

import os
import types
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._collect import sshd, sshd_config, sshd_daemon
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import jumps, plan
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.batch import options
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.kinds.base import Connection

from tests.unit.access import checks, planned

DROP_IN = "/etc/ssh/sshd_config.d/00-unified.conf"


def test_directives_follow_nested_relative_and_globbed_includes_and_know_their_match(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sshd_config, "HOME", str(tmp_path))
    (tmp_path / "d").mkdir()
    (tmp_path / "main").write_text(
        '# Port 1\n  include d/*.conf   "other file" # both\nMaxSessions=9\nMatch User bob\n\tInclude inner\nMatch all\nPort 7\n'
    )
    (tmp_path / "d/b.conf").write_text("PermitRootLogin yes\n")
    (tmp_path / "d/a.conf").write_text("Include inner\n")
    (tmp_path / "inner").write_text("MATCH Group wheel,adm\nBanner 'no ne'\n")
    (tmp_path / "other file").write_text("UsePAM no\n")
    lines = [
        (line["keyword"], line["value"], line["match"])
        for line in sshd_config.directives(str(tmp_path / "main"))
        if line["keyword"] not in ("include", "match")
    ]
    assert lines == [
        ("banner", "no ne", "Group wheel,adm"),
        ("permitrootlogin", "yes", ""),
        ("usepam", "no", ""),
        ("maxsessions", "9", ""),
        ("banner", "no ne", "User bob Group wheel,adm"),
        ("port", "7", "all"),
    ]


def test_file_that_includes_itself_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sshd_config, "HOME", str(tmp_path))
    (tmp_path / "loop").write_text("Include loop\nPort 1\n")
    assert len(list(sshd_config.directives(str(tmp_path / "loop")))) < 100


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ("User bob", {"user": "bob"}),
        ("User svc-*,!svc-a", {"user": "svc-1"}),
        ("Group sudo", {"user": "ansible"}),
        ("Group sudo User !ansible,*", None),
        ("Address 10.0.0.0/8,!10.0.0.1", {"addr": "10.0.0.2"}),
        ("Address 2001:db8::/32", {"addr": "2001:db8::1"}),
        ("LocalPort 2222 Host *.example.org", {"lport": "2222", "host": "1.example.org"}),
        ("User=bob", {"user": "bob"}),
        ("invalid-user", {"invalid-user": ""}),
        ("Group nobodys", None),
        ("version OpenSSH*", None),
    ],
)
def test_sample_connection_satisfies_its_block(match: str, expected: dict[str, str] | None) -> None:
    groups = {"root": ["root"], "ansible": ["ansible", "sudo"], "bob": ["bob"]}
    sample = sshd_config.Sampler([match, "User root", "Address 192.0.2.0/24"], groups).connection(match)
    if expected is None:
        assert sample is None
    else:
        assert sample is not None and sample.items() >= expected.items()
        assert sample["user"] != "root" or "User root" in match


def test_sample_avoids_blocks_that_would_hide_its_own() -> None:
    groups = {"root": ["root", "sudo"], "ansible": ["sudo"]}
    sample = sshd_config.Sampler(["User root", "Group sudo"], groups).connection("Group sudo")
    assert sample is not None and sample["user"] == "ansible"


def test_group_that_a_block_excludes_refuses_whatever_the_others_match() -> None:
    groups = {"root": ["root", "sudo"], "games": ["games"]}
    sample = sshd_config.Sampler(["Group *,!sudo"], groups).connection("Group *,!sudo")
    assert sample is not None and sample["user"] == "games"


@pytest.mark.parametrize(
    ("title", "options"),
    [
        ("-D -o PermitRootLogin=yes", ["-o", "PermitRootLogin=yes"]),
        ("-D -oBanner none -p 2222 -E /x -ddd", ["-o", "Banner none", "-p", "2222", "-E", "/x"]),
        ("-Df /etc/other", ["-f", "/etc/other"]),
        ("-4 -D", ["-4"]),
        ("-qD", ["-q"]),
    ],
)
def test_arguments_of_the_daemon_are_taken_from_its_title(title: str, options: list[str]) -> None:
    assert sshd_daemon.arguments(title.split()) == options
    words = sshd_daemon._words(f"sshd: /usr/sbin/sshd {title} [listener] 0 of 10-100 startups\0\0")
    assert words is not None and sshd_daemon.arguments(words) == options


def test_session_is_no_daemon_and_a_cut_title_is_noticed() -> None:
    assert sshd_daemon._words("sshd: ansible [priv]\0") is None
    assert "[truncated]" in (sshd_daemon._words("sshd: /usr/sbin/sshd -D -o Permit") or [])
    assert sshd_daemon._words("sshd2: /opt/sshd2 -f /x [listener] 0 of 10-100 startups") == ["-f", "/x"]
    assert sshd_daemon._words("/usr/sbin/sshd\0-D\0-oPort=1\0") == ["-D", "-oPort=1", ""]


def test_next_start_takes_its_arguments_from_the_units_files(tmp_path: Path) -> None:
    (tmp_path / "ssh").write_text("# SSHD_OPTS=-4\nSSHD_OPTS='-o PermitRootLogin=yes'\n")
    unit = {
        "ExecStart": "{ path=/usr/sbin/sshd ; argv[]=/usr/sbin/sshd -D $SSHD_OPTS ; ignore_errors=no ; }",
        "EnvironmentFiles": f"{tmp_path}/ssh (ignore_errors=yes)",
    }
    assert sshd_daemon.next_arguments(unit) == ["-o", "PermitRootLogin=yes"]
    assert sshd_daemon.next_arguments({"ExecStart": "{ argv[]=/bin/true ; }"}) is None


@pytest.mark.parametrize(
    ("socket", "starts"),
    [
        ({"ActiveState": "active"}, ["the next start of ssh.service", "each connection to ssh.socket"]),
        ({"UnitFileState": "enabled"}, ["the next start of ssh.service", "each connection to ssh.socket"]),
        ({"ActiveState": "inactive", "UnitFileState": "disabled"}, ["the next start of ssh.service"]),
    ],
)
def test_socket_that_listens_starts_a_daemon_of_its_own(socket: dict[str, str], starts: list[str]) -> None:
    start = "{ path=/usr/sbin/sshd ; argv[]=/usr/sbin/sshd -i -o MaxSessions=99 ; ignore_errors=no ; }"
    units = [
        {"Id": "ssh.service", "ExecStart": start},
        {"Id": "ssh@unified.service", "ExecStart": start},
        {"Id": "ssh.socket", **socket},
    ]
    assert sshd_daemon.upcoming(units) == [(name, ["-o", "MaxSessions=99"]) for name in starts]


def with_case(evidence: t.Any, criteria: str, **differs: str) -> None:
    evidence["sshd"]["cases"].append(
        {"criteria": criteria, "source": "/etc/ssh/x", "line": 3, "connection": None, "differs": differs}
    )


def test_match_block_that_weakens_fails_and_is_held_by_name(catalogue: t.Any, hardened: t.Any) -> None:
    with_case(hardened, "Address 10.0.0.0/8", permitrootlogin="yes")
    plan = planned(catalogue, hardened, level="l1_server")
    verdict = plan.verdicts["sshd/PermitRootLogin"]
    assert verdict.verdict == "fail" and "yes for 'Match Address 10.0.0.0/8' in /etc/ssh/x:3" in verdict.actual
    assert "'Match Address 10.0.0.0/8' in /etc/ssh/x:3 overrides" in verdict.held
    assert plan.changes == [] and plan.desired.units_restarted == plan.desired.units_reloaded == []
    assert len(checks(plan, hardened, "sshd/PermitRootLogin")) > len(checks(plan, hardened, "sshd/UsePAM"))


def test_match_block_that_strengthens_passes(catalogue: t.Any, hardened: t.Any) -> None:
    with_case(hardened, "User bob", maxsessions="2")
    assert planned(catalogue, hardened).verdicts["sshd/MaxSessions"].verdict == "pass"


def test_arguments_of_the_running_daemon_are_judged_and_named(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["sshd"]["daemons"][0]["arguments"] = ["-o", "PermitRootLogin=yes"]
    hardened["sshd"]["effective"]["permitrootlogin"] = "yes"
    verdict = planned(catalogue, hardened).verdicts["sshd/PermitRootLogin"]
    assert verdict.verdict == "fail"
    assert "with the arguments '-o PermitRootLogin=yes' overrides" in verdict.held


def test_log_that_goes_to_a_file_is_no_log_of_the_system(
    catalogue: t.Any, hardened: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = sshd_daemon.arguments(["-D", "-E/dev/null", "-4", "-E", "/x y"])
    assert sshd_daemon.without_log(arguments) == (["-4"], "/x y")
    assert sshd_daemon.without_log(["-4"]) == (["-4"], "")
    assert sshd_daemon.without_log(["-4", "-E"]) == (["-4"], "")
    printed = types.SimpleNamespace(text=lambda: "port 22\nloglevel VERBOSE\n")
    effective = sshd.settings(t.cast("t.Any", printed), "/x y")
    assert effective == {"port": "22", "loglevel": "VERBOSE to /x y"}
    hardened["sshd"]["daemons"][0]["arguments"] = arguments
    hardened["sshd"]["effective"].update(effective)
    verdict = planned(catalogue, hardened).verdicts["sshd/LogLevel"]
    assert verdict.verdict == "fail" and "to /x y" in verdict.actual
    assert "with the arguments '-E /dev/null -4 -E /x y' overrides" in verdict.held


def test_arguments_of_the_next_start_are_judged(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["sshd"]["variants"] = [
        {"name": "the next start of ssh.service", "arguments": ["-oBanner=none"], "differs": {"banner": "none"}}
    ]
    verdict = planned(catalogue, hardened).verdicts["sshd/Banner"]
    assert verdict.verdict == "fail" and "the next start of ssh.service" in verdict.actual


def test_daemon_older_than_its_configuration_fails_and_is_reloaded(catalogue: t.Any, hardened: t.Any) -> None:
    newest = hardened["sshd"]["newest"]
    newest["modified"] = hardened["sshd"]["daemons"][0]["loaded"] + 1
    plan = planned(catalogue, hardened, level="l1_server")
    verdict = plan.verdicts["sshd/MACs"]
    assert verdict.verdict == "fail" and f"{newest['path']} changed at" in verdict.actual
    assert plan.desired.stale == ["ssh.service"]
    assert (plan.desired.units_restarted, plan.desired.units_reloaded) == ([], ["ssh.service"])
    assert not plan.desired.files


def test_file_with_an_old_time_counts_as_changed_when_it_came(tmp_path: Path) -> None:
    main = tmp_path / "sshd_config"
    main.write_text("UsePAM yes\n")
    os.utime(main, (1, 1))
    assert sshd.newest([], str(main))["modified"] > 1


def chmodded(evidence: t.Any, path: str) -> None:
    evidence["file"]["/etc/ssh/sshd_config"][path]["mode"] = "0644"


def units_by_batch(catalogue: t.Any, evidence: t.Any) -> dict[str, list[str]]:
    made = planned(catalogue, evidence)
    parts = plan.batches(made, evidence, Connection(user="ansible"))
    return {part.name: part.desired.units_reloaded + part.desired.units_restarted for part in parts}


def test_daemon_reads_again_what_a_batch_only_closes(catalogue: t.Any, hardened: t.Any) -> None:
    """A changed mode makes the file younger than the daemon: without the reload the next run would find it stale."""
    chmodded(hardened, "/etc/ssh/sshd_config")
    assert units_by_batch(catalogue, hardened) == {"settings": ["ssh.service"]}


def test_daemon_that_must_not_load_what_is_on_disk_is_not_reloaded_for_a_mode(
    catalogue: t.Any, hardened: t.Any
) -> None:
    chmodded(hardened, "/etc/ssh/sshd_config")
    hardened["sshd"]["newest"]["modified"] = hardened["sshd"]["daemons"][0]["loaded"] + 1
    assert units_by_batch(catalogue, hardened) == {"sshd": ["ssh.service"], "settings": ["ssh.service"]}
    hardened["sshd"]["effective"]["denyusers"] = "ansible"
    assert units_by_batch(catalogue, hardened) == {"settings": []}


UNIT = {"Id": "ssh.service", "MainPID": "41", "ExecStart": "{ path=/usr/sbin/sshd ; argv[]=/usr/sbin/sshd -D ; }"}


@pytest.mark.parametrize(("pids", "said"), [({41}, []), (set(), ["ssh.service"]), ({7}, ["ssh.service"])])
def test_unit_whose_daemon_was_not_seen_is_said(pids: set[int], said: list[str]) -> None:
    assert list(sshd_daemon.unseen([UNIT], pids)) == said
    assert sshd_daemon.unseen([{**UNIT, "MainPID": "0"}], set()) == {}


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({}, ""),
        ({"ExecStart": "{ path=/opt/run-sshd ; argv[]=/opt/run-sshd -D ; }"}, "/opt/run-sshd in the place of sshd"),
        ({"ExecStart": "{ path=/usr/bin/env ; argv[]=/usr/bin/env sshd -o X=y ; }"}, "/usr/bin/env in the place"),
        ({"BindPaths": "/srv/x:/etc/ssh:rbind"}, "BindPaths=/srv/x:/etc/ssh:rbind"),
        ({"TemporaryFileSystem": "/etc"}, "TemporaryFileSystem=/etc"),
        ({"RootDirectory": "/srv/root"}, "RootDirectory=/srv/root"),
        ({"BindReadOnlyPaths": "/srv/keys:/srv/elsewhere", "BindPaths": ""}, ""),
    ],
)
def test_next_start_that_reads_other_files_is_said(properties: dict[str, str], said: str) -> None:
    reasons = sshd_daemon.unseen([{**UNIT, **properties}], {41})
    assert said in reasons["ssh.service"] if said else reasons == {}


def test_daemon_with_other_mounts_is_said_unless_its_files_are_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = {("self", "mnt"): 1, ("self", "pid"): 5, (41, "mnt"): 2, (41, "pid"): 5}
    monkeypatch.setattr(sshd_daemon, "_namespace", lambda pid, kind: numbers.get((pid, kind), 9))
    monkeypatch.setattr(sshd_daemon, "_started", lambda pid: 1.0)
    monkeypatch.setattr(os, "listdir", lambda path: ["41"])
    monkeypatch.setattr(os, "readlink", lambda path: "/usr/sbin/sshd")
    monkeypatch.setattr(sshd_daemon, "_cmdline", lambda pid: "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups")
    monkeypatch.setattr(sshd_daemon, "_same_files", lambda pid: False)
    assert sshd_daemon.running()[0] == [] and "sshd 41" in sshd_daemon.running()[1]
    monkeypatch.setattr(sshd_daemon, "_same_files", lambda pid: True)
    assert [daemon["pid"] for daemon in sshd_daemon.running()[0]] == [41] and sshd_daemon.running()[1] == {}
    numbers[41, "pid"] = 6
    assert sshd_daemon.running() == ([], {})


def test_changed_configuration_is_reloaded_for_a_failed_restart_leaves_no_daemon(
    catalogue: t.Any, fresh: t.Any
) -> None:
    units = options(planned(catalogue, fresh, level="l1_server").desired, fresh["text"])["units"]
    assert "ssh.service" in units["reloaded"] and "ssh.service" not in units["restarted"]


@pytest.mark.parametrize(("result", "counts"), [("success", True), ("exit-code", False)])
def test_reload_that_failed_gives_the_daemon_no_new_configuration(result: str, counts: bool) -> None:
    unit = {"StateChangeTimestampMonotonic": "1000000", "ReloadResult": result}
    assert bool(sshd_daemon.reloaded(unit)) == counts


def test_daemon_with_another_configuration_file_is_held(catalogue: t.Any, fresh: t.Any) -> None:
    fresh["sshd"]["daemons"][0]["arguments"] = ["-f", "/etc/ssh/other"]
    assert "reads /etc/ssh/other" in planned(catalogue, fresh).verdicts["sshd/Banner"].held


def test_file_that_is_read_before_ours_is_named(catalogue: t.Any, fresh: t.Any) -> None:
    fresh["sshd"]["effective"]["maxsessions"] = "99"
    fresh["sshd"]["directives"].insert(
        1,
        {"source": "/etc/ssh/sshd_config.d/00-a.conf", "line": 2, "keyword": "maxsessions", "value": "99", "match": ""},
    )
    assert "/etc/ssh/sshd_config.d/00-a.conf:2 overrides" in planned(catalogue, fresh).verdicts["sshd/MaxSessions"].held


def test_file_that_an_earlier_one_includes_is_named(catalogue: t.Any, fresh: t.Any) -> None:
    fresh["sshd"]["effective"]["maxsessions"] = "99"
    fresh["sshd"]["directives"][1:1] = [
        {"source": "/etc/ssh/sshd_config.d/00-a.conf", "line": 1, "keyword": "include", "value": "x", "match": ""},
        {"source": "/etc/ssh/x", "line": 4, "keyword": "maxsessions", "value": "99", "match": ""},
        {"source": "/etc/ssh/sshd_config.d/20.conf", "line": 1, "keyword": "banner", "value": "none", "match": ""},
    ]
    verdicts = planned(catalogue, fresh).verdicts
    assert "/etc/ssh/x:4 overrides" in verdicts["sshd/MaxSessions"].held
    assert verdicts["sshd/Banner"].held == ""


def test_match_all_is_named(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["sshd"]["effective"]["permitrootlogin"] = "yes"
    line = {"source": "/etc/ssh/x", "line": 9, "keyword": "permitrootlogin", "value": "yes", "match": "all"}
    hardened["sshd"]["directives"].append(line)
    assert "'Match all' in /etc/ssh/x:9 overrides" in planned(catalogue, hardened).verdicts["sshd/PermitRootLogin"].held


def test_keywords_have_no_case_where_they_are_written(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["sshd"]["effective"]["maxauthtries"] = "9"
    hardened["text"][DROP_IN] = "maxauthtries=9\nMaxAuthTries 4\nUsePAM yes\n"
    text = planned(catalogue, hardened).desired.files[DROP_IN]["content"]
    assert text == "MaxAuthTries 4\nUsePAM yes\n"


def test_drop_ins_that_are_not_read_first_are_left_alone(catalogue: t.Any, fresh: t.Any) -> None:
    """An Include behind a Match block reads our drop-in inside it, and sshd refuses to start."""
    fresh["sshd"]["directives"] = [
        {"source": "/etc/ssh/sshd_config", "line": 1, "keyword": "match", "value": "User bob", "match": "User bob"},
        {"source": "/etc/ssh/sshd_config", "line": 2, "keyword": "include", "value": "sshd_config.d/*.conf", "match": "User bob"},
    ]  # fmt: skip
    files = planned(catalogue, fresh).desired.files
    assert DROP_IN not in files
    assert "\nMaxAuthTries 4\n" in files["/etc/ssh/sshd_unified.conf"]["content"]
    assert files["/etc/ssh/sshd_config"]["content"].startswith("Include /etc/ssh/sshd_unified.conf\n")


def test_drop_in_is_validated_as_part_of_the_whole(catalogue: t.Any, fresh: t.Any) -> None:
    validate = planned(catalogue, fresh).desired.files[DROP_IN]["validate"]
    assert validate[0] == "sh" and "/etc/ssh/sshd_config" in validate[2] and validate[-1] == "%s"


def test_block_that_has_the_line_is_named_of_all_that_a_connection_is_in(catalogue: t.Any, hardened: t.Any) -> None:
    connection = {"user": "bob"}
    hardened["sshd"]["cases"] = [
        {
            "criteria": user,
            "source": "/x",
            "line": line,
            "connection": connection,
            "differs": {"permitrootlogin": "yes"},
        }
        for line, user in ((1, "User bob"), (9, "User root,bo?"))
    ]
    hardened["sshd"]["directives"].append(
        {"source": "/x", "line": 10, "keyword": "permitrootlogin", "value": "yes", "match": "User root,bo?"}
    )
    assert (
        "'Match User root,bo?' in /x:9 overrides" in planned(catalogue, hardened).verdicts["sshd/PermitRootLogin"].held
    )


@pytest.mark.parametrize(
    ("effective", "differs", "verdict"),
    [
        ({"allowgroups": "sudo"}, {}, "pass"),
        ({"allowgroups": "*"}, {}, "fail"),
        ({"allowusers": "bob *"}, {}, "fail"),
        ({"allowusers": "*@*"}, {}, "fail"),
        ({"allowusers": "?*"}, {}, "fail"),
        ({"allowusers": "*@192.0.2.1"}, {}, "pass"),
        ({"allowgroups": "a*"}, {}, "pass"),
        ({"allowusers": "bob"}, {"allowusers": "*"}, "fail"),
        ({"denyusers": "games"}, {}, "pass"),
    ],
)
def test_list_that_lets_everybody_in_is_none(
    catalogue: t.Any, hardened: t.Any, effective: dict[str, str], differs: dict[str, str], verdict: str
) -> None:
    for name in ("allowusers", "allowgroups", "denyusers", "denygroups"):
        hardened["sshd"]["effective"].pop(name, None)
    hardened["sshd"]["effective"].update(effective)
    if differs:
        case = {"criteria": "Address 10.0.0.0/8", "source": "/x", "line": 1, "connection": {}, "differs": differs}
        hardened["sshd"]["cases"] = [case]
    assert planned(catalogue, hardened, values={}).verdicts["sshd/AllowGroups"].verdict == verdict


def test_list_of_the_site_with_a_star_is_none(catalogue: t.Any, hardened: t.Any) -> None:
    for everybody in ("*", "?*", "**"):
        hardened["sshd"]["effective"]["allowgroups"] = f"sudo {everybody}"
        assert planned(catalogue, hardened).verdicts["sshd/AllowGroups"].verdict == "fail"


def test_weak_algorithms_are_taken_from_the_sites_own_list(catalogue: t.Any, fresh: t.Any) -> None:
    fresh["sshd"]["effective"]["ciphers"] = "aes256-gcm@openssh.com,3des-cbc"
    fresh["sshd"]["directives"].append(
        {
            "source": "/etc/ssh/x",
            "line": 1,
            "keyword": "ciphers",
            "value": "aes256-gcm@openssh.com,3des-cbc",
            "match": "",
        }
    )
    text = planned(catalogue, fresh).desired.files[DROP_IN]["content"]
    assert "\nCiphers aes256-gcm@openssh.com\n" in text


def account(name: str, **facts: t.Any) -> dict[str, t.Any]:
    return {"name": name, "uid": 2000, "gid": 2000, "home": f"/home/{name}", "shell": "/bin/bash", "valid_shell": True,
            "system": False, "shadowed": True, "password": "disabled", "last_change": 1, "min": None, "max": None,
            "warn": None, "inactive": None, "home_exists": True, "home_mode": "0700", "home_owner": name,
            "dot_files": [], **facts}  # fmt: skip


def test_other_people_who_would_be_cut_are_named(catalogue: t.Any, fresh: t.Any) -> None:
    fresh["account"]["users"].append(account("carol"))
    fresh["sshd"]["key_holders"].append("carol")
    held = planned(catalogue, fresh).verdicts["sshd/AllowGroups"].held
    assert "carol can log in today and is in none of the groups sudo" in held


def test_root_connection_is_held_for_groups_too(catalogue: t.Any, fresh: t.Any) -> None:
    held = planned(catalogue, fresh, Connection(user="root")).verdicts["sshd/AllowGroups"].held
    assert "root is in none of the groups sudo" in held


def test_list_on_disk_that_is_not_loaded_holds_every_change(catalogue: t.Any, fresh: t.Any) -> None:
    fresh["sshd"]["effective"]["allowusers"] = "carol@10.0.0.0/8"
    plan = planned(catalogue, fresh)
    assert "AllowUsers does not name ansible" in plan.verdicts["sshd/Banner"].held
    assert "ssh.service" not in plan.desired.units_restarted + plan.desired.units_reloaded


def test_list_that_names_this_session_lets_the_change_through(catalogue: t.Any, fresh: t.Any) -> None:
    fresh["sshd"]["session"] = {
        "user": "ansible",
        "address": "10.1.2.3",
        "local_address": "",
        "port": "22",
        "differs": {},
    }
    fresh["sshd"]["effective"]["allowusers"] = "ansible@10.0.0.0/8"
    assert planned(catalogue, fresh).verdicts["sshd/Banner"].held == ""
    fresh["sshd"]["effective"]["allowusers"] = "ansible@10.9.0.0/16"
    assert "AllowUsers does not name ansible" in planned(catalogue, fresh).verdicts["sshd/Banner"].held


@pytest.mark.parametrize(
    ("rule", "connection", "reason"),
    [
        ("MaxAuthTries", Connection(user="ansible", identities=6), "the agent offers 6 keys"),
        ("Banner", Connection(user="ansible", algorithms={"macs": ("odd",)}), "knows none of the macs"),
        (
            "DisableForwarding",
            Connection(user="ansible", reached_through=lambda: ("db1", "db2")),
            "db1, db2 of the inventory would",
        ),
        ("MACs", Connection(user="ansible", algorithms={"macs": ("hmac-sha1",)}), "knows none of the macs"),
    ],
)
def test_what_the_client_needs_is_held(
    catalogue: t.Any, fresh: t.Any, rule: str, connection: Connection, reason: str
) -> None:
    assert reason in planned(catalogue, fresh, connection).verdicts[f"sshd/{rule}"].held
    assert planned(catalogue, fresh).verdicts[f"sshd/{rule}"].held == ""


def test_algorithms_of_the_site_that_would_be_left_are_compared_with_the_clients(
    catalogue: t.Any, fresh: t.Any
) -> None:
    fresh["sshd"]["effective"]["ciphers"] = "aes256-gcm@openssh.com,3des-cbc"
    fresh["sshd"]["directives"].append(
        {"source": "/x", "line": 1, "keyword": "ciphers", "value": "aes256-gcm@openssh.com,3des-cbc", "match": ""}
    )
    old = Connection(user="ansible", algorithms={"ciphers": ("3des-cbc",)})
    assert "none of the ciphers" in planned(catalogue, fresh, old).verdicts["sshd/Ciphers"].held
    new = Connection(user="ansible", algorithms={"ciphers": ("aes256-gcm@openssh.com",)})
    assert planned(catalogue, fresh, new).verdicts["sshd/Ciphers"].held == ""


def test_weak_list_on_disk_is_mended_before_anything_else_restarts_the_daemon(catalogue: t.Any, fresh: t.Any) -> None:
    """sshd with only an exchange that this client refuses, not loaded yet: any restart would lock the run out."""
    fresh["sshd"]["effective"]["kexalgorithms"] = "diffie-hellman-group14-sha1"
    client = Connection(user="ansible", algorithms={"kexalgorithms": ("curve25519-sha256",)})
    verdicts = planned(catalogue, fresh, client).verdicts
    assert verdicts["sshd/KexAlgorithms"].held == ""
    assert "none of the kexalgorithms" in verdicts["sshd/Banner"].held


def test_list_of_the_site_that_is_weak_only_stays_for_a_client_that_knows_no_other(
    catalogue: t.Any, fresh: t.Any
) -> None:
    """What sshd would put in its place is its own to know, but nothing of what goes is in it."""
    weak = "diffie-hellman-group14-sha1"
    fresh["sshd"]["effective"]["kexalgorithms"] = weak
    line = {"source": "/x", "line": 1, "keyword": "kexalgorithms", "value": weak, "match": ""}
    fresh["sshd"]["directives"].append(line)
    old = Connection(user="ansible", algorithms={"kexalgorithms": (weak, "diffie-hellman-group1-sha1")})
    assert "none of the kexalgorithms" in planned(catalogue, fresh, old).verdicts["sshd/KexAlgorithms"].held
    new = Connection(user="ansible", algorithms={"kexalgorithms": (weak, "curve25519-sha256")})
    assert planned(catalogue, fresh, new).verdicts["sshd/KexAlgorithms"].held == ""


def test_root_is_kept_where_nobody_else_can_log_in(catalogue: t.Any, fresh: t.Any) -> None:
    fresh["sshd"]["key_holders"] = ["root"]
    for user in fresh["account"]["users"]:
        user["password"] = "disabled"
    held = planned(catalogue, fresh, Connection()).verdicts["sshd/PermitRootLogin"].held
    assert "nobody but root can log in" in held


@pytest.mark.parametrize(
    ("argument", "hosts"),
    [
        ("-J bastion", {"bastion"}),
        ("-C -Jops@Bastion:2222,second", {"bastion", "second"}),
        ("-o ProxyJump=ops@bastion.example.com:22", {"bastion.example.com"}),
        ("-oProxyJump=ssh://ops@[fe80::1]:22", {"fe80::1"}),
        ("-o 'proxyjump none'", set()),
        ("-o ProxyCommand='ssh -W %h:%p -q ops@bastion'", {"bastion"}),
        ("-o ProxyCommand=\"ssh -o 'ProxyJump=first' -W %h:%p bastion\"", {"first", "bastion"}),
        ("-o ProxyCommand='nc -x bastion:1080 %h %p'", set()),
        ("-o ControlMaster=auto -o ControlPersist=60s", set()),
        ("-o 'unbalanced", set()),
        (None, set()),
    ],
)
def test_hosts_that_a_login_goes_through_are_known(argument: object, hosts: set[str]) -> None:
    assert hosts <= jumps.through([argument]) and bool(jumps.through([argument])) == bool(hosts)


def test_hosts_behind_another_are_found_by_any_of_its_names() -> None:
    inventory = {
        "db1": {"ansible_ssh_common_args": "-J 192.0.2.1"},
        "db2": {"ansible_ssh_args": "-o ProxyJump=bastion"},
        "web": {"ansible_ssh_common_args": "-J other"},
        "local": {},
    }
    assert jumps.reached_through(("bastion", "192.0.2.1", ""), inventory) == ("db1", "db2")
