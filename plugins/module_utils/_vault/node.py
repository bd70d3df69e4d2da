# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server says of itself, by nothing but the standard library.

Source: https://openbao.org/api-docs/system/health/, .../seal-status/, .../leader/ and .../unseal/; who votes needs a token:
.../storage/raft/#read-raft-configuration
"""

from __future__ import annotations

import json
import sys
import time
import typing as t
import urllib.parse

from .http import Http, HttpError, tls_context

Answer = t.Dict[str, t.Any]

TIMEOUT = 10.0
# Every state is answered with 200, so that it can be read.
HEALTH = "sys/health?standbyok=true&perfstandbyok=true&sealedcode=200&uninitcode=200"


class NodeError(Exception):
    """A server did not answer, or not in time; the message names it. `status` is the HTTP status of a refusal, 0 where there was none."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


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
        self.http = Http(self.url, TIMEOUT, context=tls_context(ca_path), proxy="")

    def ask(self, path: str, body: Answer | None = None, token: str = "") -> Answer:
        """The answer to a GET, or to a PUT of BODY."""
        content = None if body is None else json.dumps(body).encode()
        method = "GET" if body is None else "PUT"
        try:
            headers = {"X-Vault-Request": "true", **({"X-Vault-Token": token} if token else {})}
            answer = self.http.send(method, f"/v1/{path}", headers, content)
            if answer.status < 300:
                return t.cast("Answer", json.loads(answer.content or b"{}"))
        except (HttpError, ValueError) as exc:
            raise NodeError(f"{self.url} cannot be reached ({exc})") from None
        finally:
            self.http.close()  # the server may be restarted before it is asked again
        raise NodeError(f"{self.url}: {path.partition('?')[0]} was answered with {answer.status}", answer.status)

    def health(self) -> Health:
        answer = self.ask(HEALTH)
        initialized, sealed = bool(answer["initialized"]), bool(answer["sealed"])
        active = initialized and not sealed and not answer["standby"]
        return Health(initialized, sealed, active, str(answer.get("version", "")))

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

    @property
    def host(self) -> str:
        """By which the cluster names it: servers speak to each other by the host of their API and a port of their own."""
        return urllib.parse.urlsplit(self.url).hostname or ""

    def voters(self, token: str) -> set[str]:
        """Hosts of the servers that have a vote, if this server leads.

        Raises:
            NodeError: it does not answer; with status 403 where TOKEN may not ask.
        """
        servers = self.ask("sys/storage/raft/configuration", token=token)["data"]["config"]["servers"]
        return {server["address"].rpartition(":")[0].strip("[]").lower() for server in servers if server["voter"]}

    def unseal(self, key: str) -> bool:
        """Give one share; whether it is still sealed."""
        return bool(self.ask("sys/unseal", {"key": key})["sealed"])

    def certificate(self) -> bytes:
        """The certificate that it shows, DER; empty where it is an old one of another authority."""
        try:
            return self.http.certificate()
        except HttpError as exc:
            if exc.kind == "untrusted":
                return b""
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
            if result := ready():
                return result
        except NodeError as exc:
            last = f": {exc}"
        if time.monotonic() > deadline:
            raise NodeError(f"{what} did not happen within {timeout:g} s{last}")
        time.sleep(0.25)
