# SPDX-License-Identifier: GPL-3.0-or-later
"""Stores on the controller itself: environment, files, Ansible Vault files and literals."""

from __future__ import annotations

import contextlib
import datetime
import os
import stat
import typing as t
from pathlib import Path

from ansible.errors import AnsibleError
from ansible_collections.unified.deploy.plugins.module_utils._change.files import Wanted, replace

from ..errors import ForbiddenError, NotFoundError, UnsupportedError
from ..reference import Reference
from .base import Description, Document, SecretStore


class Env(SecretStore):
    """Environment variables of the controller: ``env://NAME``."""

    type = "env"
    capabilities = frozenset({"describe", "list"})

    def read(self, reference: Reference) -> str:
        try:
            return os.environ[reference.path]
        except KeyError:
            raise NotFoundError(
                "this environment variable is not set", where=str(reference), fix="Export it before the run"
            ) from None

    def describe(self, reference: Reference) -> Description:
        self.read(reference)
        return Description(reference.path)

    def list(self, prefix: str = "") -> list[str]:
        return sorted(name for name in os.environ if name.startswith(prefix))


class Literal(SecretStore):
    """The path itself: ``literal://text``. For tests, and for values that are no secret."""

    type = "literal"
    any_path = True

    def read(self, reference: Reference) -> str:
        return reference.path


class File(SecretStore):
    """Files: ``file:///path`` or, below the declared ``base``, ``file://path``. One final newline is not part of the secret."""

    type = "file"
    any_path = True
    spec = {"base": {"type": "path"}, "allow_readable_by_others": {"type": "bool", "default": False}}
    capabilities = frozenset({"describe", "list", "put"})

    def __init__(self, name: str, options: t.Mapping[str, t.Any], vault: t.Any = None) -> None:
        super().__init__(name, options, vault)
        self.base = Path(options["base"]).expanduser() if options.get("base") else None
        self.lenient = bool(options.get("allow_readable_by_others"))

    def read(self, reference: Reference) -> Document:
        path = self.path(reference)
        try:
            # A FIFO would keep everybody waiting for its other side.
            with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as handle:
                mode = os.fstat(handle.fileno()).st_mode
                if not stat.S_ISREG(mode):
                    raise UnsupportedError("is no regular file", where=str(reference))
                if mode & 0o077 and not self.lenient:
                    fix = f"Run 'chmod 600 {path}', or declare the store with allow_readable_by_others: true"
                    raise ForbiddenError(
                        f"others may read this file (mode {stat.S_IMODE(mode):04o})", where=str(reference), fix=fix
                    )
                return text_or_bytes(self.opened(handle.read(), reference))
        except (FileNotFoundError, NotADirectoryError):
            raise NotFoundError(f"there is no file {path}", where=str(reference)) from None
        except IsADirectoryError:
            raise UnsupportedError("is a directory", where=str(reference)) from None
        except PermissionError:
            raise ForbiddenError(f"{path} may not be read by this user", where=str(reference)) from None

    def describe(self, reference: Reference) -> Description:
        self.read(reference)
        changed = datetime.datetime.fromtimestamp(self.path(reference).stat().st_mtime, datetime.timezone.utc)
        return Description(reference.path, created=changed.isoformat(timespec="seconds"))

    def list(self, prefix: str = "") -> list[str]:
        if self.base is None:
            raise UnsupportedError(f"store '{self.name}' has no 'base' to list", fix="Declare one")
        paths = (path.relative_to(self.base) for path in self.base.rglob("*") if path.is_file())
        return sorted(str(path) for path in paths if str(path).startswith(prefix))

    def put(self, reference: Reference, document: str | t.Mapping[str, t.Any]) -> bool:
        if not isinstance(document, str):
            raise UnsupportedError("a file holds a text, not fields", where=str(reference))
        path = self.path(reference)
        with contextlib.suppress(NotFoundError):
            if self.read(reference) == document:
                return False
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace(Wanted(str(path), self.closed(f"{document}\n".encode())))
        self._documents.clear()
        return True

    def path(self, reference: Reference) -> Path:
        path = Path(reference.path)
        if self.base is None:
            if not path.is_absolute():
                raise UnsupportedError("a relative path needs a store with 'base'", where=str(reference))
            return path
        below = (self.base / path).resolve()
        if not below.is_relative_to(self.base.resolve()):
            raise ForbiddenError(f"leads out of {self.base}", where=str(reference))
        return below

    def opened(self, content: bytes, reference: Reference) -> bytes:
        return content

    def closed(self, content: bytes) -> bytes:
        return content


class AnsibleVault(File):
    """Files encrypted by ansible-vault, with the vault secrets of this run: ``ansible_vault://path#field``."""

    type = "ansible_vault"
    spec = {"base": {"type": "path"}}

    def __init__(self, name: str, options: t.Mapping[str, t.Any], vault: t.Any = None) -> None:
        super().__init__(name, options, vault)
        self.lenient = True  # what lies there is encrypted

    def opened(self, content: bytes, reference: Reference) -> bytes:
        if not content.startswith(b"$ANSIBLE_VAULT;"):
            raise UnsupportedError(
                "is not encrypted with ansible-vault", where=str(reference), fix="Run 'ansible-vault encrypt' on it"
            )
        self._with_secrets(str(reference))
        try:
            return bytes(self.vault.decrypt(content))
        except AnsibleError:
            raise ForbiddenError("no vault secret of this run decrypts it", where=str(reference)) from None

    def closed(self, content: bytes) -> bytes:
        self._with_secrets("")
        return bytes(self.vault.encrypt(content))

    def _with_secrets(self, where: str) -> None:
        if self.vault is None or not self.vault.secrets:
            raise ForbiddenError(
                "no vault secret is loaded", where=where, fix="Give --vault-password-file or --ask-vault-pass"
            )


def text_or_bytes(content: bytes) -> str | bytes:
    try:
        return content.decode().removesuffix("\n")
    except UnicodeDecodeError:
        return content
