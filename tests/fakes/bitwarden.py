"""Fake of Bitwarden Secrets Manager's identity and API services, as https://github.com/bitwarden/sdk-sm speaks to them.

It encrypts as https://bitwarden.com/help/bitwarden-security-white-paper/ says: the client decrypts for real. Leaves out:
projects' own rights, deletion, synchronisation.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import typing as t
import uuid
from pathlib import Path

from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from .server import FakeServer, Refusal, Request, now, route

ORGANIZATION, PROJECT, CLIENT, SECRET = str(uuid.uuid4()), str(uuid.uuid4()), str(uuid.uuid4()), "fakeClientSecret"
ACCESS_KEY = os.urandom(16)
ACCESS_TOKEN = f"0.{CLIENT}.{SECRET}:{base64.b64encode(ACCESS_KEY).decode()}"
ORGANIZATION_KEY = os.urandom(64)


def encrypt(text: bytes, key: bytes) -> str:
    """An EncString of type 2: AES-256-CBC with HMAC-SHA256."""
    vector, padder = os.urandom(16), padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(key[:32]), modes.CBC(vector)).encryptor()
    data = encryptor.update(padder.update(text) + padder.finalize()) + encryptor.finalize()
    mac = hmac.new(key[32:], vector + data, hashlib.sha256).digest()
    return "2." + "|".join(base64.b64encode(part).decode() for part in (vector, data, mac))


def decrypt(text: str, key: bytes) -> str:
    vector, data, _mac = (base64.b64decode(part) for part in text[2:].split("|"))
    decryptor = Cipher(algorithms.AES(key[:32]), modes.CBC(vector)).decryptor()
    unpadder = padding.PKCS7(128).unpadder()
    return (unpadder.update(decryptor.update(data) + decryptor.finalize()) + unpadder.finalize()).decode()


class FakeBitwarden(FakeServer):
    tls = True

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.secrets: dict[str, dict[str, t.Any]] = {}

    def seed(self, key: str, value: str) -> str:
        return self._put(str(uuid.uuid4()), *(encrypt(text.encode(), ORGANIZATION_KEY) for text in (key, value, "")))

    def _put(self, identifier: str, key: str, value: str, note: str) -> str:
        created = self.secrets.get(identifier, {}).get("creationDate", now())
        self.secrets[identifier] = {
            "object": "secret", "id": identifier, "organizationId": ORGANIZATION, "key": key, "value": value, "note": note,
            "creationDate": created, "revisionDate": now(), "projects": [{"id": PROJECT, "name": encrypt(b"p", ORGANIZATION_KEY)}],
            "read": True, "write": True,
        }  # fmt: skip
        return identifier

    @staticmethod
    def _jwt() -> str:
        parts = [
            {"alg": "none", "typ": "JWT"},
            {
                "sub": CLIENT,
                "organization": ORGANIZATION,
                "exp": 4102444800,
                "nbf": 1,
                "scope": ["api.secrets"],
                "email": None,
            },
        ]
        encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
        return ".".join([*encoded, "c2ln"])

    def authenticate(self, request: Request) -> None:
        if "/connect/token" not in request.path and request.headers.get("Authorization") != f"Bearer {self._jwt()}":
            raise Refusal(401, {"message": "Unauthorized"})

    @route("POST", "/identity/connect/token")
    def token(self, request: Request) -> t.Any:
        if (request.body["client_id"], request.body["client_secret"]) != (CLIENT, SECRET):
            raise Refusal(400, {"error": "invalid_client"})
        shared = hmac.new(b"bitwarden-accesstoken", ACCESS_KEY, hashlib.sha256).digest()
        key = HKDFExpand(hashes.SHA256(), 64, b"sm-access-token").derive(shared)
        payload = json.dumps({"encryptionKey": base64.b64encode(ORGANIZATION_KEY).decode()}).encode()
        return {
            "access_token": self._jwt(), "expires_in": 3600, "token_type": "Bearer", "scope": "api.secrets",
            "encrypted_payload": encrypt(payload, key),
        }  # fmt: skip

    @route("GET", "/api/organizations/(?P<organization>[^/]+)/secrets")
    def list(self, request: Request, organization: str) -> t.Any:
        keys = ("id", "organizationId", "key", "creationDate", "revisionDate", "projects", "read", "write")
        listed = [{key: item[key] for key in keys} for item in self.secrets.values()]
        return {"secrets": listed, "projects": [], "object": "SecretsWithProjectsList"}

    @route("GET", "/api/secrets/(?P<identifier>[^/]+)")
    def get(self, request: Request, identifier: str) -> t.Any:
        if identifier not in self.secrets:
            raise Refusal(404, {"message": "Resource not found.", "object": "error"})
        return self.secrets[identifier]

    @route("POST", "/api/secrets/get-by-ids")
    def get_by_ids(self, request: Request) -> t.Any:
        return {"data": [self.get(request, identifier) for identifier in request.body["ids"]], "object": "list"}

    @route("POST", "/api/organizations/(?P<organization>[^/]+)/secrets")
    def create(self, request: Request, organization: str) -> t.Any:
        body = request.body
        return self.secrets[self._put(str(uuid.uuid4()), body["key"], body["value"], body["note"])]

    @route("PUT", "/api/secrets/(?P<identifier>[^/]+)")
    def update(self, request: Request, identifier: str) -> t.Any:
        body = request.body
        return self.secrets[self._put(identifier, body["key"], body["value"], body["note"])]
