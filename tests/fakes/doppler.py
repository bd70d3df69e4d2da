"""Fake of Doppler's API, after https://docs.doppler.com/reference/secrets-get and its neighbours.

Leaves out: projects and configs other than app/prd, restricted secrets, notes.
"""

from __future__ import annotations

import typing as t

from .server import FakeServer, Refusal, Request, route

TOKEN = "dp.st.prd.fake"


class FakeDoppler(FakeServer):
    def __init__(self) -> None:
        super().__init__()
        self.secrets: dict[str, str] = {}

    def authenticate(self, request: Request) -> None:
        if request.headers.get("Authorization") not in (f"Bearer {TOKEN}", TOKEN):
            raise Refusal(401, {"messages": ["Invalid Auth token"], "success": False})

    def _config(self, place: t.Mapping[str, str]) -> None:
        if (place.get("project"), place.get("config")) != ("app", "prd"):
            raise Refusal(404, {"messages": ["Could not find requested config"], "success": False})

    @route("GET", "/v3/configs/config/secret")
    def get(self, request: Request) -> t.Any:
        self._config(request.query)
        name = request.query["name"]
        if name not in self.secrets:
            raise Refusal(404, {"messages": [f"Could not find requested secret: {name}"], "success": False})
        return {
            "name": name,
            "value": {"raw": self.secrets[name], "computed": self.secrets[name], "note": ""},
            "success": True,
        }

    @route("GET", "/v3/configs/config/secrets/download")
    def download(self, request: Request) -> t.Any:
        self._config(request.query)
        return dict(self.secrets)

    @route("GET", "/v3/configs/config/secrets/names")
    def names(self, request: Request) -> t.Any:
        self._config(request.query)
        return {"names": sorted(self.secrets), "success": True}

    @route("POST", "/v3/configs/config/secrets")
    def update(self, request: Request) -> t.Any:
        self._config(request.body)
        self.secrets.update(request.body["secrets"])
        return {"secrets": {}, "success": True}

    @route("GET", "/v3/me")
    def me(self, request: Request) -> t.Any:
        return {"workplace": {"name": "fake"}, "type": "service_token", "name": "ansible", "slug": "s"}
