# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server says of itself without a token, by nothing but the standard library.

Source: https://openbao.org/api-docs/system/health/, .../seal-status/, .../leader/ and .../unseal/
"""

from __future__ import annotations

import json
import socket
import ssl
import sys
import time
import typing as t
import urllib.error
import urllib.parse
import urllib.request

Answer = t.Dict[str, t.Any]

# Every state is answered with 200, so that it can be read.
HEALTH = "sys/health?standbyok=true&perfstandbyok=true&sealedcode=200&uninitcode=200"


class NodeError(Exception):
    """A server did not answer, or not in time; the message names it."""


class Health(t.NamedTuple):
    """State of one server."""

    initialized: bool
    sealed: bool
    active: bool
    version: str


class Node:
    """One server, over TLS.

    Args:
        url: its address.
        ca_path: the CA of its certificate.

    Raises:
        NodeError: the address is not one of TLS.
    """

    def __init__(self, url: str, ca_path: str) -> None:
        if not url.startswith("https://"):
            raise NodeError(f"{url} is no address of TLS. Write https://")
        self.url = url.rstrip("/")
        self.context = ssl.create_default_context(cafile=ca_path)
        self.opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self.context)
        )

    def ask(self, path: str, body: Answer | None = None) -> Answer:
        """The answer to a GET, or to a PUT of BODY.

        Raises:
            NodeError: it could not be reached, or refused.
        """
        data = None if body is None else json.dumps(body).encode()
        method = "GET" if data is None else "PUT"
        request = urllib.request.Request(f"{self.url}/v1/{path}", data, method=method)  # noqa: S310  # always https
        request.add_header("X-Vault-Request", "true")
        try:
            with self.opener.open(request, timeout=10) as answer:
                return t.cast("Answer", json.loads(answer.read() or b"{}"))
        except urllib.error.HTTPError as exc:
            raise NodeError(f"{self.url}: {path.partition('?')[0]} was answered with {exc.code}") from None
        except (OSError, ValueError) as exc:
            raise NodeError(f"{self.url} cannot be reached ({getattr(exc, 'reason', exc)})") from None

    def health(self) -> Health:
        found = self.ask(HEALTH)
        initialized, sealed = bool(found["initialized"]), bool(found["sealed"])
        active = initialized and not sealed and not found["standby"]
        return Health(initialized, sealed, active, str(found.get("version", "")))

    def reached(self) -> Health | None:
        """Its state, or None where it cannot be reached."""
        try:
            return self.health()
        except NodeError:
            return None

    def applied(self) -> int:
        """The raft index up to which this server knows everything. A server that tells none is taken at its word that it runs."""
        return int(self.ask("sys/leader").get("raft_applied_index") or sys.maxsize)

    def committed(self) -> int:
        """The raft index that the cluster agreed on, if this server leads it; 0 otherwise."""
        leader = self.ask("sys/leader")
        return int(leader.get("raft_committed_index") or 1) if leader.get("is_self") else 0

    def unseal(self, key: str) -> bool:
        """Give one share; whether it is still sealed."""
        return bool(self.ask("sys/unseal", {"key": key})["sealed"])

    def certificate(self) -> bytes:
        """The certificate that it shows, DER."""
        address = urllib.parse.urlsplit(self.url)
        host = address.hostname or ""
        try:
            plain = socket.create_connection((host, address.port or 443), timeout=10)
            with plain, self.context.wrap_socket(plain, server_hostname=host) as secure:
                return secure.getpeercert(binary_form=True) or b""
        except ssl.SSLCertVerificationError:
            return b""  # an old one of another authority
        except OSError as exc:
            raise NodeError(f"{self.url} cannot be reached ({exc})") from None


def wait(what: str, ready: t.Callable[[], t.Any], timeout: float) -> t.Any:
    """The first true answer of READY.

    Raises:
        NodeError: there was none in TIMEOUT seconds; says what was waited for, and the last error.
    """
    deadline = time.monotonic() + timeout
    while True:
        last = ""
        try:
            if found := ready():
                return found
        except NodeError as exc:
            last = f": {exc}"
        if time.monotonic() > deadline:
            raise NodeError(f"{what} did not happen within {timeout:g} s{last}")
        time.sleep(0.25)
