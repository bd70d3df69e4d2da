"""What the client makes of a server's trouble. Trouble cannot be ordered from a real server: this talks to the fake alone."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._vault.client import VaultClient
from ansible_collections.unified.deploy.plugins.module_utils._vault.errors import VaultError
from ansible_collections.unified.deploy.plugins.module_utils._vault.http import Http, Response
from ansible_collections.unified.deploy.plugins.module_utils._vault.kv import Kv
from ansible_collections.unified.deploy.plugins.module_utils._vault.node import Node, NodeError
from ansible_collections.unified.deploy.plugins.module_utils._vault.options import (
    ENVIRONMENT,
    OPTIONS,
    completed,
    variables,
)
from ansible_collections.unified.deploy.plugins.module_utils._vault.said import without
from ansible_collections.unified.deploy.plugins.module_utils._vault.settings import differing, equal, seconds, span
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.resolver import Resolver

from tests.fakes import vault as fake
from tests.fakes.server import Refusal, certificate


@pytest.fixture
def server(tmp_path: Path) -> t.Iterator[fake.FakeVault]:
    with fake.FakeVault(tmp_path) as made:
        yield made


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ]:
        if name.startswith(("BAO_", "VAULT_")):
            monkeypatch.delenv(name)


def client(server: fake.FakeVault, **options: t.Any) -> VaultClient:
    return VaultClient({"url": server.url, "ca_path": server.ca, "token": fake.ROOT, "timeout": 1.0, **options})


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
    server.fault = Refusal(500, {"errors": ["cannot store canary-value: disk full"]})
    with pytest.raises(VaultError) as caught:
        client(server).write("secret/data/x", data={"a": "canary-value"})
    assert len(server.requests) == 1
    assert str(caught.value) == "secret/data/x: the server failed (500): cannot store ***: disk full. See its log"
    with pytest.raises(VaultError):
        client(server).request("GET", "secret/data/x")
    assert len(server.requests) == 5


def test_sealed_and_slow_servers_are_named(server: fake.FakeVault) -> None:
    server.fault = Refusal(503, {"errors": ["Vault is sealed"]})
    with pytest.raises(VaultError, match=r"is sealed or has no leader\. Unseal it"):
        client(server, retries=0).request("GET", "x")
    server.fault = 1.0
    server.requests.clear()
    with pytest.raises(VaultError, match=r"gave no answer within 0\.2 s"):
        client(server, timeout=0.2).request("GET", "x")
    assert len(server.requests) == 1, "who does not answer is not asked again"


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
        kept.append(connection)
        seen.append(whole_request(connection))
        body = b'{"data": {"keys": ["x"]}}'
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        )

    seen: list[str] = []
    kept: list[socket.socket] = []
    threading.Thread(target=serve, daemon=True).start()
    made = client(server, url=f"unix://{path}", token=None, auth_method="agent", timeout=0.3, retries=0)
    assert made.list("secret/metadata") == ["x"]
    with pytest.raises(VaultError, match=r"gave no answer within 0\.3 s"):  # its second request is never read
        made.list("secret/metadata")
    assert seen[0].startswith("LIST /v1/secret/metadata")
    assert "X-Vault-Request: true" in seen[0]
    listener.close()


def test_namespace_goes_with_every_request(server: fake.FakeVault) -> None:
    client(server, namespace="team/web").request("GET", "auth/token/lookup-self")
    assert {request.headers["X-Vault-Namespace"] for request in server.requests} == {"team/web"}


def whole_request(connection: socket.socket) -> str:
    """Head and body, which may come apart: an answer before the end of the body would reset the connection."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _mark, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head.lower())
    while len(body) < (int(length[1]) if length else 0):
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
                    head = (
                        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
                        % len(body)
                    )
                    connection.sendall(head + body)

    threading.Thread(target=serve, daemon=True).start()
    options = {
        "url": f"https://127.0.0.1:{listener.getsockname()[1]}",
        "ca_path": ca,
        "client_cert": pair,
        "client_key": pair,
    }
    made = VaultClient({**options, "auth_method": "cert", "role": "web", "timeout": 5.0})
    made.request("GET", "secret/data/x")
    assert [request.split()[:2] for _peer, request in seen] == [
        ["POST", "/v1/auth/cert/login"],
        ["GET", "/v1/secret/data/x"],
    ]
    assert all(peer["subject"] == ((("commonName", "localhost"),),) for peer, _request in seen)
    listener.close()


@pytest.mark.parametrize(
    ("desired", "current", "same"),
    [
        ("1h", 3600, True), ("1h30m", 5400, True), ("30d", 2592000, True), (10, "10", True), ("90s", "1m", False),
        (["b", "a"], ["a", "b"], True), ("a,b", ["b", "a"], True), (["a"], ["a", "b"], False), (True, "true", True),
        (False, None, True), (True, False, False), ("", None, True), ("text", "text\n", True), ({"a": 1}, {"a": "1"}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False), ("x", None, False), ([], None, True),
        (["127.0.0.1/32"], ["127.0.0.1"], True), (["10.0.0.0/8"], ["10.0.0.0"], False), (["::1/128"], ["::1"], True),
        ({}, None, True), ({}, {"a": 1}, False), (0, None, False), ("0", "", False),
    ],
)  # fmt: skip
def test_settings_compare_by_meaning(desired: t.Any, current: t.Any, same: bool) -> None:
    assert equal(desired, current) is same


def test_setting_that_a_server_leaves_out_is_an_empty_one() -> None:
    assert differing({"audit_non_hmac_request_keys": [], "description": "", "x": "1"}, {}) == ["x"]
    assert differing({"a": []}, None) == ["a"]


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
    for name, option in documented.items():
        said = re.findall(r"E\(((?:BAO|VAULT)_\w+)\)", json.dumps(option["description"]))
        assert said == variables(name), name


def test_environment_fills_what_options_leave_out() -> None:
    every = {name: f"of {name}" for option in ENVIRONMENT for name in variables(option)}
    every.update(BAO_SKIP_VERIFY="true", VAULT_SKIP_VERIFY="0", BAO_CLIENT_TIMEOUT="1m", BAO_MAX_RETRIES="7")
    values = completed({}, every)
    assert (values["validate_certs"], values["timeout"], values["retries"]) == (False, 60.0, 7)
    assert (values["url"], values["token"], values["ca_path"]) == ("of BAO_AGENT_ADDR", "of BAO_TOKEN", "of BAO_CACERT")
    only_vault = {name: value for name, value in every.items() if name.startswith("VAULT_") and "_AGENT_" not in name}
    only_vault.update(VAULT_CLIENT_TIMEOUT="5", VAULT_MAX_RETRIES="0", VAULT_SKIP_VERIFY="0")
    values = completed({"timeout": None}, only_vault)
    assert (values["url"], values["timeout"], values["retries"], values["validate_certs"]) == (
        "of VAULT_ADDR",
        5.0,
        0,
        True,
    )
    options = {"url": "u", "token_path": "p", "client_cert": "c", "timeout": 1.0, "retries": 2}
    values = completed(options, every)
    assert {name: values[name] for name in options} == options
    assert (values["token"], values["client_key"]) == (None, None), (
        "a file's token, a certificate's key are given already"
    )
    assert (completed({}, {})["timeout"], completed({}, {})["auth_method"]) == (10.0, "token")
    with pytest.raises(VaultError, match="BAO_SKIP_VERIFY in the environment has a value that is none"):
        completed({}, {"BAO_SKIP_VERIFY": "perhaps"})


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


@pytest.mark.parametrize("option", ["token", "namespace"])
def test_header_that_cannot_be_is_not_quoted(server: fake.FakeVault, option: str) -> None:
    for value in ("canary\nsecond", "canary\r", "canary\u2026", "canary\x7f"):
        with pytest.raises(VaultError, match=f"the {option} holds a line break") as caught:
            client(server, **{option: value}).request("GET", "sys/mounts")
        assert "canary" not in str(caught.value)
    assert server.requests == []


def test_answer_that_is_no_json_is_named(server: fake.FakeVault, monkeypatch: pytest.MonkeyPatch) -> None:
    for content in (b"<html>canary", b"[1]"):
        response = Response(200, {"Content-Type": "application/json"}, content)
        monkeypatch.setattr(Http, "send", lambda *_all, response=response: response)
        with pytest.raises(VaultError, match=r"^the answer is none of OpenBao or Vault\. See what listens there$"):
            client(server).request("GET", "sys/mounts")


def test_what_the_server_says_is_shown_less_what_was_sent() -> None:
    sent = {
        "connection_url": "postgres://admin:p4ss/w0rd@db",
        "pin": "42",
        "password": "two\nlines",
        "policy": 'x "reed"',
    }
    said = [
        '1 error occurred:\n\t* parse "postgres://admin:p4ss/w0rd@db": invalid port ":p4ss" after host\n',
        'pin 42 of 4200 is short, password two\\nlines, or "lines"', 'invalid capability "reed"',
    ]  # fmt: skip
    shown = without(said, sent)
    assert (
        shown
        == 'parse "***": invalid port ":***" after host; pin *** of 4200 is short, password ***, or "***"; invalid capability "reed"'
    )
    assert (
        without(["parse postgres://app:p%40ss%2Fw@db: no"], {"password": "p@ss/w"}) == "parse postgres://app:***@db: no"
    )
    assert len(without(["x" * 9999], None)) < 500
    assert "\x1b" not in without(["a\x1b[2Jb"], None)


def test_login_is_repeated_when_its_token_has_ended(server: fake.FakeVault) -> None:
    server.auth["approle"] = server._mount("approle", {})
    made = client(server)
    made.write("sys/policies/acl/x", policy='path "secret/*" { capabilities = ["create", "read", "update"] }')
    made.write("auth/approle/role/app", token_policies=["x"])
    role = made.request("GET", "auth/approle/role/app/role-id")["data"]["role_id"]
    secret = made.write("auth/approle/role/app/secret-id")["data"]["secret_id"]
    user = client(server, token=None, auth_method="approle", role_id=role, secret_id=secret)
    assert user.request("GET", "auth/token/lookup-self")
    for token in [token for token in server.tokens if token != fake.ROOT]:
        del server.tokens[token]
    server.requests.clear()
    user.write("secret/data/x", data={"a": "1"})
    assert [request.path for request in server.requests] == [
        "/v1/secret/data/x",
        "/v1/auth/approle/login",
        "/v1/secret/data/x",
    ]
    server.secret_ids.clear()
    server.tokens = {fake.ROOT: None}
    with pytest.raises(VaultError, match="login at auth/approle was refused"):
        user.request("GET", "secret/data/x")


def test_token_of_a_file_is_read_again_when_it_has_ended(server: fake.FakeVault, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(fake.ROOT)
    made = client(server, token=None, token_path=str(tmp_path / "token"))
    assert made.request("GET", "auth/token/lookup-self")
    del server.tokens[fake.ROOT]
    with pytest.raises(VaultError, match="the token is invalid or has expired"):
        made.request("GET", "auth/token/lookup-self")
    server.tokens["s.newer"] = None
    (tmp_path / "token").write_text("s.newer")
    assert made.request("GET", "auth/token/lookup-self")


def test_server_that_is_about_to_listen_is_waited_for(tmp_path: Path) -> None:
    with fake.FakeVault(tmp_path) as later:
        port = later.port
        late = client(later)
        listening = threading.Event()
        later.server.socket.close()  # from now on connections are refused

        def serve() -> None:
            with socket.create_server(("127.0.0.1", port)) as plain:
                listening.set()
                connection, _address = plain.accept()
                connection.close()

        threading.Timer(0.5, serve).start()
        with pytest.raises(VaultError, match="cannot be reached"):
            late.write("secret/data/x", data={})
        assert listening.wait(5), "a connection that was refused is tried again, even for a write"


def plain_server(answers: list[bytes], seen: list[str]) -> socket.socket:
    """A listener that gives each connection one of ANSWERS; an empty one closes it unanswered."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for answer in answers:
            with contextlib.suppress(OSError):
                connection, _address = listener.accept()
                seen.append(whole_request(connection))
                connection.sendall(answer)
                connection.close()

    threading.Thread(target=serve, daemon=True).start()
    return listener


def answer(status: str, body: str, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers, "", body]
    return "\r\n".join(lines).encode()


@pytest.mark.parametrize(("method", "asked"), [("GET", 2), ("POST", 1)])
def test_lost_connection_is_a_reason_to_read_again_but_not_to_write_again(method: str, asked: int) -> None:
    seen: list[str] = []
    listener = plain_server([b"", answer("200 OK", '{"data": {"a": "1"}}')], seen)
    made = VaultClient({"url": f"http://127.0.0.1:{listener.getsockname()[1]}", "token": "x", "timeout": 2.0})
    if method == "GET":
        assert made.request("GET", "x")["data"] == {"a": "1"}
    else:
        with pytest.raises(VaultError, match="cannot be reached"):
            made.write("x", a="1")
    assert len(seen) == asked
    listener.close()


def test_standby_that_names_its_leader_is_followed(server: fake.FakeVault) -> None:
    seen: list[str] = []
    moved = answer("307 Temporary Redirect", "", f"Location: {server.url}/v1/secret/data/x?version=1")
    listener = plain_server([moved, moved], seen)
    client(server).write("secret/data/x", data={"a": "1"})
    standby = client(server, url=f"http://127.0.0.1:{listener.getsockname()[1]}")
    assert standby.request("GET", "secret/data/x", params={"version": 1})["data"]["data"] == {"a": "1"}
    assert server.requests[-1].query == {"version": "1"}
    listener.close()


def test_engine_that_is_being_made_ready_is_asked_again(server: fake.FakeVault) -> None:
    server.fault = Refusal(
        400, {"errors": ["Upgrading from non-versioned to versioned data. This backend will be unavailable"]}
    )
    threading.Timer(0.4, lambda: setattr(server, "fault", None)).start()
    client(server).write("secret/data/x", data={})


def test_proxy_is_used_with_its_credentials_and_only_where_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    listener = plain_server([answer("200 OK", "{}"), answer("502 No", "{}")], seen)
    proxy = f"http://ann:s%40cret@127.0.0.1:{listener.getsockname()[1]}"
    VaultClient({"url": "http://vault.invalid:8200", "token": "x", "proxy": proxy}).request("GET", "a b")
    assert seen[0].startswith("GET http://vault.invalid:8200/v1/a%20b HTTP/1.1")
    assert "Proxy-Authorization: Basic YW5uOnNAY3JldA==" in seen[0]
    monkeypatch.setenv("https_proxy", proxy)
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(VaultError, match=r"https://vault\.invalid:8200 cannot be reached"):
        VaultClient({"url": "https://vault.invalid:8200", "token": "x", "retries": 0}).request("GET", "x")
    assert seen[1].startswith("CONNECT vault.invalid:8200 HTTP/1.")
    with pytest.raises(VaultError, match="the proxy p is none of http"):
        VaultClient({"url": "https://v", "token": "x", "proxy": "socks5://p:1"})
    listener.close()


def test_certificate_of_another_name_or_authority_is_refused(server: fake.FakeVault, tmp_path: Path) -> None:
    with pytest.raises(VaultError, match=r"is not trusted \(.*self-signed|is not trusted \(unable"):
        client(server, ca_path=None).request("GET", "x")
    with pytest.raises(VaultError, match=r"is not trusted \(Hostname mismatch"):
        client(server, server_name="other.example.org").request("GET", "x")
    assert client(server, server_name="localhost").request("GET", "auth/token/lookup-self")
    assert client(server, ca_path=None, validate_certs=False).request("GET", "auth/token/lookup-self")
    with pytest.raises(VaultError, match=r"none\.pem: No such file"):
        client(server, ca_path=str(tmp_path / "none.pem"))


@pytest.mark.parametrize(
    ("begins", "said"), [(1, "not yet valid .*Set the clock"), (-9, "expired .*have a new one issued")]
)
def test_certificate_out_of_its_time_is_named_with_what_the_clock_says(begins: int, said: str, tmp_path: Path) -> None:
    certificate(tmp_path, begins=begins)
    with fake.FakeVault(tmp_path) as late:
        with pytest.raises(
            VaultError, match=rf"by the clock here, {time.strftime('%Y-%m-%d', time.gmtime())} .*UTC"
        ) as caught:
            client(late).request("GET", "x")
        assert re.search(said, str(caught.value))
        if begins < 0:
            assert Node(late.url, late.ca).certificate() == b"", "another one may be shown by a reload"
        else:
            with pytest.raises(NodeError, match="not yet valid by the clock here"):
                Node(late.url, late.ca).certificate()


def test_mount_that_is_not_there_is_named(server: fake.FakeVault) -> None:
    with pytest.raises(VaultError, match="there is no mount gone, or this token may use nothing of it"):
        Kv(client(server), "gone", "x").fields()


def test_mount_that_vanishes_in_the_middle_of_a_run_is_named(server: fake.FakeVault) -> None:
    """It is no secret that is not there, for which a lookup would take its default."""
    secret = Kv(client(server), "secret", "web", 2)
    secret.write({"a": "1"}, 0)
    assert secret.fields() == {"a": "1"}
    secret.client.request("DELETE", "sys/mounts/secret")
    with pytest.raises(VaultError, match="there is no mount secret, or this token may use nothing of it"):
        secret.fields()


def test_writer_without_a_right_on_metadata_creates_a_secret(server: fake.FakeVault) -> None:
    server.tokens["s.writer"] = None
    server.grants["s.writer"] = ["secret/data/.*:create,update,read"]
    kv = Kv(client(server, token="s.writer"), "secret", "new", 2)
    assert kv.read() == (None, 0)
    kv.write({"a": "1"}, 0)
    client(server).delete("secret/data/new")
    assert kv.read() == (None, 1), "a deleted secret counts on"


@pytest.mark.parametrize("method", ["userpass", "ldap"])
def test_login_by_password(server: fake.FakeVault, method: str) -> None:
    server.auth[method] = server._mount(method, {})
    client(server).write(f"auth/{method}/users/ann", password="canary-right")
    made = client(server, token=None, auth_method=method, username="ann", password="canary-right")
    assert made.request("GET", "auth/token/lookup-self")
    with pytest.raises(VaultError, match=f"login at auth/{method} was refused") as caught:
        client(server, token=None, auth_method=method, username="ann", password="canary-wrong").request("GET", "x")
    assert "canary" not in str(caught.value)
    with pytest.raises(VaultError, match="username: 'a/b' is no name"):
        client(server, token=None, auth_method=method, username="a/b", password="x").request("GET", "x")


@pytest.mark.parametrize("together", [True, False])
def test_ten_references_on_a_hanging_server_wait_once(server: fake.FakeVault, together: bool) -> None:
    """As many seconds as one time-out has, and not ten times as many; the message names store, reference and limit."""
    store = {
        "type": "vault",
        "url": server.url,
        "ca_path": server.ca,
        "token": fake.ROOT,
        "timeout": 1.2,
        "kv_version": 2,
    }
    server.fault = 20.0
    texts = [f"prod://web/{number}#v" for number in range(10)]
    resolver = Resolver({"prod": store})
    started = time.monotonic()
    if together:
        resolver.prefetch(texts)
    failures = resolver.check(texts)
    assert time.monotonic() - started < 2.4
    assert set(failures) == set(texts)
    said = [str(failure) for failure in failures.values()]
    assert all(f"prod://web/{number}" in said[number] and "store 'prod'" in said[number] for number in range(10))
    assert all("gave no answer within 1.2 s" in one for one in said)


def test_doctor_sees_the_end_of_what_was_given_and_not_of_a_login(server: fake.FakeVault) -> None:
    server.auth["approle"] = server._mount("approle", {})
    root = client(server)
    rules = 'path "auth/approle/role/app/secret-id/lookup" { capabilities = ["update"] }'
    root.write("sys/policies/acl/own", policy=rules)
    expected = {"0": "", "2d": "20"}
    for lasting, begins in expected.items():
        root.write("auth/approle/role/app", token_ttl="5m", secret_id_ttl=lasting, token_policies=["own"])
        role_id = root.request("GET", "auth/approle/role/app/role-id")["data"]["role_id"]
        secret_id = root.write("auth/approle/role/app/secret-id")["data"]["secret_id"]
        store = {
            "type": "vault",
            "url": server.url,
            "ca_path": server.ca,
            "auth_method": "approle",
            "role_id": role_id,
            "secret_id": secret_id,
        }
        health = Resolver({"prod": store}).store("prod").check()
        assert health.expires.startswith(begins), lasting
        assert (health.expires == "") == (begins == "")
        assert health.identity == "approle"


def modules_with_a_connection() -> list[str]:
    here = Path(__file__).resolve().parents[2] / "plugins/modules"
    return sorted(path.stem for path in here.glob("vault_*.py") if "unified.deploy.vault\n" in path.read_text())


def test_every_module_with_a_connection_is_in_the_group_of_defaults() -> None:
    import yaml

    runtime = yaml.safe_load((Path(__file__).resolve().parents[2] / "meta/runtime.yml").read_text())
    assert runtime["action_groups"]["vault"] == modules_with_a_connection()


@pytest.mark.parametrize("name", modules_with_a_connection())
def test_documented_options_are_those_of_the_module(name: str) -> None:
    import importlib

    import yaml

    module = importlib.import_module(f"ansible_collections.unified.deploy.plugins.modules.{name}")
    spec = getattr(module, "SPEC", None)
    if spec is None:
        pytest.skip("its arguments stand elsewhere, and ansible-test compares them")
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]
    keys = ("type", "default", "choices", "required", "elements")
    assert {option: {key: about.get(key) for key in keys} for option, about in documented.items()} == {
        option: {key: about.get(key) for key in keys} for option, about in spec.items()
    }
    for text in (module.EXAMPLES, module.RETURN):
        assert yaml.safe_load(text)
