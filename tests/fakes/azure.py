"""Fake of Azure Key Vault secrets, after https://learn.microsoft.com/rest/api/keyvault/secrets, and of Entra's token end point.

Lists have pages, and the name of a deleted secret is kept (soft delete). Leaves out: access policies, purging, attributes other than times.
"""

from __future__ import annotations

import time
import typing as t
import uuid
from pathlib import Path

from .server import FakeServer, Refusal, Request, route

TENANT, CLIENT, SECRET, TOKEN = (
    "11111111-2222-3333-4444-555555555555",
    "fake-client",
    "fake-client-secret",
    "fake-token",
)


class FakeKeyVault(FakeServer):
    tls = True

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.secrets: dict[str, list[tuple[str, str, int]]] = {}
        self.deleted: set[str] = set()

    def seed(self, name: str, value: str) -> None:
        created = int(time.time()) + len(self.secrets.get(name, []))
        self.secrets.setdefault(name, []).append((uuid.uuid4().hex, value, created))

    def authenticate(self, request: Request) -> None:
        if request.path.startswith("/secrets") and request.headers.get("Authorization") != f"Bearer {TOKEN}":
            challenge = f'Bearer authorization="{self.url}/{TENANT}", resource="{self.url}"'
            raise Refusal(401, {"error": {"code": "Unauthorized"}}, {"WWW-Authenticate": challenge})

    @route("GET", f"/{TENANT}/v2.0/.well-known/openid-configuration")
    def configuration(self, request: Request) -> t.Any:
        base = f"{self.url}/{TENANT}"
        return {
            "token_endpoint": f"{base}/oauth2/v2.0/token", "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode", "issuer": f"{base}/v2.0",
        }  # fmt: skip

    @route("POST", f"/{TENANT}/oauth2/v2.0/token")
    def token(self, request: Request) -> t.Any:
        if (request.body["client_id"], request.body["client_secret"]) != (CLIENT, SECRET):
            raise Refusal(401, {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret"})
        return {"token_type": "Bearer", "expires_in": 3599, "access_token": TOKEN}

    def _bundle(self, name: str, entry: tuple[str, str, int], *, value: bool) -> dict[str, t.Any]:
        version, text, created = entry
        attributes = {"enabled": True, "created": created, "updated": created, "recoveryLevel": "Recoverable"}
        return {
            "id": f"{self.url}/secrets/{name}/{version}",
            "attributes": attributes,
            **({"value": text} if value else {}),
        }

    def _versions(self, name: str) -> list[tuple[str, str, int]]:
        if name not in self.secrets:
            raise Refusal(
                404, {"error": {"code": "SecretNotFound", "message": f"{name} was not found in this key vault"}}
            )
        return self.secrets[name]

    @route("GET", "/secrets/?")
    def list(self, request: Request) -> t.Any:
        listed = [{"id": f"{self.url}/secrets/{name}", "attributes": {"enabled": True}} for name in self.secrets]
        return self._page(request, listed)

    def _page(self, request: Request, entries: t.Sequence[t.Any]) -> t.Any:
        start = int(request.query.get("$skiptoken", 0))
        following = f"{self.url}{request.path}?api-version=7.5&$skiptoken={start + self.page}"
        more = start + self.page < len(entries)
        return {"value": entries[start : start + self.page], "nextLink": following if more else None}

    @route("GET", "/secrets/(?P<name>[^/]+)/versions")
    def versions(self, request: Request, name: str) -> t.Any:
        return self._page(request, [self._bundle(name, entry, value=False) for entry in self._versions(name)])

    @route("GET", "/secrets/(?P<name>[^/]+)/(?P<version>[^/]*)")
    @route("GET", "/secrets/(?P<name>[^/]+)")
    def get(self, request: Request, name: str, version: str = "") -> t.Any:
        versions = [entry for entry in self._versions(name) if version in ("", entry[0])]
        if not versions:
            raise Refusal(404, {"error": {"code": "SecretNotFound", "message": "no such version"}})
        return self._bundle(name, versions[-1], value=True)

    @route("DELETE", "/secrets/(?P<name>[^/]+)")
    def delete(self, request: Request, name: str) -> t.Any:
        bundle = self._bundle(name, self._versions(name)[-1], value=False)
        self.deleted.add(name)
        del self.secrets[name]
        return {**bundle, "recoveryId": f"{self.url}/deletedsecrets/{name}"}

    @route("PUT", "/secrets/(?P<name>[^/]+)")
    def set(self, request: Request, name: str) -> t.Any:
        if name in self.deleted:
            inner = {"code": "ObjectIsDeletedButRecoverable"}
            message = f"Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused"
            raise Refusal(409, {"error": {"code": "Conflict", "message": message, "innererror": inner}})
        self.seed(name, request.body["value"])
        return self._bundle(name, self.secrets[name][-1], value=True)
