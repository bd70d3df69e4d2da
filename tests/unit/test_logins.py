"""Whom sshd would shut out, by what it says of the new files and of today's."""

from __future__ import annotations

import pytest
from ansible_collections.unified.deploy.plugins.module_utils import _logins
from ansible_collections.unified.deploy.plugins.module_utils._change.errors import ChangeError
from ansible_collections.unified.deploy.plugins.module_utils._change.programs import Answer
from ansible_collections.unified.deploy.plugins.module_utils._logins import Login, judge, refusal, settings

OPEN = "port 22\npermitrootlogin yes\nallowusers anna\nallowusers ben\n"
ANNA, BEN, ROOT = (Login(name, "192.0.2.7") for name in ("anna", "ben", "root"))


@pytest.fixture(autouse=True)
def fake_sshd(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    asked: list[list[str]] = []
    monkeypatch.setattr(
        _logins.programs, "run", lambda argv: asked.append(argv) or Answer(0, OPEN + "allowusers root\n", "")
    )
    return asked


def test_who_gets_in_today_and_would_be_refused_is_named(fake_sshd: list[list[str]]) -> None:
    only_anna = "allowusers anna root\npermitrootlogin no\n"
    with pytest.raises(ChangeError, match="AllowUsers does not name ben; PermitRootLogin is no; nothing was changed"):
        judge([ANNA, BEN, ROOT], [only_anna] * 3)
    assert fake_sshd[0] == ["sshd", "-T", "-C", "user=ben,host=192.0.2.7,addr=192.0.2.7"]


def test_who_is_refused_today_and_who_still_gets_in_are_no_obstacle(fake_sshd: list[list[str]]) -> None:
    judge([ANNA, Login("cleo", "192.0.2.7")], ["allowusers anna\n"] * 2)
    judge([], ["what a check of others said"])
    assert len(fake_sshd) == 1


@pytest.mark.parametrize("answers", [[], ["allowusers anna\n"], ["allowusers anna\n", ""]])
def test_no_answer_is_no_leave_to_go_on(fake_sshd: list[list[str]], answers: list[str]) -> None:
    with pytest.raises(ChangeError, match="did not say of everybody"):
        judge([ANNA, Login("cleo", "192.0.2.7")], answers)


@pytest.mark.parametrize(
    ("effective", "groups", "reason"),
    [
        ("denyusers an*", [], "DenyUsers names anna"),
        ("allowusers anna@10.0.0.0/8", [], "AllowUsers does not name anna"),
        ("denygroups staff", ["staff"], "DenyGroups names a group of anna"),
        ("allowgroups sudo\nallowgroups wheel", ["staff"], "AllowGroups names no group of anna"),
        ("allowgroups sudo\nallowgroups wheel", ["wheel"], ""),
        ("permitrootlogin no", [], ""),
    ],
)
def test_access_lists_refuse_in_the_order_of_sshd(effective: str, groups: list[str], reason: str) -> None:
    assert refusal("anna", "192.0.2.7", settings(effective), groups) == reason
