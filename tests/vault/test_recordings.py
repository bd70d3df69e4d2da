"""What is committed of a real server: nothing secret, nothing stale, nothing unused. And who may be asked for more."""

from __future__ import annotations

import json
import re
import typing as t
from pathlib import Path

import pytest

from .conftest import KNOWN
from .recording import RECORDINGS, Scrubber
from .server import PREFIX, foreign, target

SECRETS = {
    "canary": "|".join(re.escape(value) for value in KNOWN),
    "token of OpenBao or Vault": r"\b(?:hv)?[sbr]\.[A-Za-z0-9_-]{20,}",
    "PEM": r"-----BEGIN|MII[A-Za-z0-9+/]{16}",
    "age key": r"AGE-SECRET-KEY-",
    "JSON web token": r"\beyJ[A-Za-z0-9_-]{16,}",
    "unseal share, or another random value": r"\b[0-9a-f]{40,}\b|(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/]{43}=",
    "SSH key": r"ssh-(?:rsa|ed25519) AAAA",
    "UUID of a run": r"\b(?!00000000-0000)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
    "run": rf"{PREFIX}(?!00000000-)",
}


def secrets_in(text: str) -> list[str]:
    return [kind for kind, pattern in SECRETS.items() if re.search(pattern, text)]


@pytest.mark.parametrize("path", sorted(RECORDINGS.glob("*.json")), ids=lambda path: path.stem)
def test_recording_holds_no_secret(path: Path) -> None:
    assert secrets_in(path.read_text()) == []


@pytest.mark.parametrize(
    "text",
    [
        *KNOWN, "s.ML9gJIR3eDHUoBr9oH2U5clm", "hvs.CAESIJRM-T1q5lEjIWux1Tjx-VGqAYJdd4FZtbp1", "-----BEGIN EC PRIVATE KEY-----",
        "AGE-SECRET-KEY-1QQ", "eyJhbGciOiJSUzI1NiIsImtpZCI", "0f" * 33, "ssh-rsa AAAAB3", "02b1Vm8oXcVn3Vv1yq5C1xkQY3P0qkqVQYt3pX0l9dY=",
        "8ca57cd3-9791-96ec-6e7b-9e6f20e7293f", f"{PREFIX}c07b8f56-kv2",
    ],
)  # fmt: skip
def test_secrets_are_recognised(text: str) -> None:
    assert secrets_in(f'{{"a": "{text}"}}') != []


def test_scrubber_names_what_is_secret_and_the_same_value_the_same_way() -> None:
    scrubber = Scrubber("12345678", {"canary": "scrubbed-canary"})
    answer = {
        "auth": {"client_token": "s.abcdefghijk", "accessor": "A" * 24},
        "data": {"secret_id": "8ca57cd3-9791", "x": "canary"},
    }
    scrubber.learn(answer)
    assert scrubber.scrub({**answer, "path": "auth/s.abcdefghijk", "when": "2026-11-21T14:23:34.950515762Z"}) == {
        "auth": {"client_token": "scrubbed-client_token-1", "accessor": "scrubbed-accessor-1"},
        "data": {"secret_id": "scrubbed-secret_id-1", "x": "scrubbed-canary"},
        "path": "auth/scrubbed-client_token-1", "when": "2026-01-01T00:00:00Z",
    }  # fmt: skip


def parts_of(item: pytest.Function) -> list[str]:
    return str(item.callspec.id).split("-") if hasattr(item, "callspec") else []


def test_every_recording_is_of_a_test_and_of_the_same_run(request: pytest.FixtureRequest) -> None:
    stored = {path.stem: json.loads(path.read_text()) for path in RECORDINGS.glob("*.json")}
    if not stored:
        pytest.skip("there are no recordings: make test-vault makes them")
    assert len({(one["server"], one["date"]) for one in stored.values()}) == 1
    played = {
        "-".join([item.originalname.removeprefix("test_"), *(part for part in parts_of(item) if part != "recording")])
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and "recording" in parts_of(item)
        and not any(mark.name in ("live_only", "not_recorded") for mark in item.iter_markers())
    }
    if target() or not played:
        pytest.skip("a live run makes recordings anew, and plays none")
    assert set(stored) == played


OPERATOR = {
    "VAULT_ADDR": "https://prod",
    "VAULT_TOKEN": "x",
    "BAO_ADDR": "https://prod",
    "BAO_BIN": "/bin/bao",
    "VAULT_BIN": "/bin/vault",
}


def test_what_an_operator_has_in_the_environment_is_never_tested_against() -> None:
    assert target(OPERATOR) == ""
    assert target({**OPERATOR, "UNIFIED_TEST_VAULT_ADDR": "https://x"}) == "", "only make test-vault sets the switch"
    addressed: dict[str, str] = {
        "UNIFIED_TEST_VAULT": "1",
        "VAULT_ADDR": "https://prod",
        "UNIFIED_TEST_VAULT_ADDR": "https://x",
    }
    assert target(addressed) == "https://x"
    assert target({**OPERATOR, "UNIFIED_TEST_VAULT": "1"}) == "/bin/bao"


@pytest.mark.parametrize(
    ("listed", "names"),
    [
        ({"mounts": ["sys/", "cubbyhole/", "identity/"], "auth": ["token/"], "policies": ["root", "default"]}, []),
        ({"mounts": ["secret/"]}, ["mounts: secret/"]), ({"auth": ["approle/"]}, ["auth: approle/"]),
        ({"policies": ["ops"], "mounts": [f"{PREFIX}0-kv2/", "team/"]}, ["mounts: team/", "policies: ops"]),
    ],
)  # fmt: skip
def test_server_of_others_is_refused(listed: dict[str, t.Any], names: list[str]) -> None:
    assert foreign(listed) == names
