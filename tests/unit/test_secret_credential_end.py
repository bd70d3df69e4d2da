"""The doctor says when what an operator declared ends, not when the token ends that a login has just made of it."""

from __future__ import annotations

import base64
import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.stores.credential_end import credential_end

from tests.fakes.server import certificate

SOON = {"expire_time": "2026-11-21T15:00:00Z", "meta": {"role_name": "deploy"}}
NONE = dict.fromkeys(("auth_mount", "secret_id", "client_cert", "jwt", "jwt_path"), "")


def refused(_path: str, **_data: t.Any) -> t.Any:
    raise PermissionError


@pytest.mark.parametrize("method", ["token", "agent"])
def test_token_ends_when_it_ends(method: str) -> None:
    assert credential_end({**NONE, "auth_method": method}, SOON, refused) == "2026-11-21T15:00:00Z"
    assert credential_end({**NONE, "auth_method": method}, {"expire_time": None}, refused) == ""


@pytest.mark.parametrize(
    ("expiration", "end"), [("2027-01-01T00:00:00Z", "2027-01-01T00:00:00Z"), ("0001-01-01T00:00:00Z", "")]
)
def test_approle_ends_with_its_secret_id(expiration: str, end: str) -> None:
    def write(path: str, **data: t.Any) -> t.Any:
        assert (path, data) == ("auth/ours/role/deploy/secret-id/lookup", {"secret_id": "s"})
        return {"data": {"expiration_time": expiration}}

    options = {**NONE, "auth_method": "approle", "auth_mount": "ours/", "secret_id": "s"}
    assert credential_end(options, SOON, write) == end
    assert credential_end(options, SOON, refused) == "", "it may not look: nothing is known, and nothing fails"


def test_certificate_and_jwt_tell_themselves(tmp_path: Path) -> None:
    _ca, pair = certificate(tmp_path)
    assert credential_end({**NONE, "auth_method": "cert", "client_cert": pair}, SOON, refused) > "2026-11-2"
    claims = base64.urlsafe_b64encode(json.dumps({"exp": 1800000000}).encode()).decode().rstrip("=")
    token = f"e30.{claims}.x"
    assert credential_end({**NONE, "auth_method": "jwt", "jwt": token}, SOON, refused) == "2027-01-15T08:00:00+00:00"
    (tmp_path / "jwt").write_text(token)
    options = {**NONE, "auth_method": "jwt", "jwt_path": str(tmp_path / "jwt")}
    assert credential_end(options, SOON, refused) == "2027-01-15T08:00:00+00:00"
    assert credential_end({**options, "jwt_path": "/nonexistent"}, SOON, refused) == ""
