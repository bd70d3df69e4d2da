"""Kind sudo: what holds for everybody, what holds for some, and rules without a password."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._collect import sudo as _sudo
from ansible_collections.unified.deploy.plugins.module_utils._collect.command import CommandError

from tests.unit.access import planned

LOCAL = "/etc/sudoers.local"
ZZ = "/etc/sudoers.d/zz-unified"


def put(evidence: t.Any, name: str, value: str, scope: str = "", *names: str) -> None:
    evidence["sudo"]["defaults"].append(
        {"scope": scope, "for": list(names), "name": name, "value": value, "source": LOCAL}
    )


def rule(**facts: t.Any) -> dict[str, t.Any]:
    return {"users": ["#1000"], "hosts": ["ALL"], "runas": ["ALL"], "commands": ["ALL"], "authenticate": False,
            "source": LOCAL, **facts}  # fmt: skip


class Converted:
    """Stands in for a started converter."""

    def __init__(self, text: str) -> None:
        self.said, self.installed = text, True

    def output(self, **_kwargs: t.Any) -> bytes:
        return self.said.encode()

    def text(self, **_kwargs: t.Any) -> str:
        return self.said


def read(monkeypatch: pytest.MonkeyPatch, policy: dict[str, t.Any], lines: str, files: dict[str, str]) -> t.Any:
    monkeypatch.setattr(_sudo, "read", lambda path: files.get(path))
    reader = _sudo.Sudo.__new__(_sudo.Sudo)
    reader.json, reader.text = Converted(json.dumps(policy)), Converted(lines)  # type: ignore[assignment]
    reader.check = Converted("".join(f"{path}: parsed OK\n" for path in files if path.startswith("/etc/sud")))  # type: ignore[assignment]
    return reader.read()


@pytest.mark.parametrize(
    ("line", "whole"),
    [
        ("Plugin sudoers_policy sudoers.so", True),
        ("# Plugin sudoers_policy sudoers.so sudoers_file=/x", True),
        ("Plugin sudoers_policy sudoers.so sudoers_file=/etc/other", False),
        ("Plugin python_policy python_plugin.so ModulePath=/x", False),
        ("Plugin sudoers_audit sudoers.so", True),
        ("plugin sudoers_policy sudoers.so sudoers_file=/etc/other", False),
        ("Plugin sudoers_policy \\\n  sudoers.so sudoers_file=/etc/other", False),
        ("Plugin sudoers_policy /opt/sudoers.so", False),
        ("Plugin site_rules site.so", False),
        ("Path plugin_dir /opt", False),
        ("Path plugin_dir /usr/libexec/sudo/", True),
    ],
)
def test_rules_from_elsewhere_leave_the_section_not_whole(
    monkeypatch: pytest.MonkeyPatch, line: str, whole: bool
) -> None:
    section = read(monkeypatch, {}, "", {"/etc/sudoers": "", "/etc/sudo.conf": f"{line}\n"})
    assert ("" not in section.left_out) is whole


def test_reader_tells_scopes_sources_and_numeric_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sudo, "Command", Started)
    policy = {
        "Defaults": [
            {"Options": [{"use_pty": False}]},
            {"Binding": [{"username": "bob"}, {"userid": 7}], "Options": [{"authenticate": False}]},
            {"Binding": [{"username": "root"}], "Options": [{"logfile": "/x,y"}]},
        ],
        "User_Specs": [
            {"User_List": [{"userid": 1000}], "Host_List": [{"hostname": "ALL"}],
             "Cmnd_Specs": [{"Options": [{"authenticate": False}], "Commands": [{"command": "ALL"}]}]},
        ],
    }  # fmt: skip
    files = {
        "/etc/sudoers": "Defaults use_pty\n@include sudoers.local\n",
        LOCAL: "Defaults\t!use_pty\nDefaults:bob,#7 \\\n  !authenticate\nDefaults>root logfile=/x,y\n#1000 ALL=NOPASSWD: ALL\n",
        "/etc/nsswitch.conf": "sudoers: files [NOTFOUND=return] sss # directory\n",
    }
    section = read(
        monkeypatch, policy, "Defaults !use_pty\nDefaults:bob, #7 !authenticate\nDefaults>root logfile=x\n", files
    )
    assert [(d["scope"], d["for"], d["name"], d["value"], d["source"]) for d in section.items["defaults"]] == [
        ("", [], "use_pty", "no", LOCAL),
        ("user", ["bob", "#7"], "authenticate", "no", LOCAL),
        ("runas", ["root"], "logfile", "/x,y", LOCAL),
    ]
    assert section.items["rules"][0]["users"] == ["#1000"] and section.items["rules"][0]["source"] == LOCAL
    assert list(section.left_out) == ["sudoers of sss", "Defaults of a directory service"]


# What sudo 1.9.16 prints in the C locale (`sudo -n -ll -U bob`).
LISTED = r"""Matching Defaults entries for {user} on host:
    env_reset, secure_path=/usr/sbin\:/usr/bin, use_pty, logfile="/var/log/a, b.log", !syslog{more}

Runas and Command-specific defaults for {user}:
    Defaults>games env_keep+="A B"    Defaults!/bin/sh !use_pty

User {user} may run the following commands on host:

Sudoers entry: /etc/sudoers.d/x
    RunAsUsers: games, ALL
    RunAsGroups: adm
    Options: setenv, !authenticate
    Commands:
\t/bin/ls
\t/bin/a\,b

Sudoers entry: /etc/sudoers
    RunAsUsers: ALL
    Commands:
\tALL
""".replace("\\t", "\t")
REFUSED = "User {user} is not allowed to run sudo on host.\n"


class Started:
    """A named fake of `Command`: sudo's listing for the account that is asked about."""

    texts: t.ClassVar[dict[str, str]] = {}

    def __init__(self, *argv: str) -> None:
        assert argv[:-1] == ("sudo", "-n", "-ll", "-U")
        self.user = argv[-1]

    def text(self) -> str:
        if self.user not in self.texts:
            raise CommandError(f"'sudo' ended with 1: no {self.user}")
        return self.texts[self.user].replace("{user}", self.user)


def ask_sudo(monkeypatch: pytest.MonkeyPatch, files: dict[str, str], texts: dict[str, str]) -> t.Any:
    """The section of a host without cvtsudoers."""
    monkeypatch.setattr(_sudo, "read", lambda path: files.get(path))
    monkeypatch.setattr(_sudo, "Command", Started)
    monkeypatch.setattr(_sudo, "rows", lambda _path, _columns: [[name] for name in texts])
    monkeypatch.setattr(Started, "texts", texts)
    reader = _sudo.Sudo.__new__(_sudo.Sudo)
    reader.json, reader.check = Converted(""), Converted("")  # type: ignore[assignment]
    reader.json.installed = False  # type: ignore[misc]
    return reader.read()


def test_sudo_itself_is_asked_where_its_converter_is_missing(
    monkeypatch: pytest.MonkeyPatch, catalogue: t.Any, hardened: t.Any
) -> None:
    texts = {
        "root": LISTED.replace("{more}", ""),
        "bob": LISTED.replace("{more}", ", !use_pty, timestamp_timeout=0"),
        "games": REFUSED,
    }
    section = ask_sudo(monkeypatch, {"/etc/sudoers": ""}, texts)
    assert section.whole
    assert {(d["scope"], *d["for"], d["name"], d["value"]) for d in section.items["defaults"]} == {
        ("", "env_reset", "yes"), ("", "secure_path", "/usr/sbin:/usr/bin"), ("", "use_pty", "yes"), ("", "logfile", "/var/log/a, b.log"),
        ("", "syslog", "no"), ("user", "bob", "use_pty", "no"), ("user", "bob", "timestamp_timeout", "0"),
        ("runas", "games", "env_keep", "A B"), ("command", "/bin/sh", "use_pty", "no"),
    }  # fmt: skip
    assert [(r["users"], r["runas"], r["commands"], r["authenticate"], r["source"]) for r in section.items["rules"][2:]] == [
        (["bob"], ["games", "ALL"], ["/bin/ls", "/bin/a\\,b"], False, "/etc/sudoers.d/x"), (["bob"], ["ALL"], ["ALL"], None, "/etc/sudoers"),
    ]  # fmt: skip
    hardened["sudo"].update(section.items)
    verdicts = planned(catalogue, hardened).verdicts
    assert "Defaults:bob !use_pty" in verdicts["sudo/use_pty"].actual
    assert verdicts["sudo/timestamp_timeout"].verdict == "fail", "not everybody has it"
    assert "NOPASSWD: /bin/ls" in verdicts["sudo/nopasswd"].actual


def test_accounts_that_sudo_was_not_asked_about_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {f"u{number}": REFUSED for number in range(_sudo.MOST + 1)}
    section = ask_sudo(monkeypatch, {"/etc/sudoers": "", "/etc/nsswitch.conf": "passwd: files sss\n"}, texts)
    assert sorted(section.left_out) == ["", "accounts of sss"]


@pytest.mark.parametrize(("said", "verdict"), [(", !use_pty", "fail"), ("", "pass"), (None, "error")])
def test_defaults_of_a_directory_are_asked_of_sudo(
    monkeypatch: pytest.MonkeyPatch, catalogue: t.Any, hardened: t.Any, said: str | None, verdict: str
) -> None:
    monkeypatch.setattr(_sudo, "Command", Started)
    monkeypatch.setattr(Started, "texts", {} if said is None else {"root": LISTED.replace("{more}", said)})
    section = read(
        monkeypatch,
        {"Defaults": [{"Options": [{"use_pty": True}]}]},
        "Defaults use_pty\n",
        {"/etc/sudoers": "Defaults use_pty\n", "/etc/nsswitch.conf": "sudoers: files sss\n"},
    )
    hardened["sudo"]["defaults"] = section.items["defaults"]
    hardened["text"][ZZ] += "Defaults use_pty\n"
    hardened.document["sections"]["sudo"]["left_out"] = section.left_out
    verdicts = planned(catalogue, hardened).verdicts
    assert verdicts["sudo/use_pty"].verdict == verdict
    assert verdict != "fail" or "a directory service' overrides" in verdicts["sudo/use_pty"].held
    assert "sudoers of sss" in section.left_out, "its rules are not read"


def test_forms_that_do_not_agree_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="in one form"):
        read(monkeypatch, {"Defaults": []}, "Defaults use_pty\n", {"/etc/sudoers": ""})


def test_default_of_the_program_is_no_setting_and_is_written(catalogue: t.Any, fresh: t.Any) -> None:
    fresh["sudo"]["defaults"] = []
    plan = planned(catalogue, fresh)
    text = plan.desired.files[ZZ]["content"]
    assert plan.verdicts["sudo/timestamp_timeout"].actual == "absent"
    assert "\nDefaults timestamp_timeout=15\n" in text and "\nDefaults use_pty\n" in text


@pytest.mark.parametrize("value", ["no", "0", "5"])
def test_shorter_timeouts_pass(catalogue: t.Any, hardened: t.Any, value: str) -> None:
    put(hardened, "timestamp_timeout", value)
    assert planned(catalogue, hardened).verdicts["sudo/timestamp_timeout"].verdict == "pass"


@pytest.mark.parametrize("scope", ["host", "user", "runas", "command"])
def test_scoped_setting_breaks_a_rule_for_all(catalogue: t.Any, hardened: t.Any, scope: str) -> None:
    put(hardened, "use_pty", "no", scope, "x")
    verdict = planned(catalogue, hardened).verdicts["sudo/use_pty"]
    assert verdict.verdict == "fail" and f"!use_pty in {LOCAL}" in verdict.actual


@pytest.mark.parametrize("scope", ["runas", "command"])
def test_scope_that_is_read_last_is_held_by_name(catalogue: t.Any, hardened: t.Any, scope: str) -> None:
    put(hardened, "use_pty", "no", scope, "x")
    held = planned(catalogue, hardened).verdicts["sudo/use_pty"].held
    assert LOCAL in held and "overrides" in held


@pytest.mark.parametrize("scope", ["", "host", "user"])
def test_line_for_everybody_is_written_after_it_and_named_where_that_does_not_help(
    catalogue: t.Any, hardened: t.Any, scope: str
) -> None:
    put(hardened, "use_pty", "no", scope, "x")
    text = planned(catalogue, hardened).desired.files[ZZ]["content"]
    assert text.endswith("\nDefaults use_pty\n")
    hardened["text"][ZZ] = text
    assert LOCAL in planned(catalogue, hardened).verdicts["sudo/use_pty"].held


def test_scoped_setting_satisfies_no_rule_for_all(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["sudo"]["defaults"] = []
    put(hardened, "logfile", "/var/log/sudo.log", "user", "alice")
    assert planned(catalogue, hardened).verdicts["sudo/logfile"].verdict == "fail"


def test_later_setting_for_all_wins_over_a_users_but_not_over_a_commands(catalogue: t.Any, hardened: t.Any) -> None:
    """sudoers(5): generic, host and user Defaults are one pass; those of commands come after it."""
    put(hardened, "use_pty", "no", "user", "bob")
    put(hardened, "use_pty", "yes")
    assert planned(catalogue, hardened).verdicts["sudo/use_pty"].verdict == "pass"
    put(hardened, "use_pty", "no", "command", "/bin/sh")
    put(hardened, "use_pty", "yes")
    assert planned(catalogue, hardened).verdicts["sudo/use_pty"].verdict == "fail"


def test_rules_without_a_password_are_listed(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["sudo"]["rules"] = [rule(), rule(users=["bob"], authenticate=None)]
    verdict = planned(catalogue, hardened).verdicts["sudo/nopasswd"]
    assert verdict.actual == f"#1000 ALL = (ALL) NOPASSWD: ALL in {LOCAL}"


@pytest.mark.parametrize(("name", "value"), [("authenticate", "no"), ("exempt_group", "ops")])
def test_defaults_that_lift_the_password_are_listed(catalogue: t.Any, hardened: t.Any, name: str, value: str) -> None:
    put(hardened, name, value, "user", "bob")
    verdict = planned(catalogue, hardened).verdicts["sudo/authenticate"]
    assert verdict.verdict == "fail" and "Defaults:bob" in verdict.actual


def test_rules_of_a_directory_are_not_passed_over(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["sudo"]["rules"] = []
    hardened.document["sections"]["sudo"]["left_out"] = {"sudoers of sss": "rules of a directory service are not read"}
    verdicts = planned(catalogue, hardened).verdicts
    assert verdicts["sudo/nopasswd"].verdict == "error"
    assert verdicts["sudo/use_pty"].verdict == "pass"


def test_log_that_is_no_file_keeps_nothing(
    monkeypatch: pytest.MonkeyPatch, catalogue: t.Any, hardened: t.Any, tmp_path: Path
) -> None:
    (tmp_path / "log").touch()
    (tmp_path / "link").symlink_to("/dev/null")
    paths = [f"{tmp_path}/{name}" for name in ("log", "link", "none")]
    policy = {"Defaults": [{"Options": [{"logfile": path}]} for path in paths]}
    section = read(monkeypatch, policy, "Defaults logfile=x\n" * 3, {"/etc/sudoers": ""})
    assert list(section.items["logs"].values()) == ["file", "no regular file", "missing"]
    hardened["sudo"]["logs"] = {"/var/log/sudo.log": "no regular file"}
    verdict = planned(catalogue, hardened).verdicts["sudo/logfile"]
    assert verdict.verdict == "fail" and verdict.held == "/var/log/sudo.log is no regular file: remove what lies there"


@pytest.mark.parametrize("name", ["log_allowed", "log_denied"])
def test_log_file_that_leaves_things_out_is_none(catalogue: t.Any, hardened: t.Any, name: str) -> None:
    assert planned(catalogue, hardened).verdicts["sudo/logfile"].verdict == "pass"
    put(hardened, name, "no")
    plan = planned(catalogue, hardened)
    assert f"!{name}" in plan.verdicts["sudo/logfile"].actual
    assert f"Defaults {name}\n" in plan.desired.files[ZZ]["content"]
    put(hardened, name, "yes")
    assert planned(catalogue, hardened).verdicts["sudo/logfile"].verdict == "pass"
    put(hardened, name, "no", "command", "/bin/sh")
    assert f"!{name}' overrides" in planned(catalogue, hardened).verdicts["sudo/logfile"].held.replace(
        f" in {LOCAL}", ""
    )
