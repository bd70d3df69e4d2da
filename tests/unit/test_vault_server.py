"""What the module vault_server waits for, and in which order it acts. The nodes are fakes."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._vault import server as module
from ansible_collections.unified.deploy.plugins.module_utils._vault.node import Health, Node, NodeError
from ansible_collections.unified.deploy.plugins.module_utils._vault.server import Server

TOKEN = "canary-token"
# Nothing reads what it says.
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"


class FakeCluster:
    """Three servers; the first leads. A server that is in `late` gets its vote after so many questions."""

    def __init__(self) -> None:
        self.late: dict[str, int] = {}
        self.refused = 0
        self.asked = 0
        self.ended: set[str] = set()

    def ask(self, host: str, path: str, token: str) -> t.Any:
        if path == "sys/leader":
            return {"is_self": host == "10.0.0.1", "raft_committed_index": 7, "raft_applied_index": 7}
        if path.startswith("sys/health"):
            return {"initialized": True, "sealed": False, "standby": host != "10.0.0.1", "version": "2.6.2"}
        assert (host, path) == ("10.0.0.1", "sys/storage/raft/configuration"), "only who leads knows"
        self.asked += 1
        if self.refused or token != TOKEN:
            status = self.refused or 403
            raise NodeError(f"sys/storage/raft/configuration was answered with {status}", status)
        servers = []
        for name in ("10.0.0.1", "10.0.0.2", "10.0.0.3"):
            left = self.late.get(name, 0)
            self.late[name] = left - 1
            servers.append({"node_id": name, "address": f"{name}:8201", "voter": left <= 0})
        return {"data": {"config": {"servers": servers}}}


class FakeNode(Node):
    """One of its servers, without a network."""

    def __init__(self, cluster: FakeCluster, host: str) -> None:
        self.url, self.cluster = f"https://{host}:8200", cluster

    def ask(self, path: str, body: t.Any = None, token: str = "") -> t.Any:
        if self.url in self.cluster.ended:
            raise NodeError(f"{self.url} cannot be reached (certificate has expired)")
        return self.cluster.ask(self.host, path, token)

    def certificate(self) -> bytes:
        return b"" if self.url in self.cluster.ended else ssl.PEM_cert_to_DER_cert(CERTIFICATE)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    monkeypatch.setattr(module.time, "sleep", lambda _seconds: None)
    return FakeCluster()


def server_of(cluster: FakeCluster, host: str = "10.0.0.2", token: str = TOKEN, timeout: float = 5) -> Server:
    def run(argv: list[str]) -> tuple[int, str, str]:
        return 0, "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\nNeedDaemonReload=no\nMainPID=1\n", ""

    made = Server({"unit": "openbao", "timeout": timeout, "token": token, "files": []}, run, dry=False)
    made.__dict__["node"] = FakeNode(cluster, host)
    others = [name for name in ("10.0.0.1", "10.0.0.2", "10.0.0.3") if name != host]
    made.__dict__["peers"] = [FakeNode(cluster, name) for name in others]
    return made


def restart(server: Server) -> None:
    server.restart(Health(initialized=True, sealed=False, active=False, version="2.6.2"))


def test_nothing_is_restarted_before_all_others_vote(cluster: FakeCluster) -> None:
    cluster.late = {"10.0.0.3": 3}
    server = server_of(cluster)
    restart(server)
    assert cluster.late["10.0.0.3"] <= 0
    assert server.actions == ["restarted"]


def test_a_vote_that_never_comes_is_named_and_nothing_is_restarted(cluster: FakeCluster) -> None:
    cluster.late = {"10.0.0.3": 10**9}
    server = server_of(cluster, timeout=0.01)
    with pytest.raises(
        NodeError, match=r"that https://10.0.0.3:8200 gets its vote in the cluster did not happen within"
    ):
        restart(server)
    assert server.actions == []


def test_who_joined_waits_for_its_own_vote(cluster: FakeCluster) -> None:
    cluster.late = {"10.0.0.2": 4}
    server = server_of(cluster)
    server.await_votes([server.node])
    assert cluster.late["10.0.0.2"] <= 0


@pytest.mark.parametrize(("token", "warnings"), [("", 0), ("another", 1)])
def test_who_may_not_ask_gives_a_new_server_time(
    token: str, warnings: int, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(module.time, "sleep", slept.append)
    server = server_of(cluster, token=token)
    server.await_votes([server.node])
    assert slept == [], "it was there before"
    server.joined = True
    server.warnings.clear()
    server.await_votes([server.node])
    assert slept == [module.VOTES_AFTER]
    assert len(server.warnings) == warnings
    assert token not in "".join(server.warnings) or not token


def test_an_error_of_the_server_is_no_refusal(cluster: FakeCluster) -> None:
    cluster.refused = 500
    server = server_of(cluster, timeout=0.01)
    with pytest.raises(NodeError, match=r"10.0.0.1:8200 gets its vote .* was answered with 500"):
        restart(server)
    assert server.warnings == []


def test_certificate_that_has_ended_is_replaced_before_anything_is_asked(cluster: FakeCluster, tmp_path: Path) -> None:
    server = server_of(cluster, timeout=0.01)
    cluster.ended = {server.node.url}
    (tmp_path / "server.pem").write_text(CERTIFICATE)
    server.params = {
        **server.params, "cert_path": str(tmp_path / "server.pem"), "program": "/none", "files": [], "restart": "never", "join": False,
        "unseal_keys": [], "foreseen": False,
    }  # fmt: skip
    run = server.run

    def systemctl(argv: list[str]) -> t.Any:
        if argv[1] == "reload":
            cluster.ended.clear()
        return run(argv)

    server.run = systemctl
    health, stale = module.settle(server)
    assert (health.sealed, stale, server.actions) == (False, False, ["reloaded"])


def test_file_from_the_future_asks_for_one_restart_only(cluster: FakeCluster, tmp_path: Path) -> None:
    """The clock was four hours ahead when the file was written, or is four hours behind now."""
    server = server_of(cluster)
    program, written = str(shutil.which("sleep")), tmp_path / "server.hcl"
    written.touch()
    os.utime(written, (time.time() + 4 * 3600,) * 2)
    server.params = {**server.params, "program": program, "files": [str(written), str(tmp_path / "none")]}
    run, processes = server.run, []

    def systemctl(argv: list[str]) -> t.Any:
        if argv[1] == "restart":
            processes.append(subprocess.Popen([program, "60"]))
        code, out, err = run(argv)
        return code, out.replace("MainPID=1\n", f"MainPID={processes[-1].pid}\n"), err

    server.run = systemctl
    try:
        systemctl(["systemctl", "restart"])
        server.shown = server._show()
        assert server.stale()
        restart(server)
        assert not server.stale()
        written.write_text("changed")
        assert server.stale(), "what is written later is a change as ever"
    finally:
        for process in processes:
            process.kill()
            process.wait()
