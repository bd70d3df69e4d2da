# SPDX-License-Identifier: GPL-3.0-or-later
"""The KV engine (https://openbao.org/api-docs/secret/kv/kv-v2/)."""

from __future__ import annotations

import typing as t

from .client import Answer, VaultClient
from .errors import VaultError


def kv_version(client: VaultClient, mount: str) -> int:
    """The version of a mount; any token that may use it may ask."""
    try:
        answer = client.request("GET", f"sys/internal/ui/mounts/{mount}")
    except VaultError as exc:
        if exc.kind != "forbidden":
            raise
        # That is also how a mount that is not there looks, whatever the token may do.
        raise _no_mount(mount) from None
    return int((answer["data"].get("options") or {}).get("version") or 1)


def _no_mount(mount: str) -> VaultError:
    what = f"there is no mount {mount}, or this token may use nothing of it"
    return VaultError(what, kind="forbidden", fix="Check 'mount', and the token's policies")


class Kv:
    """One secret."""

    def __init__(self, client: VaultClient, mount: str, path: str, version: int | None = None) -> None:
        self.client = client
        self.mount = mount.strip("/")
        self.name = path.strip("/")
        self.path = f"{self.mount}/{self.name}"
        self.version = version or kv_version(client, self.mount)

    def _at(self, part: str) -> str:
        return f"{self.mount}/{part}/{self.name}".rstrip("/") if self.version == 2 else self.path.rstrip("/")

    def fields(self, number: int = 0) -> Answer | None:
        """The fields of a version, by default the newest, in one request."""
        return self.read(number)[0]

    def read(self, number: int | None = None) -> tuple[Answer | None, int]:
        """Fields and version. Fields are None where the newest is deleted: it keeps its number for check-and-set."""
        query = {"version": number} if number else {}
        try:
            answer = self.client.request("GET", self._at("data"), params=query)
        except VaultError as exc:
            if exc.kind != "missing":
                raise
            # A secret may lie there that whoever asks would do without.
            if any("no handler for route" in str(reason) for reason in exc.body.get("errors") or ()):
                raise _no_mount(self.mount) from None
            # The answer for a deleted version says its number, so nobody needs a right on the metadata.
            metadata = (exc.body.get("data") or {}).get("metadata") or {}
            return None, int(metadata.get("version", 0))
        if self.version == 1:
            return answer["data"], 0
        return answer["data"]["data"], int(answer["data"]["metadata"]["version"])

    def write(self, fields: t.Mapping[str, t.Any], version: int) -> int:
        if self.version == 1:
            self.client.request("POST", self._at("data"), json=dict(fields))
            return 0
        answer = self.client.write(self._at("data"), data=dict(fields), options={"cas": version})
        return int(answer["data"]["version"])

    def metadata(self) -> Answer | None:
        answer = self.client.read(self._at("metadata")) if self.version == 2 else None
        return answer["data"] if answer else None

    def write_metadata(self, metadata: t.Mapping[str, t.Any]) -> None:
        self.client.write(self._at("metadata"), **metadata)

    def stored_versions(self) -> dict[int, str]:
        """Every version with its state: present, deleted or destroyed."""
        if self.version == 1:
            return {1: "present"} if self.client.read(self._at("data")) else {}
        metadata = self.metadata() or {"versions": {}}
        return {int(number): _state(version) for number, version in metadata["versions"].items()}

    def change(self, state: str, versions: t.Sequence[int]) -> None:
        verb = {"deleted": "delete", "undeleted": "undelete", "destroyed": "destroy"}[state]
        self.client.write(self._at(verb), versions=list(versions))

    def remove(self) -> None:
        self.client.delete(self._at("metadata"))

    def list(self) -> t.Sequence[str]:
        return self.client.list(self._at("metadata"))


def _state(version: t.Mapping[str, t.Any]) -> str:
    if version.get("destroyed"):
        return "destroyed"
    return "deleted" if version.get("deletion_time") else "present"
