"""A real OpenBao or HashiCorp Vault server for tests: TLS, integrated storage, initialised and unsealed as an operator would.

Only `make test-vault` reaches one. A server that is given by its address must have been made for tests: one that holds anything of
others is refused before anything is written to it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import ssl
import subprocess
import time
import typing as t
import urllib.request
from pathlib import Path

from tests.fakes.server import certificate

SWITCH, ADDRESS = "UNIFIED_TEST_VAULT", "UNIFIED_TEST_VAULT_ADDR"
# Names of all that tests make on a server begin with this.
PREFIX = "unified-test-"
ITS_OWN = {
    "mounts": {"cubbyhole/", "identity/", "sys/"},
    "auth": {"token/"},
    "policies": {"default", "root", "hcp-root", "response-wrapping"},
}


class Server(t.NamedTuple):
    """`kind` is fake, recording or live; `name` says more, for example "OpenBao v2.6.2". `run` is part of each name that a test gives."""

    kind: str
    url: str
    ca: str
    token: str
    name: str
    run: str


def target(environment: t.Mapping[str, str] | None = None) -> str:
    """The binary or address to test against. Empty outside of `make test-vault`, whatever an operator has in the environment."""
    environment = os.environ if environment is None else environment
    if not environment.get(SWITCH):
        return ""
    return binary(environment) or environment.get(ADDRESS, "")


def binary(environment: t.Mapping[str, str] | None = None) -> str:
    """The server's program to test with, empty outside of `make test-vault`."""
    environment = os.environ if environment is None else environment
    if not environment.get(SWITCH):
        return ""
    return environment.get("BAO_BIN") or environment.get("VAULT_BIN") or ""


def foreign(listed: t.Mapping[str, t.Iterable[str]]) -> list[str]:
    """What of mounts, auth methods and policies is neither the server's own nor of these tests."""
    return sorted(
        f"{kind}: {name}"
        for kind, names in listed.items()
        for name in names
        if name not in ITS_OWN[kind] and not name.startswith(PREFIX)
    )


def refuse_foreign(url: str, ca: str, token: str) -> None:
    """Stop before anything is written to a server that others use.

    Raises:
        RuntimeError: names what the server holds.
    """
    listed: dict[str, t.Iterable[str]] = {
        "mounts": ask(url, ca, "sys/mounts", token=token)["data"],
        "auth": ask(url, ca, "sys/auth", token=token)["data"],
        "policies": ask(url, ca, "sys/policies/acl?list=true", token=token)["data"]["keys"],
    }
    names = foreign(listed)
    if names:
        raise RuntimeError(
            f"{url} was not made for these tests and is left alone. It holds {', '.join(names)}. "
            "Give the address of an empty server, or BAO_BIN"
        )


@contextlib.contextmanager
def live(directory: Path, run: str) -> t.Iterator[Server]:
    """The server that the environment names: a binary is started, an address is used if the server is empty."""
    program = binary()
    if not program:
        url, token = os.environ[ADDRESS], os.environ[f"{SWITCH}_TOKEN"]
        ca = os.environ.get(f"{SWITCH}_CACERT", "")
        refuse_foreign(url, ca, token)
        yield Server("live", url, ca, token, f"a server of version {ask(url, ca, 'sys/health')['version']}", run)
        return
    version = subprocess.run([program, "version"], capture_output=True, text=True, check=True).stdout.strip()
    ca, pair = certificate(directory)
    with contextlib.ExitStack() as stack:
        ports = []
        for _port in range(2):
            probe = stack.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            ports.append(probe.getsockname()[1])
    api, cluster = ports
    (directory / "data").mkdir()
    url = f"https://127.0.0.1:{api}"
    config = {
        "listener": {"tcp": {"address": f"127.0.0.1:{api}", "tls_cert_file": pair, "tls_key_file": pair}},
        "storage": {"raft": {"path": str(directory / "data"), "node_id": "one"}},
        "api_addr": url, "cluster_addr": f"https://127.0.0.1:{cluster}", "disable_mlock": True,
    }  # fmt: skip
    (directory / "server.json").write_text(json.dumps(config))
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen([program, "server", f"-config={directory / 'server.json'}"], stdout=log, stderr=log)
    try:
        patiently(lambda: ask(url, ca, "sys/seal-status"))
        # Once: a second one would find the server initialised, and the keys of the first lost.
        made = ask(url, ca, "sys/init", {"secret_shares": 3, "secret_threshold": 2}, timeout=120)
        for key in made["keys"][:2]:
            ask(url, ca, "sys/unseal", {"key": key})
        patiently(lambda: ask(url, ca, "sys/health"))
        yield Server("live", url, ca, made["root_token"], re.sub(r"\s*\(.*|,.*", "", version), run)
    finally:
        process.terminate()
        process.wait(20)


def reset(server: Server) -> None:
    """Remove what this run's tests made on a server, so that each test begins with the same nothing."""
    own = f"{PREFIX}{server.run}-"
    for kind in ("mounts", "auth"):
        for name in ask(server.url, server.ca, f"sys/{kind}", token=server.token)["data"]:
            if name.startswith(own):
                ask(server.url, server.ca, f"sys/{kind}/{name.rstrip('/')}", token=server.token, method="DELETE")
    for name in ask(server.url, server.ca, "sys/policies/acl?list=true", token=server.token)["data"]["keys"]:
        if name.startswith(own):
            ask(server.url, server.ca, f"sys/policies/acl/{name}", token=server.token, method="DELETE")


def ask(
    url: str, ca: str, path: str, body: t.Any = None, *, token: str = "", timeout: float = 10, method: str = ""
) -> t.Any:
    context = ssl.create_default_context(cafile=ca or None)
    headers = {"X-Vault-Token": token} if token else {}
    encoded = json.dumps(body).encode() if body else None
    request = urllib.request.Request(f"{url}/v1/{path}", encoded, headers, method=method or ("PUT" if body else "GET"))
    with direct(context).open(request, timeout=timeout) as answer:
        return json.loads(answer.read() or b"{}")


def direct(context: ssl.SSLContext) -> urllib.request.OpenerDirector:
    """What asks servers on this machine and its test hosts: no proxy of the environment can reach them."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))


def patiently(action: t.Callable[[], t.Any]) -> t.Any:
    """ACTION, repeated for two minutes while the server does not answer: only for what may be repeated."""
    deadline = time.monotonic() + 120
    while True:
        try:
            return action()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
