# SPDX-License-Identifier: GPL-3.0-or-later
"""HashiCorp Vault and OpenBao: ``vault://path#field?version=3`` of KV version 1 and 2, ``vault+db://creds/app#password`` of any engine."""

from __future__ import annotations

import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._vault.client import VaultClient
from ansible_collections.unified.deploy.plugins.module_utils._vault.errors import VaultError
from ansible_collections.unified.deploy.plugins.module_utils._vault.kv import Kv, kv_version
from ansible_collections.unified.deploy.plugins.module_utils._vault.options import OPTIONS
from ansible_collections.unified.deploy.plugins.module_utils._vault.settings import same

from ..errors import ForbiddenError, NotFoundError, SecretError, UnavailableError, UnsupportedError
from ..reference import Reference
from .base import Description, Document, Health, SecretStore
from .credential_end import credential_end
from .leases import Leases

KINDS = {
    "missing": NotFoundError,
    "forbidden": ForbiddenError,
    "unauthorized": ForbiddenError,
    "invalid": UnsupportedError,
}


def _refuse_engine(reference: Reference) -> None:
    if reference.engine:
        raise UnsupportedError("what an engine makes can only be read", where=str(reference))


class Vault(SecretStore):
    type = "vault"
    spec = {
        **OPTIONS,
        "mount": {"type": "str", "default": "secret"},
        "kv_version": {"type": "int", "choices": [1, 2]},
    }
    reference_options = frozenset({"version"})
    capabilities = frozenset({"describe", "dynamic", "list", "put", "versions"})

    def __init__(self, name: str, options: t.Mapping[str, t.Any], vault: t.Any = None) -> None:
        super().__init__(name, options, vault)
        self._connection: VaultClient | None = None
        self._leases: Leases | None = None
        self._kv = options.get("kv_version")

    @property
    def mount(self) -> str:
        return str(self.options["mount"]).strip("/")

    def _client(self) -> VaultClient:
        self._connection = self._connection or VaultClient(self.options)
        return self._connection

    def _ask(self, where: str, ask: t.Callable[[t.Any], t.Any]) -> t.Any:
        try:
            return ask(self._client())
        except VaultError as exc:
            raise self._error(exc, where) from None

    def _error(self, exc: VaultError, where: str) -> SecretError:
        what = f"store '{self.name}': {exc.what}"
        return KINDS.get(exc.kind, UnavailableError)(what, where=where, fix=exc.fix)

    @property
    def kv(self) -> int:
        """The KV version: declared, or asked for once (any token may ask this of a mount that it may use)."""
        return self._version(f"{self.name}://")

    def _version(self, where: str) -> int:
        if self._kv is None:
            self._kv = self._ask(where, lambda client: kv_version(client, self.mount))
        return int(self._kv)

    def _secret(self, reference: Reference, ask: t.Callable[[Kv], t.Any]) -> t.Any:
        _refuse_engine(reference)
        version = self._version(str(reference))
        return self._ask(str(reference), lambda client: ask(Kv(client, self.mount, reference.path, version)))

    def _made(self, reference: Reference) -> Document:
        """What an engine makes for this run."""
        if not self.lasting:
            raise UnsupportedError(
                "what an engine makes ends with the run, and this process does not last as long",
                where=str(reference), fix="Use the lookup in a task, on Linux",
            )  # fmt: skip

        def ask(client: VaultClient) -> t.Mapping[str, t.Any]:
            self._leases = self._leases or Leases(client, self._lock, self._retire)
            return self._leases.read(reference)

        made = self._ask(str(reference), ask)
        if not made:
            raise NotFoundError("the engine answers nothing there", where=str(reference))
        return dict(made)

    def _retire(self, key: Reference) -> None:
        self._documents.pop(key, None)

    def close(self) -> None:
        if self._leases:
            self._leases.close()

    def probe(self, reference: Reference) -> None:
        if not reference.engine:
            return super().probe(reference)
        path = f"{reference.engine}/{reference.path}"
        answer = self._ask(str(reference), lambda client: client.write("sys/capabilities-self", paths=[path]))
        has, needed = set(answer.get("data", answer)[path]), "update" if reference.options else "read"
        if not has & {needed, "root"}:
            what = f"store '{self.name}': {path}: needs the capability '{needed}', and this token has: {', '.join(sorted(has))}"
            raise ForbiddenError(what, where=str(reference), fix="Add it to a policy of this token")
        return None

    def read(self, reference: Reference) -> Document:
        if reference.engine:
            return self._made(reference)
        number = reference.options.get("version")
        if number and self._version(str(reference)) == 1:
            raise UnsupportedError("KV version 1 keeps no versions", where=str(reference))
        if number and not number.isdigit():
            raise UnsupportedError("a version is a number", where=str(reference))
        fields = self._secret(reference, lambda secret: secret.fields(int(number or 0)))
        if fields is None:
            raise NotFoundError("there is no such secret or version", where=str(reference))
        return dict(fields)

    def describe(self, reference: Reference) -> Description:
        _refuse_engine(reference)
        if self.kv == 1:
            self.read(reference)
            return Description(reference.path)
        return self.versions(reference)[0]

    def list(self, prefix: str = "") -> list[str]:
        """Every path below the prefix's folder."""
        paths: list[str] = []
        folders = [prefix.rpartition("/")[0]]
        while folders:
            folder = folders.pop()
            for key in self._secret(Reference(self.name, folder), Kv.list):
                path = f"{folder}/{key}".lstrip("/")
                if key.endswith("/"):
                    folders.append(path.rstrip("/"))
                else:
                    paths.append(path)
        return sorted(path for path in paths if path.startswith(prefix))

    def put(self, reference: Reference, document: str | t.Mapping[str, t.Any]) -> bool:
        if isinstance(document, str):
            raise UnsupportedError("Vault keeps fields, not a text", where=str(reference), fix="Give named fields")
        current, version = self._secret(reference, lambda secret: secret.read())
        if current is not None and same(current, dict(document)):
            return False
        self._secret(reference, lambda secret: secret.write(document, version))
        self.forget()
        return True

    def versions(self, reference: Reference) -> t.Sequence[Description]:
        _refuse_engine(reference)
        if self.kv == 1:
            raise UnsupportedError("KV version 1 keeps no versions", where=str(reference))
        metadata = self._secret(reference, lambda secret: secret.metadata())
        if not metadata:
            raise NotFoundError("there is no such secret", where=str(reference))
        numbered = sorted(metadata["versions"].items(), key=lambda item: int(item[0]), reverse=True)
        return [
            Description(reference.path, number, version["created_time"], version.get("deletion_time", ""))
            for number, version in numbered
        ]

    def check(self) -> Health:
        token = self._ask("", lambda client: client.request("GET", "auth/token/lookup-self"))["data"]
        end = self._ask("", lambda client: credential_end(self.options, token, client.write))
        return Health(str(token.get("display_name") or "token"), end)
