"""Chooses what stands behind the tests, says so, and records what a real server answers."""

from __future__ import annotations

import json
import re
import typing as t
from pathlib import Path

import pytest

from tests.fakes import vault as fake
from tests.unit.conftest import INSTALLED

from .server import Server, given, live

RECORDINGS = Path(__file__).parent / "recordings"
# Values of tokens, keys and passwords, and times, in what is recorded.
SECRET = re.compile(
    r'("(?:client_token|token|secret_id|private_key|signed_key|key|keys|root_token|password|jwt|role_id|accessor|lease_id)":\s*)"[^"]*"'
)
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.\d]*(?:Z|[+-]\d\d:\d\d)")


def recordings() -> list[Path]:
    return sorted(RECORDINGS.glob("*.yaml"))


def pytest_terminal_summary(terminalreporter: t.Any) -> None:
    assert INSTALLED.is_dir()
    if given():
        said = f"vault: against the real server {given()}"
    elif recordings():
        stamp = json.loads((RECORDINGS / "server.json").read_text())
        said = f"vault: replayed recordings of {stamp['name']}, made {stamp['date']}"
    else:
        said = (
            "vault: NOT RUN against a real server: neither BAO_BIN, VAULT_BIN nor VAULT_ADDR is set, and there are no recordings. "
            "What ran talked to the fake in tests/fakes/vault.py"
        )
    terminalreporter.write_line(said)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Server]:
    directory = tmp_path_factory.mktemp("vault")
    if given():
        with live(directory) as real:
            RECORDINGS.mkdir(exist_ok=True)
            import datetime

            stamp = {"name": real.name, "date": datetime.date.today().isoformat()}
            (RECORDINGS / "server.json").write_text(json.dumps(stamp) + "\n")
            yield real
    elif recordings():
        yield Server("https://recorded.invalid:8200", "", "recorded", "a recording")
    else:
        with fake.FakeVault(directory) as stand_in:
            yield Server(stand_in.url, stand_in.ca, fake.ROOT, "a fake")


@pytest.fixture(autouse=True)
def exchange(request: pytest.FixtureRequest, server: Server) -> t.Iterator[None]:
    """Record a live test, or replay it strictly: what was not recorded is an error."""
    if server.name == "a fake":
        yield
        return
    import vcr

    recorder = vcr.VCR(
        cassette_library_dir=str(RECORDINGS), record_mode="all" if given() else "none",
        match_on=["method", "path", "query", "body"], filter_headers=["X-Vault-Token", "Authorization"],
        before_record_request=_scrub_request, before_record_response=_scrub_response, decode_compressed_response=True,
    )  # fmt: skip
    with recorder.use_cassette(f"{request.node.name}.yaml"):
        yield


def _scrub_request(request: t.Any) -> t.Any:
    request.uri = re.sub(r"https://[^/]+", "https://recorded.invalid:8200", request.uri)
    if request.body:
        request.body = SECRET.sub(r'\1"scrubbed"', request.body.decode()).encode()
    return request


def _scrub_response(response: t.Any) -> t.Any:
    body = response["body"]["string"].decode(errors="replace")
    response["body"]["string"] = TIME.sub("2026-01-01T00:00:00Z", SECRET.sub(r'\1"scrubbed"', body)).encode()
    return response
