# SPDX-License-Identifier: GPL-3.0-or-later
"""The standard Unix password manager (https://www.passwordstore.org): ``pass://path#field``.

By its convention the first line is the password (field ``password``) and the others are ``name: value``.
"""

from __future__ import annotations

import datetime
import os
import typing as t
from pathlib import Path

from ..errors import ForbiddenError, NotFoundError, UnavailableError, UnsupportedError
from ..reference import Reference
from .base import Description, SecretStore
from .program import find, run


class PasswordStore(SecretStore):
    type = "pass"
    spec = {
        "directory": {"type": "path"},
        "gnupg_home": {"type": "path"},
        "timeout": {"type": "float", "default": 30},
    }
    capabilities = frozenset({"describe", "list", "put"})

    @property
    def directory(self) -> Path:
        chosen = self.options.get("directory") or os.environ.get("PASSWORD_STORE_DIR")
        return Path(chosen or "~/.password-store").expanduser()

    def read(self, reference: Reference) -> str:
        self._file(reference)
        code, out, err = self._pass(["show", "--", reference.path])
        if code == 0:
            return out.decode().removesuffix("\n")
        if b"No secret key" in err or b"decryption failed" in err:
            raise ForbiddenError(
                "no GnuPG key here decrypts it", where=str(reference), fix="Set the store's gnupg_home"
            )
        raise UnavailableError(f"'pass show' ended with {code}", where=str(reference), fix="Run it by hand to see why")

    def resolve(self, reference: Reference) -> str:
        text = super().resolve(self.document_key(reference))
        if not reference.field or text.lstrip().startswith(("{", "---")):
            return super().resolve(reference)
        first, _mark, rest = text.partition("\n")
        if reference.field == "password":
            return first
        for line in rest.splitlines():
            name, colon, value = line.partition(":")
            if colon and name.strip() == reference.field:
                return value.strip()
        raise NotFoundError(f"no field '{reference.field}'", where=str(reference))

    def describe(self, reference: Reference) -> Description:
        changed = datetime.datetime.fromtimestamp(self._file(reference).stat().st_mtime, datetime.timezone.utc)
        return Description(reference.path, created=changed.isoformat(timespec="seconds"))

    def list(self, prefix: str = "") -> list[str]:
        names = (str(path.relative_to(self.directory))[: -len(".gpg")] for path in self.directory.rglob("*.gpg"))
        return sorted(name for name in names if name.startswith(prefix))

    def put(self, reference: Reference, document: str | t.Mapping[str, t.Any]) -> bool:
        if not isinstance(document, str):
            raise UnsupportedError("an entry is a text, not fields", where=str(reference))
        if reference.path in self.list(reference.path) and self.read(reference) == document:
            return False
        argv = ["insert", "--multiline", "--force", "--", reference.path]
        code, _out, _err = self._pass(argv, f"{document}\n".encode())
        if code:
            raise UnavailableError(f"'pass insert' ended with {code}", where=str(reference), fix="Run it by hand")
        self._documents.clear()
        return True

    def check(self) -> t.Any:
        find("pass", self.name, "the package 'pass'")
        if not (self.directory / ".gpg-id").is_file():
            raise UnavailableError(f"{self.directory} is no password store", fix="Run 'pass init', or set 'directory'")
        return super().check()

    def _file(self, reference: Reference) -> Path:
        path = self.directory / f"{reference.path}.gpg"
        if not path.resolve().is_relative_to(self.directory.resolve()):
            raise ForbiddenError(f"leads out of {self.directory}", where=str(reference))
        if not path.is_file():
            raise NotFoundError("there is no such entry", where=str(reference))
        return path

    def _pass(self, arguments: t.Sequence[str], stdin: bytes = b"") -> tuple[int, bytes, bytes]:
        env = {**os.environ, "PASSWORD_STORE_DIR": str(self.directory), "LC_ALL": "C"}
        if self.options.get("gnupg_home"):
            env["GNUPGHOME"] = self.options["gnupg_home"]
        program = find("pass", self.name, "the package 'pass'")
        return run([program, *arguments], store=self.name, timeout=self.options["timeout"], stdin=stdin, env=env)
