"""Programs with set-ID bits: each that the walk met is recorded, and only those that can be named are written."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.kinds.privileged import LINE, RULES

from tests.unit.test_system_kinds import LOAD, audited, planned

RULE = "privileged/programs"
PROGRAMS = ["/usr/bin/passwd", "/usr/bin/su"]
LINES = [LINE.format(path) for path in PROGRAMS]


@pytest.fixture
def host(hardened: t.Any) -> t.Any:
    """A host with a kernel of its own, where the walk met PROGRAMS and nothing records them."""
    audited(hardened)
    hardened["scan"]["set_id"] = list(PROGRAMS)
    hardened["mount"]["live"]["/"] = {"options": ["rw"], "type": "ext4", "source": "/dev/x", "device": "8:1"}
    return hardened


def test_each_program_is_recorded(catalogue: t.Any, host: t.Any) -> None:
    verdict, desired = planned(catalogue, host, RULE)
    assert (verdict.verdict, verdict.held) == ("fail", "")
    assert desired.files[RULES]["content"].splitlines()[1:] == LINES and desired.commands == LOAD
    audited(host, *LINES)
    assert planned(catalogue, host, RULE)[0].verdict == "pass"


def test_program_that_a_rule_of_another_file_records_is_not_written_again(catalogue: t.Any, host: t.Any) -> None:
    audited(host, "-a always,exit -F path=/usr/bin/su -F perm=x -F auid>=1000 -F auid!=unset -k su")
    desired = planned(catalogue, host, RULE)[1]
    assert desired.files[RULES]["content"].splitlines()[1:] == LINES[:1]


def test_program_that_has_gone_leaves_the_file_with_the_next_change(catalogue: t.Any, host: t.Any) -> None:
    audited(host, LINES[0])
    gone = LINE.format("/opt/gone")
    host["text"][RULES] = f"# Managed by unified.deploy.\n{LINES[0]}\n{gone}\n"
    assert planned(catalogue, host, RULE)[1].files[RULES]["content"].splitlines()[1:] == LINES


@pytest.mark.parametrize("options", [["rw", "nosuid"], ["rw", "noexec"]])
def test_program_without_power_needs_no_rule(catalogue: t.Any, host: t.Any, options: list[str]) -> None:
    audited(host, *LINES)
    host["mount"]["live"]["/srv"] = {**host["mount"]["live"]["/"], "options": options}
    host["scan"]["set_id"].append("/srv/x")
    assert planned(catalogue, host, RULE)[0].verdict == "pass"
    host["scan"]["set_id"].append("/srvx")
    assert planned(catalogue, host, RULE)[0].verdict == "fail"


@pytest.mark.parametrize("name", ["/opt/a b", "/opt/a\\n-D", '/opt/"x"', "/opt/{{ x }}"])
def test_name_that_no_rule_can_hold_is_never_written_nor_passed(catalogue: t.Any, host: t.Any, name: str) -> None:
    audited(host, *LINES)
    host["scan"]["set_id"].append(name)
    verdict, desired = planned(catalogue, host, RULE)
    assert verdict.verdict == "fail" and "cannot be named in an audit rule" in verdict.held and desired.empty()
    audited(host)
    assert name not in planned(catalogue, host, RULE)[1].files[RULES]["content"]


@pytest.mark.parametrize("item", ["walk", "set_id"])
def test_walk_that_left_programs_out_is_no_pass(catalogue: t.Any, host: t.Any, item: str) -> None:
    audited(host, *LINES)
    host.document["sections"]["scan"]["left_out"][item] = "cut"
    assert planned(catalogue, host, RULE)[0].verdict == "error"


def test_mount_that_was_not_seen_takes_nothing_from_its_programs(catalogue: t.Any, host: t.Any) -> None:
    audited(host, *LINES)
    host["mount"]["live"]["/"]["options"] = ["rw", "nosuid"]
    assert planned(catalogue, host, RULE)[0].verdict == "pass"
    host["scan"]["set_id"].append("/srv/x")
    host.document["sections"]["mount"]["left_out"]["/srv"] = "told differently"
    assert "path=/srv/x" in planned(catalogue, host, RULE)[0].actual


def test_container_has_none(catalogue: t.Any, host: t.Any) -> None:
    host["host"]["container"] = True
    assert planned(catalogue, host, RULE)[0].verdict == "not_applicable"
