"""Fake of Akeyless' gateway API, after https://docs.akeyless.io/reference/getsecretvalue and its neighbours.

Leaves out: other item types, roles, targets, token expiry.
"""

from __future__ import annotations

import typing as t

from .server import FakeServer, Refusal, Request, now, route

ACCESS_ID, ACCESS_KEY, TOKEN = "p-fake", "fake-access-key", "t-fake"


class FakeAkeyless(FakeServer):
    def __init__(self) -> None:
        super().__init__()
        self.items: dict[str, list[str]] = {}
        self.batches_forbidden = False

    def authenticate(self, request: Request) -> None:
        if request.path != "/auth" and request.body.get("token") != TOKEN:
            raise Refusal(401, {"error": "Unauthorized, please authenticate again"})

    def _item(self, name: str) -> list[str]:
        if name not in self.items:
            raise Refusal(404, {"error": f"failed to get secret: item {name} was not found"})
        return self.items[name]

    @route("POST", "/auth")
    def auth(self, request: Request) -> t.Any:
        if (request.body["access-id"], request.body["access-key"]) != (ACCESS_ID, ACCESS_KEY):
            raise Refusal(401, {"error": "Unauthorized, invalid access key"})
        return {"token": TOKEN, "creds": {}}

    @route("POST", "/get-secret-value")
    def get(self, request: Request) -> t.Any:
        version = request.body.get("version") or 0
        if self.batches_forbidden and len(request.body["names"]) > 1:
            raise Refusal(403, {"error": "Unauthorized, access is denied to one of the items"})
        answer = {}
        for name in request.body["names"]:
            values = self._item(name)
            if version > len(values):
                raise Refusal(404, {"error": f"version {version} of {name} was not found"})
            answer[name] = values[version - 1]
        return answer

    @route("POST", "/list-items")
    def list(self, request: Request) -> t.Any:
        start = int(request.body.get("pagination-token") or 0)
        names = list(self.items)[start : start + self.page]
        following = str(start + self.page) if start + self.page < len(self.items) else ""
        return {"items": [{"item_name": name, "item_type": "STATIC_SECRET"} for name in names], "next_page": following}

    @route("POST", "/describe-item")
    def describe(self, request: Request) -> t.Any:
        values = self._item(request.body["name"])
        versions = [{"version": number + 1, "creation_date": now()} for number in range(len(values))]
        return {
            "item_name": request.body["name"], "last_version": len(values), "modification_date": now(),
            "item_versions": versions if request.body.get("show-versions") else [],
        }  # fmt: skip

    @route("POST", "/create-secret")
    def create(self, request: Request) -> t.Any:
        self.items[request.body["name"]] = [request.body["value"]]
        return {"name": request.body["name"]}

    @route("POST", "/update-secret-val")
    def update(self, request: Request) -> t.Any:
        self._item(request.body["name"]).append(request.body["value"])
        return {"name": request.body["name"]}
