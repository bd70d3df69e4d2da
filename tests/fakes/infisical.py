"""Fake of Infisical's API, after https://infisical.com/docs/api-reference/endpoints/secrets/read and its neighbours.

Leaves out: imports, tags, references between secrets, personal overrides, earlier versions' values.
"""

from __future__ import annotations

import typing as t

from .server import FakeServer, Refusal, Request, now, route

CLIENT, SECRET, PROJECT, ENVIRONMENT, TOKEN = (
    "machine-1",
    "fake-client-secret",
    "project-1",
    "prod",
    "fake-access-token",
)


class FakeInfisical(FakeServer):
    def __init__(self) -> None:
        super().__init__()
        self.secrets: dict[tuple[str, str], dict[str, t.Any]] = {}

    def authenticate(self, request: Request) -> None:
        if request.path.startswith("/api/v3") and request.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise Refusal(401, {"statusCode": 401, "message": "Token missing", "error": "UnauthorizedError"})

    def seed(self, folder: str, name: str, value: str) -> dict[str, t.Any]:
        version = self.secrets.get((folder, name), {}).get("version", 0) + 1
        self.secrets[folder, name] = {
            "id": name, "_id": name, "workspace": PROJECT, "environment": ENVIRONMENT, "version": version,
            "type": "shared", "secretKey": name, "secretValue": value, "secretComment": "", "secretPath": folder,
            "createdAt": now(), "updatedAt": now(), "secretMetadata": [], "tags": [], "secretValueHidden": False,
        }  # fmt: skip
        return self.secrets[folder, name]

    def _place(self, asked: t.Mapping[str, t.Any]) -> str:
        if asked.get("workspaceId") != PROJECT or asked.get("environment") != ENVIRONMENT:
            raise Refusal(
                403, {"statusCode": 403, "message": "You are not allowed to access this", "error": "ForbiddenError"}
            )
        return str(asked.get("secretPath", "/"))

    @route("POST", "/api/v1/auth/universal-auth/login")
    def login(self, request: Request) -> t.Any:
        if (request.body["clientId"], request.body["clientSecret"]) != (CLIENT, SECRET):
            raise Refusal(401, {"statusCode": 401, "message": "Invalid credentials", "error": "UnauthorizedError"})
        return {"accessToken": TOKEN, "expiresIn": 7200, "accessTokenMaxTTL": 7200, "tokenType": "Bearer"}

    @route("GET", "/api/v3/secrets/raw")
    def list(self, request: Request) -> t.Any:
        folder = self._place(request.query)
        recursive = request.query.get("recursive") == "true"
        items = [item for (place, _name), item in self.secrets.items() if place == folder or recursive]
        return {"secrets": items, "imports": []}

    @route("GET", "/api/v3/secrets/raw/(?P<name>[^/]+)")
    def get(self, request: Request, name: str) -> t.Any:
        item = self.secrets.get((self._place(request.query), name))
        if item is None or request.query.get("version", str(item["version"])) != str(item["version"]):
            raise Refusal(
                404, {"statusCode": 404, "message": f"Secret with name '{name}' not found", "error": "NotFound"}
            )
        return {"secret": item}

    @route("POST", "/api/v3/secrets/raw/(?P<name>[^/]+)")
    def create(self, request: Request, name: str) -> t.Any:
        return {"secret": self.seed(self._place(request.body), name, request.body["secretValue"])}

    @route("PATCH", "/api/v3/secrets/raw/(?P<name>[^/]+)")
    def update(self, request: Request, name: str) -> t.Any:
        folder = self._place(request.body)
        if (folder, name) not in self.secrets:
            raise Refusal(404, {"statusCode": 404, "message": "Secret not found", "error": "NotFound"})
        return {"secret": self.seed(folder, name, request.body["secretValue"])}
