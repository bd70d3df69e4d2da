"""Batches one after the other: what waits for a login is kept by a new one only, and what nobody knows of is kept by nothing."""

from __future__ import annotations

import typing as t
from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.unified.deploy.plugins.action.hardening_batches import ActionModule

Result = dict[str, t.Any]
BATCHES = [{"name": name, "rules": [f"{name}/x"], "options": {}} for name in ("sshd", "rest")]
MADE = {"changed": True, "batch": "01-x"}
NO_ANSWER = {"failed": True, "msg": "MODULE FAILURE", "module_stderr": "Killed"}
NOT_REACHED = AnsibleActionFail("not reached", result={"reached": False})


class FakeHost:
    """Answers of a host to one call after another; a new login is noted as such."""

    def __init__(self, *answers: Result | Exception) -> None:
        self.answers, self.calls = list(answers), t.cast("list[tuple[str, t.Any]]", [])
        self.transport = "ssh"

    def reset(self) -> None:
        self.calls.append(("login", None))

    def owned(self, module: str, options: Result, _task_vars: Result) -> Result:
        self.calls.append((module.rpartition(".")[2], options.get("keep")))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def made(host: FakeHost, seconds: int = 60) -> Result:
    action = ActionModule.__new__(ActionModule)
    action._connection, action._task = host, SimpleNamespace(check_mode=False)
    action.owned = host.owned
    arguments = {
        "run": "r",
        "batches": BATCHES,
        "secrets": {},
        "confirm_seconds": seconds,
        "lock_timeout": 1,
        "results": None,
    }
    return t.cast(Result, action.make(arguments, {}))


def test_each_batch_is_kept_over_a_new_login() -> None:
    host = FakeHost(MADE, MADE, {})
    assert made(host)["batches"] == ["01-x", "01-x"]
    assert host.calls == [
        ("hardening_batch", False), ("login", None), ("hardening_batch", True), ("login", None), ("hardening_run", None),
    ]  # fmt: skip


def test_nothing_to_change_needs_no_login() -> None:
    host = FakeHost({**MADE, "batch": ""}, {**MADE, "batch": ""}, {})
    made(host)
    assert ("login", None) not in host.calls


@pytest.mark.parametrize("end", [NOT_REACHED, NO_ANSWER])
def test_batch_that_did_not_answer_waits_for_its_timer(end: Result | Exception) -> None:
    answer = made(FakeHost(end))
    assert answer["failed"] and answer["waits"] == "sshd"
    assert made(FakeHost(end), seconds=0)["waits"] == ""


@pytest.mark.parametrize("end", [NOT_REACHED, NO_ANSWER])
def test_login_that_fails_names_batch_rules_run_and_what_to_type(end: Result | Exception) -> None:
    answer = made(FakeHost(MADE, end))
    assert answer["failed"] and answer["waits"] == "sshd"
    for word in ("run r", "sshd/x", "about 60 s", "python3 -I /var/lib/unified/runs/r/revert"):
        assert word in answer["msg"]


def test_connection_that_cannot_be_made_anew_keeps_nothing() -> None:
    host = FakeHost(MADE)
    host.reset = lambda: (_ for _ in ()).throw(NOT_REACHED)  # type: ignore[method-assign]
    assert made(host)["waits"] == "sshd"


@pytest.mark.parametrize(("end", "reached"), [(NOT_REACHED, False), (AnsibleActionFail("no evidence"), True)])
def test_host_that_is_gone_is_said_to_be(end: Exception, reached: bool) -> None:
    assert made(FakeHost(end), seconds=0)["reached"] is reached


def test_batch_that_refuses_says_that_nothing_waits() -> None:
    assert made(FakeHost({"failed": True, "msg": "no room"}))["waits"] == ""
