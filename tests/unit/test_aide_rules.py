"""What AIDE says of single files decides whether it watches them."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._collect import aide_rules, collector

from tests.unit.test_system_kinds import planned

RULE, FILE = "aide_rules/audit_tools", "/etc/aide/aide.conf.d/00_unified_audit_tools"
ASKED = ["p", "i", "n", "u", "g", "s", "b", "acl", "xattrs", "sha512"]
# AIDE 0.19.1 of Debian 13, --dry-init and --path-check.
PRINTED = """\
[ ] d=overlayfs:/usr/sbin: parital limit match (limit '^(/usr/sbin/auditd)$')
[ ] f=overlayfs:/usr/sbin/ausearch: recursive negative rule: '!/usr/sbin/ausearch$ (none)' (/etc/aide/00_site:1: '!/usr/sbin/ausearch$')
[x] f=overlayfs:/usr/sbin/aureport: selective rule: '/usr/sbin/aureport$ f p+i' (/etc/aide/00_site:2: '/usr/sbin/aureport$ f p+i')
[x] f=ext4:/usr/sbin/auditd: selective rule: '/ (none) l+p+u+sha512' (/etc/aide/99_root:3: '/ 0 Full')
[x] f:/usr/sbin/auditctl: equal rule: '=/usr/sbin/auditctl$ (none) p+u+g' (/etc/aide/50_y:3: '=/usr/sbin/auditctl$ Checks')
[ ] f=ext4:/usr/sbin/x: outside of limit '^(/usr/sbin/auditd)$'
[ ] f:/opt/x: no matching rule
"""


def test_attributes_are_those_of_the_rule_that_decides() -> None:
    assert aide_rules.matches(PRINTED) == {
        "/usr/sbin/ausearch": {"attributes": [], "source": "/etc/aide/00_site:1"},
        "/usr/sbin/aureport": {"attributes": ["i", "p"], "source": "/etc/aide/00_site:2"},
        "/usr/sbin/auditd": {"attributes": ["l", "p", "sha512", "u"], "source": "/etc/aide/99_root:3"},
        "/usr/sbin/auditctl": {"attributes": ["g", "p", "u"], "source": "/etc/aide/50_y:3"},
    }


@pytest.fixture
def watched(hardened: t.Any) -> t.Any:
    hardened["aide_rules"].clear()
    hardened["aide_rules"]["/usr/sbin/auditd"] = {"attributes": [*ASKED, "caps"], "source": "/etc/aide/99:1"}
    hardened["text"][FILE] = None
    return hardened


def test_tool_with_every_attribute_passes(catalogue: t.Any, watched: t.Any) -> None:
    assert planned(catalogue, watched, RULE)[0].verdict == "pass"


@pytest.mark.parametrize("missing", ASKED)
def test_tool_without_an_attribute_gets_a_rule_of_its_own(catalogue: t.Any, watched: t.Any, missing: str) -> None:
    watched["aide_rules"]["/usr/sbin/auditd"]["attributes"].remove(missing)
    verdict, desired = planned(catalogue, watched, RULE)
    assert (verdict.verdict, verdict.actual) == ("fail", f"/usr/sbin/auditd without {missing}")
    assert desired.files[FILE]["content"].splitlines()[1:] == [f"/usr/sbin/auditd$ f {'+'.join(ASKED)}"]


def test_rule_that_comes_before_ours_is_named(catalogue: t.Any, watched: t.Any) -> None:
    watched["aide_rules"]["/usr/sbin/auditd"].update(attributes=[], source="/etc/aide/aide.conf.d/00_site:1")
    content = planned(catalogue, watched, RULE)[1].files[FILE]["content"]
    watched["text"][FILE] = content
    verdict, desired = planned(catalogue, watched, RULE)
    assert verdict.held.startswith("/etc/aide/aide.conf.d/00_site:1 overrides") and desired.empty()


def test_tools_that_nothing_watches_are_no_pass(monkeypatch: pytest.MonkeyPatch, tmp_path: t.Any) -> None:
    tool = tmp_path / "auditd"
    tool.touch()
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(
        "ansible_collections.unified.deploy.plugins.module_utils._collect.command.SEARCH_PATH", "/nowhere"
    )
    items = aide_rules.AideRules([str(tool), "/not/there"]).read().items
    assert items == {str(tool): {"attributes": [], "source": ""}}


def test_aide_has_time_on_a_slow_host_and_the_collector_more(tmp_path: t.Any) -> None:
    """Reading its configuration took it more than 60 s on an emulated machine (QEMU, a third of a processor)."""
    (tmp_path / "auditd").touch()
    command = aide_rules.AideRules([str(tmp_path / "auditd")]).command
    assert command and 60 < command.timeout < collector.SECONDS


def test_aide_that_hangs_keeps_no_other_section_waiting(monkeypatch: pytest.MonkeyPatch, tmp_path: t.Any) -> None:
    aide, tool = tmp_path / "aide", tmp_path / "auditd"
    aide.write_text("#!/bin/sh\nexec sleep 20\n")
    aide.chmod(0o755)
    tool.touch()
    monkeypatch.setattr(
        "ansible_collections.unified.deploy.plugins.module_utils._collect.command.SEARCH_PATH",
        f"{tmp_path}:/usr/bin:/bin",
    )
    seen = collector.collect({"aide_rules": [str(tool)], "text": [str(tool)], "home": None}, limit=5)["sections"]
    assert seen["text"]["items"] == {str(tool): ""} and "not read" not in str(seen["home"])
    assert "longer than 5 s" in str(seen["aide_rules"]["left_out"])
