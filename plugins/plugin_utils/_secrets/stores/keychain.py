# SPDX-License-Identifier: GPL-3.0-or-later
"""The operating system's keychain by the package keyring: ``keyring://service/user``."""

from __future__ import annotations

import typing as t

from ..errors import NotFoundError, UnavailableError, UnsupportedError
from ..reference import Reference
from .base import Description, Health, SecretStore, encoded
from .program import within


class Keyring(SecretStore):
    type = "keyring"
    any_path = True
    spec = {"timeout": {"type": "float", "default": 30}}
    capabilities = frozenset({"describe", "put"})

    def read(self, reference: Reference) -> str:
        value = self._call(lambda keyring: keyring.get_password(*self._names(reference)), str(reference))
        if value is None:
            raise NotFoundError("the keychain has no such entry", where=str(reference))
        return str(value)

    def describe(self, reference: Reference) -> Description:
        self.read(reference)
        return Description(reference.path)

    def put(self, reference: Reference, document: str | t.Mapping[str, t.Any]) -> bool:
        text = encoded(document)
        if self._call(lambda keyring: keyring.get_password(*self._names(reference)), str(reference)) == text:
            return False
        self._call(lambda keyring: keyring.set_password(*self._names(reference), text), str(reference))
        self._documents.clear()
        return True

    def check(self) -> Health:
        backend = self._call(lambda keyring: keyring.get_keyring(), "")
        if backend.priority <= 0:
            raise UnavailableError(
                f"store '{self.name}': there is no keychain", fix="Start the desktop's secret service"
            )
        self._call(lambda keyring: keyring.get_password("unified.deploy", "check"), "")
        return Health(str(backend.name))

    @staticmethod
    def _names(reference: Reference) -> tuple[str, str]:
        service, slash, user = reference.path.rpartition("/")
        if not slash:
            raise UnsupportedError("names no user", where=str(reference), fix="Write keyring://<service>/<user>")
        return service, user

    def _call(self, ask: t.Callable[[t.Any], t.Any], where: str) -> t.Any:
        keyring = self.client("keyring", "keyring")
        errors = self.client("keyring.errors", "keyring")
        try:
            return within(self.options["timeout"], lambda: ask(keyring))
        except TimeoutError:
            raise self.unreachable(where, self.options["timeout"]) from None
        except errors.KeyringError as exc:
            kind = type(exc).__name__
            raise UnavailableError(
                f"the keychain refuses ({kind})", where=where, fix="Is it there, and unlocked?"
            ) from None
