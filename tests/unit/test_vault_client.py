"""What the client makes of a server's trouble. Trouble cannot be ordered from a real server: this talks to the fake alone."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._vault.client import OPTIONS, VaultClient, VaultError
from ansible_collections.unified.deploy.plugins.module_utils._vault.kv import Kv
from ansible_collections.unified.deploy.plugins.module_utils._vault.settings import equal, seconds, span

from tests.fakes import vault as fake
from tests.fakes.server import Refusal


@pytest.fixture
def server(tmp_path: Path) -> t.Iterator[fake.FakeVault]:
    with fake.FakeVault(tmp_path) as made:
        yield made


def client(server: fake.FakeVault, **options: t.Any) -> VaultClient:
    defaults = {name: option.get("default") for name, option in OPTIONS.items()}
    return VaultClient(
        {**defaults, "url": server.url, "ca_path": server.ca, "token": fake.ROOT, "timeout": 1.0, **options}
    )


def test_403_names_the_path_and_the_missing_capability(server: fake.FakeVault) -> None:
    server.tokens["s.reader"] = None
    server.grants["s.reader"] = ["secret/data/web/.*:read"]
    with pytest.raises(
        VaultError,
        match=r"secret/data/web/x: permission denied, it needs the capability 'create or update', and this token has: read",
    ):
        client(server, token="s.reader").write("secret/data/web/x", data={})


@pytest.mark.parametrize("status", [429, 503])
def test_server_that_is_busy_is_asked_again_with_back_off(server: fake.FakeVault, status: int) -> None:
    made = client(server)
    server.fault = Refusal(status, {"errors": []})
    threading.Timer(0.3, lambda: setattr(server, "fault", None)).start()
    assert made.request("GET", "auth/token/lookup-self")["data"]["display_name"] == "root"
    assert 1 < len(server.requests) <= 5


def test_write_that_may_have_happened_is_not_sent_again(server: fake.FakeVault) -> None:
    server.fault = Refusal(500, {"errors": ["canary"]})
    with pytest.raises(VaultError) as caught:
        client(server).write("secret/data/x", data={})
    assert len(server.requests) == 1
    assert "canary" not in str(caught.value)
    with pytest.raises(VaultError):
        client(server).request("GET", "secret/data/x")
    assert len(server.requests) == 5


def test_sealed_and_slow_servers_are_named(server: fake.FakeVault) -> None:
    server.fault = Refusal(503, {"errors": ["Vault is sealed"]})
    with pytest.raises(VaultError, match=r"is sealed or has no leader\. Unseal it"):
        client(server, retries=0).request("GET", "x")
    server.fault = 1.0
    with pytest.raises(VaultError, match=r"did not answer within 0\.2 s"):
        client(server, timeout=0.2).request("GET", "x")


@pytest.mark.parametrize("method", ["jwt", "kubernetes"])
def test_login_by_token_of_another_issuer(server: fake.FakeVault, tmp_path: Path, method: str) -> None:
    server.auth[method] = server._mount(method, {})
    (tmp_path / "jwt").write_text("fake.jwt\n")
    made = client(server, token=None, auth_method=method, role="app", jwt_path=str(tmp_path / "jwt"))
    assert made.request("GET", "auth/token/lookup-self")
    assert made.request("GET", "auth/token/lookup-self")
    assert [request.path for request in server.requests].count(f"/v1/auth/{method}/login") == 1
    with pytest.raises(VaultError, match=f"login at auth/{method} was refused"):
        client(server, token=None, auth_method=method, role="app", jwt="wrong").request("GET", "x")


def test_agent_behind_a_socket(server: fake.FakeVault, tmp_path: Path) -> None:
    """A socket that passes bytes on to the fake, which adds the token as an agent does."""
    server.agent_token = fake.ROOT
    path = tmp_path / "agent.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        connection, _address = listener.accept()
        seen.append(whole_request(connection))
        body = b'{"data": {"keys": ["x"]}}'
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        )

    seen: list[str] = []
    threading.Thread(target=serve, daemon=True).start()
    made = client(server, url=f"unix://{path}", token=None, auth_method="agent")
    assert made.list("secret/metadata") == ["x"]
    assert seen[0].startswith("LIST /v1/secret/metadata")
    assert "X-Vault-Request: true" in seen[0]
    listener.close()


def test_namespace_goes_with_every_request(server: fake.FakeVault) -> None:
    client(server, namespace="team/web").request("GET", "auth/token/lookup-self")
    assert {request.headers["X-Vault-Namespace"] for request in server.requests} == {"team/web"}


def whole_request(connection: socket.socket) -> str:
    """Head and body, which may come apart: an answer before the end of the body would reset the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _mark, body = data.partition(b"\r\n\r\n")
    found = re.search(rb"content-length: (\d+)", head.lower())
    while len(body) < (int(found[1]) if found else 0):
        body += connection.recv(65536)
    return head.decode()


def test_client_certificate_is_shown_to_the_server(tmp_path: Path) -> None:
    import ssl

    from tests.fakes.server import certificate

    ca, pair = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(ca)
    listener = socket.create_server(("127.0.0.1", 0))
    seen: list[t.Any] = []

    def serve() -> None:
        for _connection in range(2):
            with contextlib.suppress(OSError):
                plain, _address = listener.accept()
                with context.wrap_socket(plain, server_side=True) as connection:
                    seen.append((connection.getpeercert(), whole_request(connection)))
                    body = b'{"auth": {"client_token": "s.x"}, "data": {}}'
                    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
                    connection.sendall(head + body)

    threading.Thread(target=serve, daemon=True).start()
    defaults = {name: option.get("default") for name, option in OPTIONS.items()}
    given = {
        "url": f"https://127.0.0.1:{listener.getsockname()[1]}",
        "ca_path": ca,
        "client_cert": pair,
        "client_key": pair,
    }
    made = VaultClient({**defaults, **given, "auth_method": "cert", "role": "web", "timeout": 5.0})
    made.request("GET", "secret/data/x")
    assert [request.split()[:2] for _peer, request in seen] == [
        ["POST", "/v1/auth/cert/login"],
        ["GET", "/v1/secret/data/x"],
    ]
    assert all(peer["subject"] == ((("commonName", "localhost"),),) for peer, _request in seen)
    listener.close()


@pytest.mark.parametrize(
    ("wanted", "found", "same"),
    [
        ("1h", 3600, True), ("1h30m", 5400, True), ("30d", 2592000, True), (10, "10", True), ("90s", "1m", False),
        (["b", "a"], ["a", "b"], True), ("a,b", ["b", "a"], True), (["a"], ["a", "b"], False), (True, "true", True),
        (False, None, True), (True, False, False), ("", None, True), ("text", "text\n", True), ({"a": 1}, {"a": "1"}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False), ("x", None, False), ([], None, True),
    ],
)  # fmt: skip
def test_settings_compare_by_meaning(wanted: t.Any, found: t.Any, same: bool) -> None:
    assert equal(wanted, found) is same


def test_durations() -> None:
    assert [seconds(text) for text in ("90", 5, "2w", "1h1s", "soon", True)] == [90, 5, 1209600, 3601, None, None]
    with pytest.raises(VaultError, match="ttl: 'x' is no duration"):
        span("x", "ttl")


def test_documented_options_are_those_of_the_client() -> None:
    import yaml
    from ansible_collections.unified.deploy.plugins.doc_fragments.vault import ModuleDocFragment

    documented = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]
    keys = ("type", "default", "choices")
    assert {name: {key: option.get(key) for key in keys} for name, option in OPTIONS.items()} == {
        name: {key: option.get(key) for key in keys} for name, option in documented.items()
    }


@pytest.mark.parametrize("path", ["odd/pass#word", "odd/a?b", "odd/100%", "odd/a b", "odd/%2e%2e", "odd/ü", "odd/a+b"])
def test_what_belongs_to_a_name_stays_in_it(server: fake.FakeVault, path: str) -> None:
    made = Kv(client(server), "secret", path, 2)
    Kv(made.client, "secret", "odd/pass", 2).write({"v": "another"}, 0)
    made.write({"v": "right"}, 0)
    assert made.fields() == {"v": "right"}
    assert Kv(made.client, "secret", "odd/pass", 2).fields() == {"v": "another"}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("../../sys/mounts", "has '..' as a part"), ("a/./b", "has '.' as a part"), ("a//b", "has an empty part"),
        ("a\nb", "has a control character"), ("..", "has '..' as a part"),
    ],
)  # fmt: skip
def test_paths_that_lead_elsewhere_are_refused(server: fake.FakeVault, path: str, said: str) -> None:
    with pytest.raises(VaultError, match=re.escape(said)) as caught:
        Kv(client(server), "secret", path, 2).fields()
    assert "\n" not in str(caught.value)
    assert server.requests == []
