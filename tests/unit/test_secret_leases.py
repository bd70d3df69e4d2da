"""Leases of a run, with a fake client: when they are renewed, replaced and given back, and what of earlier runs is touched."""

from __future__ import annotations

import json
import os
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._vault.errors import VaultError
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.reference import Reference, parse
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.stores import leases as module
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.stores.leases import Leases, since

APP = parse("prod+db://creds/app")


class FakeClient:
    """A server that gives a lease for each read; `lasts` is what a renewal gives, or why it is refused."""

    def __init__(self, method: str = "token") -> None:
        self.url = "https://vault"
        self.options: dict[str, t.Any] = {"namespace": None, "auth_method": method}
        self.asked: list[tuple[str, str, t.Any]] = []
        self.lasts: int | str = 600
        self.refused: set[str] = set()
        self.made = self.logins = 0
        self.renewable = True

    def request(self, verb: str, path: str, json: t.Any = None) -> dict[str, t.Any]:
        self.asked.append((verb, path, json))
        if path in self.refused:
            raise VaultError("refused", kind="forbidden")
        if path == "sys/leases/renew":
            if isinstance(self.lasts, str):
                raise VaultError("no", kind=self.lasts)
            return {"lease_duration": self.lasts} if self.lasts else {"content": b"<html>"}
        if path == "auth/token/lookup-self":
            return {"data": {"renewable": self.renewable, "ttl": 60, "creation_ttl": 60}}
        if path == "auth/token/renew-self":
            return {"auth": {"lease_duration": 60}}
        if path.startswith("sys/internal/ui/mounts/"):
            mount = path.split("/")[4]
            return {"data": {"type": {"db": "database", "ca": "pki", "kv1": "kv"}[mount], "path": f"{mount}/"}}
        if path.startswith("db/"):
            self.made += 1
            return {
                "lease_id": f"l-{self.made}",
                "lease_duration": 3600,
                "renewable": True,
                "data": {"username": f"u-{self.made}"},
            }
        return {}

    def log_in_again(self) -> bool:
        self.logins += 1
        return True

    def paths(self, *paths: str) -> list[tuple[str, t.Any]]:
        return [(path, body) for _verb, path, body in self.asked if path in paths]


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "unified/leases"


def leases_of(client: FakeClient, retired: list[Reference]) -> Leases:
    return Leases(t.cast("t.Any", client), threading.RLock(), retired.append)


def test_long_lease_is_cut_short_renewed_and_revoked(state: Path) -> None:
    client, retired = FakeClient(), []
    held = leases_of(client, retired)
    assert held.read(APP) == {"username": "u-1"}
    assert client.paths("sys/leases/renew") == [("sys/leases/renew", {"lease_id": "l-1", "increment": 600})]
    written = next(state.glob("*.json"))
    assert oct(written.stat().st_mode)[-3:] == "600"
    assert json.loads(written.read_text())["leases"] == ["l-1"]
    held.renew_due()
    assert len(client.paths("sys/leases/renew")) == 1, "it is not due"
    held.held[0].ends -= 300
    held.renew_due()
    assert len(client.paths("sys/leases/renew")) == 2
    held.close()
    assert client.paths("sys/leases/revoke") == [("sys/leases/revoke", {"lease_id": "l-1", "sync": True})]
    assert client.paths("auth/token/revoke-self") == [], "a token that was given is not ours to end"
    assert list(state.iterdir()) == []
    assert retired == []
    with pytest.raises(VaultError, match="the run has ended"):
        held.read(APP)


def test_lease_that_cannot_go_on_is_replaced_once(state: Path) -> None:
    client = FakeClient()
    retired: list[Reference] = []
    held = leases_of(client, retired)
    held.read(APP)
    client.lasts = 100  # its longest time is near
    held.held[0].ends = time.monotonic() + 100
    held.renew_due()
    assert retired == [APP]
    client.lasts = 600
    assert held.read(APP) == {"username": "u-2"}
    held.renew_due()
    assert retired == [APP], "what came in its place stays"
    client.lasts = "invalid"
    held.held[1].ends -= 300
    held.renew_due()
    assert retired == [APP, APP]
    assert [lease.id for lease in held.held] == ["l-1"]
    held.close()


def test_server_that_is_away_for_a_moment_is_asked_again(state: Path) -> None:
    client = FakeClient()
    held = leases_of(client, [])
    held.read(APP)
    held.held[0].ends -= 300
    client.lasts = "unreachable"
    held.renew_due()
    client.lasts = 600
    held.renew_due()
    assert held.held[0].left > 500
    held.close()


def test_login_of_the_run_is_renewed_and_ended_with_all_its_leases(state: Path) -> None:
    client = FakeClient("approle")
    held = leases_of(client, [])
    held.read(APP)
    held.held[0].ends -= 30
    held.renew_due()
    assert client.paths("auth/token/renew-self") == [("auth/token/renew-self", {})]
    client.refused = {"sys/leases/revoke"}
    held.close()
    assert client.paths("auth/token/revoke-self") == [("auth/token/revoke-self", {})]
    assert list(state.iterdir()) == []


def test_leases_end_with_the_login_that_asked_for_them(state: Path) -> None:
    """A server revokes them with their token, long before their own end: another login and another lease come before that."""
    client, retired = FakeClient("approle"), []
    client.renewable = False
    held = leases_of(client, retired)
    held.read(APP)
    login, first = held.held
    held.renew_due()
    assert (retired, client.logins) == ([], 0)
    login.ends -= 50
    held.renew_due()
    held.renew_due()
    assert (retired, client.logins) == ([APP], 1)
    assert first.left < 11
    assert held.read(APP) == {"username": "u-2"}
    first.ends = login.ends = 0
    held.renew_due()
    assert [(lease.id, lease.key) for lease in held.held] == [("", None), ("l-2", APP)]
    assert json.loads(next(state.glob("*.json")).read_text())["leases"] == ["l-2"]
    assert (retired, client.logins) == ([APP], 1)
    held.close()


def test_token_that_may_not_look_at_itself_is_used(state: Path) -> None:
    client = FakeClient("approle")
    client.refused = {"auth/token/lookup-self"}
    held = leases_of(client, [])
    assert held.read(APP) == {"username": "u-1"}
    held.close()


def test_answer_of_something_else_ends_no_renewing(state: Path) -> None:
    """A proxy's page in the place of an answer: what renews goes on, and the next answer counts."""
    client = FakeClient()
    held = leases_of(client, [])
    client.lasts = 0
    held.read(APP)
    held.held[0].ends = time.monotonic() + 300
    held.renew_due()
    client.lasts = 600
    held.renew_due()
    assert held.held[0].left > 500
    held.close()


@pytest.mark.parametrize(
    ("content", "seconds"),
    [
        ({"token_ttl": 3599}, 3599), ({"ttl": 86}, 86), ({"expires_at_seconds": 2_000_000_000_000}, None), ({"expiration": 2_000_000_000_000}, None),
        ({"expiration": 1}, 0), ({"ttl": "5m"}, 0), ({"expiration": "2030-01-01"}, 0), ({"username": "x"}, 0), ({}, 0),
    ],
)  # fmt: skip
def test_end_of_what_has_no_lease_is_what_the_engine_says(content: dict[str, t.Any], seconds: int | None) -> None:
    lasts = module.lasting(content)
    assert lasts == seconds if seconds is not None else abs(time.time() + lasts - 2_000_000_000_000) < 5


def test_what_may_not_be_revoked_stays_written_down(state: Path) -> None:
    client = FakeClient()
    held = leases_of(client, [])
    held.read(APP)
    client.refused = {"sys/leases/revoke"}
    held.close()
    assert [json.loads(path.read_text())["leases"] for path in state.iterdir()] == [["l-1"]]


@pytest.mark.parametrize(
    ("changes", "revoked", "left"),
    [
        ({}, ["old"], 0), ({"started": since(os.getpid()), "pid": os.getpid()}, [], 1), ({"url": "https://other"}, [], 1),
        ({"namespace": "team"}, [], 1), ({"host": "another"}, [], 1), ({"processes": "pid:[1]"}, [], 1), ({"ends": 1}, [], 0),
    ],
)  # fmt: skip
def test_only_what_is_left_of_a_dead_run_here_is_revoked(
    changes: dict[str, t.Any], revoked: list[str], left: int, state: Path
) -> None:
    client = FakeClient()
    state.mkdir(parents=True)
    about = {
        **module._known_by(t.cast("t.Any", client)),
        "pid": 1,
        "started": "before",
        "ends": time.time() + 60,
        "leases": ["old"],
    }
    (state / "1-x.json").write_text(json.dumps({**about, **changes}))
    (state / "2-broken.json").write_text("{")
    held = leases_of(client, [])
    held.read(APP)
    assert [body["lease_id"] for _path, body in client.paths("sys/leases/revoke")] == revoked
    assert len(list(state.glob("1-*.json"))) == left
    held.close()


@pytest.mark.parametrize(
    "text", ["prod+kv1://web/app?x=1", "prod+kv1://creds/app?x=1", "prod+ca://root/generate/internal?common_name=x"]
)
def test_reference_with_options_changes_nothing(text: str, state: Path) -> None:
    client = FakeClient()
    held = leases_of(client, [])
    with pytest.raises(VaultError, match="would be changed by it"):
        held.read(parse(text))
    assert [verb for verb, _path, _body in client.asked] == ["GET"]
    held.read(parse("prod+ca://issue/web?common_name=x"))
    assert client.asked[-1] == ("POST", "ca/issue/web", {"common_name": "x"})
    held.close()


def test_without_a_place_to_write_nothing_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    client = FakeClient()
    with pytest.raises(VaultError, match=r"leases could not be written down.*XDG_STATE_HOME"):
        leases_of(client, []).read(APP)
    assert client.made == 0
