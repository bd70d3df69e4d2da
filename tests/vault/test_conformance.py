"""The fake answers what a real server answered: every recorded request goes to the fake, and a difference is a failure."""

from __future__ import annotations

import json
import typing as t
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from tests.fakes import vault as fake
from tests.fakes.server import FakeServer

from .conftest import KNOWN, MADE
from .recording import RECORDINGS, REPLAYED_RUN, Exchange, Scrubber, load
from .server import target

# Of a live run, what it has just recorded; else what is committed.
SOURCE = MADE if target() else RECORDINGS


def names() -> list[str]:
    return sorted(path.stem for path in SOURCE.glob("*.json"))


def differences(recorded: t.Any, answered: t.Any, at: str = "") -> list[str]:
    """Where two answers differ, by the path of the field."""
    if isinstance(recorded, dict) and isinstance(answered, dict):
        differing = [
            f"{at}.{key}: only the {'fake' if key in answered else 'server'} has it"
            for key in set(recorded) ^ set(answered)
        ]
        return differing + [
            line
            for key in set(recorded) & set(answered)
            for line in differences(recorded[key], answered[key], f"{at}.{key}")
        ]
    lasting = at.endswith((".lease_duration", ".ttl")) and isinstance(recorded, int) and isinstance(answered, int)
    if lasting and abs(recorded - answered) <= 5:
        return []
    if recorded != answered:
        return [f"{at}: the server says {json.dumps(recorded)}, the fake {json.dumps(answered)}"]
    return []


class Replica:
    """Sends recorded requests to a fake, each name of a recording replaced by the value that the fake gave it."""

    def __init__(self, server: fake.FakeVault) -> None:
        self.server = server
        self.scrubber = Scrubber(REPLAYED_RUN, {**KNOWN, fake.ROOT: "scrubbed-root"})

    def valued(self, value: t.Any) -> t.Any:
        values = {name: value for value, name in self.scrubber.names.items() if name.startswith("scrubbed-")}
        if isinstance(value, dict):
            return {key: self.valued(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self.valued(one) for one in value]
        if isinstance(value, str) and value.startswith("scrubbed-"):
            return values.get(value, value.replace("scrubbed", "unknown"))  # a test made it up, and no server knows it
        return values.get(value, value) if isinstance(value, str) else value

    def ask(self, exchange: Exchange) -> tuple[int, t.Any]:
        parts = exchange.path.split("/")
        path = "/".join(self.valued(part) if part.startswith("scrubbed-") else part for part in parts)
        query = f"?{urlencode(exchange.query)}" if exchange.query else ""
        sent = self.valued(exchange.body)
        self.scrubber.learn(sent)
        body = None if sent is None else json.dumps(sent).encode()
        headers = {"X-Vault-Token": self.valued(exchange.token)} if exchange.token else {}
        if exchange.wrapped:
            headers["X-Vault-Wrap-TTL"] = "60"
        request = urllib.request.Request(
            f"{self.server.url}/v1/{quote(path)}{query}", body, headers, method=exchange.method
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                status, content = answer.status, answer.read()
        except urllib.error.HTTPError as exc:
            status, content = exc.code, exc.read()
        answered = json.loads(content) if content else None
        self.scrubber.learn(answered)
        return status, self.scrubber.scrub(answered)


class Plain(fake.FakeVault):
    """The fake without TLS and without the mounts that it has for other tests."""

    tls = False

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        for name in ("secret", "kv1"):
            del self.mounts[name]


@pytest.mark.parametrize("name", names())
def test_fake_answers_what_the_real_server_answered(name: str, tmp_path: Path) -> None:
    _server, _date, exchanges = load(SOURCE / f"{name}.json")
    with Plain(tmp_path) as server:
        replica = Replica(server)
        differing = []
        for number, exchange in enumerate(exchanges, 1):
            status, answered = replica.ask(exchange)
            lines = differences(exchange.answer, answered)
            if status != exchange.status:
                lines.insert(0, f" status: the server says {exchange.status}, the fake {status}")
            differing += [f"{number}: {exchange.method} {exchange.path}{line}" for line in lines]
    assert differing == []


def test_a_difference_is_found() -> None:
    recorded = {"data": {"a": 1, "b": [1]}, "x": "scrubbed-token-1"}
    assert differences(recorded, recorded) == []
    assert differences(recorded, {"data": {"a": 2, "c": 1}, "x": ""}) != []
    assert sorted(differences(recorded, {"data": {"a": "1", "b": [1]}})) == [
        ".data.a: the server says 1, the fake \"1\"", ".x: only the server has it",
    ]  # fmt: skip
    assert issubclass(Plain, FakeServer)
    assert REPLAYED_RUN in Scrubber("12345678", {}).scrub("unified-test-12345678-kv2")
