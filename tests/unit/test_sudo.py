"""Kind sudo: what holds for everybody, what holds for some, and rules without a password."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._collect import sudo as _sudo

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
        self.said = text

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
    ],
)
def test_rules_from_elsewhere_leave_the_section_not_whole(
    monkeypatch: pytest.MonkeyPatch, line: str, whole: bool
) -> None:
    section = read(monkeypatch, {}, "", {"/etc/sudoers": "", "/etc/sudo.conf": f"{line}\n"})
    assert ("" not in section.left_out) is whole


def test_reader_tells_scopes_sources_and_numeric_users(monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert list(section.left_out) == ["sudoers of sss"]


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
