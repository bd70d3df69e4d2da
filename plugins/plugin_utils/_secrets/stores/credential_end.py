# SPDX-License-Identifier: GPL-3.0-or-later
"""Until when a declaration of Vault can log in. The token of a login ends soon and is made anew; what it was made of matters."""

from __future__ import annotations

import base64
import contextlib
import datetime
import json
import typing as t
from pathlib import Path

from ansible_collections.unified.deploy.plugins.module_utils._certificate import ends

Data = t.Mapping[str, t.Any]


def credential_end(options: Data, token: Data, write: t.Callable[..., Data]) -> str:
    """ISO 8601, or empty where the credential has no end or does not tell.

    Args:
        options: those of the store.
        token: what ``auth/token/lookup-self`` says.
        write: asks the server; may raise anything.
    """
    method = options["auth_method"]
    if method in ("token", "agent"):
        return str(token.get("expire_time") or "")
    end = ""
    # A credential that may not be looked at is as good as before: the login has just shown that it holds.
    with contextlib.suppress(Exception):
        if method == "approle":
            end = _secret_id_end(options, token, write)
        elif method == "cert":
            end = _certificate_end(Path(options["client_cert"]))
        elif method == "jwt":
            end = _jwt_end(options["jwt"] or Path(options["jwt_path"]).read_text())
    return end


def _secret_id_end(options: Data, token: Data, write: t.Callable[..., Data]) -> str:
    mount, role = (options["auth_mount"] or "approle").strip("/"), token["meta"]["role_name"]
    answer = write(f"auth/{mount}/role/{role}/secret-id/lookup", secret_id=options["secret_id"])
    end = str(answer["data"]["expiration_time"])
    return "" if end.startswith("0001") else end  # Go's zero: without an end


def _certificate_end(path: Path) -> str:
    from cryptography import x509

    return ends(x509.load_pem_x509_certificate(path.read_bytes())).isoformat()


def _jwt_end(token: str) -> str:
    claims = token.split(".")[1]
    until = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"]
    return datetime.datetime.fromtimestamp(until, datetime.timezone.utc).isoformat()
