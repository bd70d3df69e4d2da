from __future__ import annotations

import json
import os
import re
import time
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.unified.deploy.plugins.module_utils import _goss as goss_module
from ansible_collections.unified.deploy.plugins.module_utils._collect.audit import canonical
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import goss as _goss
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import plan as _plan
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import selection as _selection
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.constraint import Constraint
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.kinds.base import Check
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.kinds.matchers import (
    checks_on_default,
    mode_pattern,
)

from tests.integration.conftest import BENCHMARKS
from tests.unit.goss_program import GOSS, results


def generated(catalogue: t.Any, evidence: t.Any, level: str = "l2_server") -> tuple[str, t.Any]:
    selection = _selection.select(catalogue, [("cis", level)], _selection.Overlay(), evidence["host"])
    verdicts = _plan.judge(selection, evidence)
    return _goss.generate(verdicts, evidence), verdicts


@pytest.mark.parametrize("state", ["fresh", "hardened"])
def test_every_judged_rule_has_a_check(catalogue: t.Any, state: str, request: pytest.FixtureRequest) -> None:
    text, verdicts = generated(catalogue, request.getfixturevalue(state))
    covered = set(re.findall(r'"meta": \{"rule": "([^"]+)"\}', text))
    assert covered == {identifier for identifier, verdict in verdicts.items() if verdict.verdict in _goss.JUDGED}


def test_no_resource_starts_a_program(catalogue: t.Any, fresh: t.Any) -> None:
    top = set(re.findall(r"^([a-z-]+):$", generated(catalogue, fresh)[0], re.MULTILINE))
    assert top == {"file", "kernel-param", "matching", "mount"}


def test_resource_ids_are_unique(catalogue: t.Any, hardened: t.Any) -> None:
    keys = re.findall(r'^  ("[^"]+"): ', generated(catalogue, hardened)[0], re.MULTILINE)
    assert len(keys) > 500
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    "check",
    [
        Check("command", {"exec": "true"}),
        Check("file", {"path": "/x", "exist": True}),
        Check("file", {"path": "/x", "mode": "644"}),
        Check("flie", {}),
    ],
)
def test_what_goss_would_pass_over_silently_is_refused(check: Check) -> None:
    with pytest.raises(_goss.GossError):
        _goss.validate("a/b", check)


def test_path_that_looks_like_a_template_stays_a_path() -> None:
    assert _goss._value("/tmp/{{ .Vars }}") == '"/tmp/{{ "{{" }} .Vars }}"'


def test_mode_pattern_matches_exactly_the_stricter_modes() -> None:
    for mask in ("0640", "0600", "0755", "1777"):
        pattern = re.compile(mode_pattern(mask))
        for mode in range(0o10000):
            assert bool(pattern.match(f"{mode:04o}")) == (mode & ~int(mask, 8) == 0), (mask, oct(mode))


@pytest.mark.skipif(not GOSS, reason="no goss program here: the integration tests run it on hosts")
@pytest.mark.parametrize(
    "raw",
    [
        0,
        "no",
        {"ge": 14},
        {"le": 4},
        {"ge": 1, "le": 300},
        {"le": "10:30:60"},
        {"in": [1, 2]},
        {"at_most": "0640"},
        {"none_of": ["x"]},
        {"some_of": ["x", "y.z"]},
        {"subset_of": ["a", "b"]},
        {"absent": True},
    ],
)
def test_real_goss_and_the_planner_agree_on_every_constraint(raw: t.Any, tmp_path: Path) -> None:
    constraint = Constraint.parse(raw)
    values = [
        "0",
        "00",
        "1",
        "2",
        "4",
        "5",
        "13",
        "14",
        "300",
        "301",
        "no",
        "NO",
        "yes",
        "0640",
        "0600",
        "0644",
        "x",
        "a",
        "a,b",
        "a,x",
        "a,y.z",
        "yaz",
        "10:30:60",
        "10:30:61",
        "9:1:1",
        "12",
        None,
        "text",
    ]
    if isinstance(raw, dict) and "at_most" in raw:
        values = ["0640", "0600", "0644", "0000", "7777", None]
    lines = ["matching:"]
    for index, value in enumerate(values):
        for number, check in enumerate(checks_on_default(constraint, value)):
            body = ", ".join(f"{json.dumps(k)}: {_goss._value(v)}" for k, v in check.attributes.items())
            lines.append(f'  "v{index}#{number}": {{{body}, "meta": {{"rule": "v{index}"}}}}')
    said = results("\n".join(lines) + "\n", tmp_path)
    for index, value in enumerate(values):
        assert (f"v{index}" in said["passed"]) == constraint.holds(value), (raw, value)


def program(directory: Path, script: str) -> str:
    path = directory / "goss"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("left_over", ["setsid sleep 30 &", "sleep 30 &"])
def test_goss_that_takes_too_long_is_left_although_its_child_holds_the_output(tmp_path: Path, left_over: str) -> None:
    started = time.monotonic()
    with pytest.raises(goss_module.GossError, match="took longer than 1 s"):
        goss_module.run(program(tmp_path, f"{left_over} sleep 30"), "g", "v", 1)
    assert time.monotonic() - started < 5


def test_goss_that_leaves_a_child_is_not_waited_for(tmp_path: Path) -> None:
    started = time.monotonic()
    assert goss_module.run(program(tmp_path, "setsid sleep 30 & echo '{\"results\": []}'"), "g", "v", 20) == {
        "results": []
    }
    assert time.monotonic() - started < 5


def test_goss_that_answers_no_json_is_named_with_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(goss_module.GossError, match="ended with 3 and no results: no such file"):
        goss_module.run(program(tmp_path, "echo no such file >&2; exit 3"), "g", "v", 20)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of another user")
def test_program_that_another_user_could_replace_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    (root / "users").mkdir()
    (root / "link").symlink_to("users/goss")
    (root / "absolute").symlink_to(root / "link")
    for directory in (root / "bin", root / "users"):
        program(directory, "true")
    # What lies above is the test's own business.
    real = goss_module.chain
    monkeypatch.setattr(goss_module, "chain", lambda path: (step for step in real(path) if str(root) in step))
    assert goss_module.replaceable(str(root / "bin/goss")) == ""
    os.chown(root / "users", 4242, 0)
    for path in ("users/goss", "link", "absolute", "bin/../users/goss"):
        assert "users belongs to uid 4242" in goss_module.replaceable(str(root / path))
        with pytest.raises(goss_module.GossError, match="is not run as root"):
            goss_module.locate(str(root / path))
    os.chmod(root / "bin", 0o777)
    assert "bin can be written by everybody" in goss_module.replaceable(str(root / "bin/goss"))
    os.chmod(root / "bin", 0o755)
    os.chown(root / "bin/goss", 4242, 0)
    assert "goss belongs to uid 4242" in goss_module.replaceable(str(root / "bin/goss"))


def test_group_in_which_nobody_is_can_replace_nothing() -> None:
    assert goss_module.group_members(0) == set() or "root" not in goss_module.group_members(0)
    assert goss_module.group_members(4_000_000) == set()


def test_name_that_is_not_text_fails_instead_of_ending_goss() -> None:
    check = _goss._askable(Check("file", {"path": "/home/a/.\udcff", "exists": False}))
    assert check.resource == "matching" and check.attributes["matches"] == ""


def test_characters_beyond_the_first_plane_are_one_escape_in_yaml() -> None:
    text = "/tmp/\U0001f600 \\ud83d"
    assert _goss._value(text) == '"/tmp/\\U0001F600 \\\\ud83d"'
    assert yaml.safe_load(_goss._value(text)) == text


def test_independent_rules_are_those_of_which_goss_asks_the_host(catalogue: t.Any, fresh: t.Any) -> None:
    selection = _selection.select(catalogue, [("cis", "l2_server")], _selection.Overlay(), fresh["host"])
    asked = _goss.checks_of(_plan.judge(selection, fresh), fresh)
    seen = _goss.independent(asked)
    assert {"banner//etc/issue.net", "cron/cron", "file//etc/passwd", "mount//tmp:nodev"} <= seen
    assert "sysctl/kernel.dmesg_restrict" in seen
    assert not {"sudo/nopasswd", "package/sudo"} & seen


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("aide/database", "that a file is there says nothing of what it holds"),
        ("banner//etc/issue", "issue.d is shown beside it"),
        ("file//var/log/**", "which files match, the collector says"),
        ("home/dot_files", "which homes there are, the collector says"),
        ("journald/Storage", "a later drop-in beats the line"),
        ("limits/core", "a later file beats the line"),
        ("pam/pam_faillock", "a line that jumps over it"),
        ("shell/TMOUT", "any script with the word in it"),
        ("sshd/PermitRootLogin", "a Match block beats the line"),
        ("sudo/use_pty", "a later line beats it"),
        ("sysctl/net.ipv4.conf.all.send_redirects", "which interfaces there are, the collector says"),
    ],
)
def test_look_at_what_does_not_decide_is_no_second_look(catalogue: t.Any, hardened: t.Any, rule: str, why: str) -> None:
    selection = _selection.select(catalogue, BENCHMARKS, _selection.Overlay(), hardened["host"])
    asked = _goss.checks_of(_plan.judge(selection, hardened), hardened)
    assert any(check.resource != "matching" for check in asked[rule]), "a case that tests nothing"
    assert rule not in _goss.independent(asked), why


def test_file_with_an_access_list_is_not_seen_whole(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["file"]["/etc/passwd"]["/etc/passwd"]["acl"] = ["user:games:r--"]
    selection = _selection.select(catalogue, [("cis", "l1_server")], _selection.Overlay(), hardened["host"])
    asked = _goss.checks_of(_plan.judge(selection, hardened), hardened)
    assert "file//etc/passwd" not in _goss.independent(asked)


def test_check_of_our_own_evidence_cannot_decide() -> None:
    with pytest.raises(_goss.GossError, match="decides nothing"):
        _goss.validate("a/b", Check("matching", {"content": "x", "matches": "x"}, decides=True))


def test_skipped_result_counts_as_failed() -> None:
    result = {
        "resource-id": "a",
        "resource-type": "Mount",
        "property": "opts",
        "successful": True,
        "result": 2,
        "meta": {"rule": "r"},
    }
    assert goss_module.fold({"results": [result]})["failing"] == {"r": ["Mount opts: not checked, found None"]}


@pytest.mark.parametrize(
    ("ours", "listed"),
    [
        ("-w /etc/group -p wa -k identity", "-w /etc/group -p wa -k identity"),
        ("-w /etc/group -p wa -k identity", "-a always,exit -S all -F path=/etc/group -F perm=wa -F key=identity"),
        ("-w /etc/apparmor/ -p wa -k MAC", "-w /etc/apparmor -p wa -k MAC"),
        (
            "-a always,exit -F arch=b64 -S b,a -F auid>=1000 -F auid!=unset -k x",
            "-a always,exit -F arch=b64 -S a,b -F auid>=1000 -F auid!=-1 -F key=x",
        ),
        (
            "-a exit,always -F arch=b64 -S execve -C euid!=uid -F auid!=unset -k x",
            "-a always,exit -F arch=b64 -S execve -C uid!=euid -F auid!=4294967295 -F key=x",
        ),
    ],
)
def test_audit_rule_and_its_listing_are_one(ours: str, listed: str) -> None:
    assert canonical(ours) == canonical(listed)


def test_different_audit_rules_stay_different() -> None:
    base = "-a always,exit -F arch=b64 -S mount -F auid>=1000 -k x"
    for other in (
        base.replace("b64", "b32"),
        base.replace("mount", "umount2"),
        base.replace("1000", "500"),
        base.replace("-k x", "-k y"),
        base.replace("always", "never"),
    ):
        assert canonical(base) != canonical(other)
