"""Fake of a 1Password Connect server, after https://developer.1password.com/docs/connect/api-reference.

Leaves out: files, filters other than 'title eq', favourites, activity.
"""

from __future__ import annotations

import re
import typing as t

from .server import FakeServer, Refusal, Request, now, route

TOKEN, VAULT = "fake-connect-token", "a" * 26


class FakeConnect(FakeServer):
    def __init__(self) -> None:
        super().__init__()
        self.items: dict[str, dict[str, t.Any]] = {}

    def seed(self, title: str, fields: t.Mapping[str, str]) -> None:
        listed = [{"id": name, "label": name, "type": "CONCEALED", "value": value} for name, value in fields.items()]
        self._add({"title": title, "category": "LOGIN", "fields": listed, "vault": {"id": VAULT}})

    def _add(self, item: dict[str, t.Any]) -> dict[str, t.Any]:
        identifier = f"{len(self.items):026d}".replace("0", "b")
        identifier = f"{identifier[:20]}{len(self.items):06d}"
        self.items[identifier] = {**item, "id": identifier, "version": 1, "createdAt": now(), "updatedAt": now()}
        return self.items[identifier]

    def authenticate(self, request: Request) -> None:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise Refusal(401, {"status": 401, "message": "Invalid token signature"})

    @route("GET", "/v1/vaults")
    def vaults(self, request: Request) -> t.Any:
        return [{"id": VAULT, "name": "team", "items": len(self.items), "type": "USER_CREATED"}]

    @route("GET", f"/v1/vaults/{VAULT}/items")
    def list(self, request: Request) -> t.Any:
        titled = re.fullmatch(r'title eq "(.*)"', request.query.get("filter", ""))
        keys = ("id", "title", "category", "vault", "version")
        items = [{key: item[key] for key in keys} for item in self.items.values()]
        return [item for item in items if not titled or item["title"] == titled[1]]

    @route("GET", f"/v1/vaults/{VAULT}/items/(?P<identifier>[^/]+)")
    def get(self, request: Request, identifier: str) -> t.Any:
        if identifier not in self.items:
            raise Refusal(404, {"status": 404, "message": f"item {identifier} not found"})
        return self.items[identifier]

    @route("POST", f"/v1/vaults/{VAULT}/items")
    def create(self, request: Request) -> t.Any:
        return self._add(request.body)

    @route("PUT", f"/v1/vaults/{VAULT}/items/(?P<identifier>[^/]+)")
    def update(self, request: Request, identifier: str) -> t.Any:
        self.items[identifier] = {**request.body, "version": self.items[identifier]["version"] + 1, "updatedAt": now()}
        return self.items[identifier]
