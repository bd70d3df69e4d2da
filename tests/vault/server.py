"""A real OpenBao or HashiCorp Vault server for tests: TLS, integrated storage, initialised and unsealed as an operator would."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import time
import typing as t
import urllib.request
from pathlib import Path

from tests.fakes.server import certificate


class Server(t.NamedTuple):
    url: str
    ca: str
    token: str
    name: str  # for example "OpenBao v2.4.1", or that it is a fake


def given() -> str:
    """The binary or address to test against, empty where none is given."""
    return os.environ.get("BAO_BIN") or os.environ.get("VAULT_BIN") or os.environ.get("VAULT_ADDR", "")


@contextlib.contextmanager
def live(directory: Path) -> t.Iterator[Server]:
    """The server that the environment names: BAO_BIN or VAULT_BIN is started, VAULT_ADDR (with VAULT_TOKEN) is used."""
    binary = os.environ.get("BAO_BIN") or os.environ.get("VAULT_BIN")
    if not binary:
        url, token = os.environ["VAULT_ADDR"], os.environ["VAULT_TOKEN"]
        ca = os.environ.get("VAULT_CACERT", "")
        yield Server(url, ca, token, f"a server of version {_ask(url, ca, 'sys/health')['version']}")
        return
    version = subprocess.run([binary, "version"], capture_output=True, text=True, check=True).stdout.strip()
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
        process = subprocess.Popen([binary, "server", f"-config={directory / 'server.json'}"], stdout=log, stderr=log)
    try:
        made = _ask(url, ca, "sys/init", {"secret_shares": 3, "secret_threshold": 2}, patience=30)
        for key in made["keys"][:2]:
            _ask(url, ca, "sys/unseal", {"key": key})
        _until_active(url, ca)
        yield Server(url, ca, made["root_token"], re.sub(r"\s*\(.*|,.*", "", version))
    finally:
        process.terminate()
        process.wait(20)


def _ask(url: str, ca: str, path: str, body: t.Any = None, *, patience: float = 5) -> t.Any:
    import ssl

    context = ssl.create_default_context(cafile=ca or None)
    deadline = time.monotonic() + patience
    while True:
        request = urllib.request.Request(f"{url}/v1/{path}", method="PUT" if body else "GET")
        try:
            data = json.dumps(body).encode() if body else None
            with urllib.request.urlopen(request, data, context=context, timeout=10) as answer:
                return json.loads(answer.read() or b"{}")
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _until_active(url: str, ca: str) -> None:
    _ask(url, ca, "sys/health", patience=30)
