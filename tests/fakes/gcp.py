"""Fake of Google's Secret Manager v1 (REST), after https://cloud.google.com/secret-manager/docs/reference/rest.

It checks the JSON web token that a service account signs itself (https://google.aip.dev/auth/4111). Leaves out: IAM, replication, rotation, regional
secrets, checksums. Lists have pages.
"""

from __future__ import annotations

import base64
import json
import time
import typing as t
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from .server import FakeServer, Refusal, Request, now, route

PROJECT, ACCOUNT = "fake-project", "ansible@fake-project.iam.gserviceaccount.com"


def error(status: int, word: str) -> Refusal:
    return Refusal(status, {"error": {"code": status, "message": word, "status": word}})


class FakeSecretManager(FakeServer):
    tls = True

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.secrets: dict[str, list[tuple[str, str]]] = {}
        self.key = rsa.generate_private_key(65537, 2048)

    def seed(self, name: str, value: str) -> None:
        self.secrets.setdefault(name, []).append((base64.b64encode(value.encode()).decode(), now()))

    def service_account_key(self) -> str:
        pem = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        return json.dumps(
            {
                "type": "service_account", "project_id": PROJECT, "private_key_id": "1", "private_key": pem,
                "client_email": ACCOUNT, "client_id": "1", "token_uri": "https://oauth2.googleapis.com/token",
            }
        )  # fmt: skip

    def authenticate(self, request: Request) -> None:
        try:
            signed, _mark, signature = request.headers["Authorization"].removeprefix("Bearer ").rpartition(".")
            self.key.public_key().verify(_decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
            claims = json.loads(_decoded(signed.partition(".")[2]))
            assert claims["iss"] == ACCOUNT
            assert claims["exp"] > time.time()
        except Exception:
            raise error(401, "UNAUTHENTICATED") from None

    def _version(self, name: str, version: str) -> tuple[int, tuple[str, str]]:
        versions = self.secrets.get(name, [])
        number = len(versions) if version == "latest" else int(version)
        if not versions or number > len(versions):
            raise error(404, "NOT_FOUND")
        return number, versions[number - 1]

    def _described(self, name: str, number: int) -> dict[str, t.Any]:
        created = self.secrets[name][number - 1][1]
        return {"name": f"projects/1/secrets/{name}/versions/{number}", "createTime": created, "state": "ENABLED"}

    @route("GET", "/v1/projects/fake-project/secrets/(?P<name>[^/]+)/versions/(?P<version>[^/:]+):access")
    def access(self, request: Request, name: str, version: str) -> t.Any:
        number, (data, _created) = self._version(name, version)
        return {"name": f"projects/1/secrets/{name}/versions/{number}", "payload": {"data": data}}

    @route("GET", "/v1/projects/fake-project/secrets/(?P<name>[^/]+)/versions/(?P<version>[^/:]+)")
    def version(self, request: Request, name: str, version: str) -> t.Any:
        return self._described(name, self._version(name, version)[0])

    @route("GET", "/v1/projects/fake-project/secrets/(?P<name>[^/]+)/versions")
    def versions(self, request: Request, name: str) -> t.Any:
        if name not in self.secrets:
            raise error(404, "NOT_FOUND")
        listed = [self._described(name, number + 1) for number in range(len(self.secrets[name]))]
        return self._page(request, "versions", listed)

    @route("GET", "/v1/projects/fake-project/secrets")
    def list(self, request: Request) -> t.Any:
        return self._page(request, "secrets", [{"name": f"projects/1/secrets/{name}"} for name in self.secrets])

    def _page(self, request: Request, key: str, entries: t.Sequence[t.Any]) -> t.Any:
        start = int(request.query.get("pageToken") or 0)
        more = start + self.page < len(entries)
        return {key: entries[start : start + self.page], "nextPageToken": str(start + self.page) if more else ""}

    @route("POST", "/v1/projects/fake-project/secrets")
    def create(self, request: Request) -> t.Any:
        name = request.query["secretId"]
        if name in self.secrets:
            raise error(409, "ALREADY_EXISTS")
        self.secrets[name] = []
        return {"name": f"projects/1/secrets/{name}"}

    @route("POST", "/v1/projects/fake-project/secrets/(?P<name>[^/]+):addVersion")
    def add(self, request: Request, name: str) -> t.Any:
        if name not in self.secrets:
            raise error(404, "NOT_FOUND")
        data = request.body["payload"]["data"]
        self.secrets[name].append((data, now()))
        return self._described(name, len(self.secrets[name]))


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
