# SPDX-License-Identifier: GPL-3.0-or-later
"""Stores on the controller itself: environment, files, Ansible Vault files and literals."""

from __future__ import annotations

import os
import stat
import typing as t
from pathlib import Path

from ansible.errors import AnsibleError

from .errors import ForbiddenError, NotFoundError, UnsupportedError
from .reference import Reference
from .store import SecretStore


class Env(SecretStore):
    """Environment variables of the controller: ``env://NAME``."""

    type = "env"

    def read(self, reference: Reference) -> str:
        try:
            return os.environ[reference.path]
        except KeyError:
            raise NotFoundError(
                "this environment variable is not set", where=str(reference), fix="Export it before the run"
            ) from None


class Literal(SecretStore):
    """The path itself: ``literal://text``. For tests, and for values that are no secret."""

    type = "literal"

    def read(self, reference: Reference) -> str:
        return reference.path


class File(SecretStore):
    """Files: ``file:///path`` or, below the declared ``base``, ``file://path``. One final newline is not part of the secret."""

    type = "file"
    options = frozenset({"base", "allow_readable_by_others"})

    def __init__(self, name: str, **options: t.Any) -> None:
        super().__init__(name, **options)
        self.base = Path(options["base"]).expanduser() if options.get("base") else None
        self.lenient = bool(options.get("allow_readable_by_others"))

    def read(self, reference: Reference) -> str:
        path = self.path(reference)
        try:
            with path.open("rb") as handle:
                mode = os.fstat(handle.fileno()).st_mode
                if not stat.S_ISREG(mode):
                    raise UnsupportedError("is no regular file", where=str(reference))
                if mode & 0o077 and not self.lenient:
                    fix = f"Run 'chmod 600 {path}', or declare the store with allow_readable_by_others: true"
                    raise ForbiddenError(
                        f"others may read this file (mode {stat.S_IMODE(mode):04o})", where=str(reference), fix=fix
                    )
                return self.text(handle.read(), reference)
        except (FileNotFoundError, NotADirectoryError):
            raise NotFoundError(f"there is no file {path}", where=str(reference)) from None
        except PermissionError:
            raise ForbiddenError(f"{path} may not be read by this user", where=str(reference)) from None

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

    def text(self, content: bytes, reference: Reference) -> str:
        try:
            return content.decode().removesuffix("\n")
        except UnicodeDecodeError:
            raise UnsupportedError("is binary, and text was asked for", where=str(reference)) from None


class AnsibleVault(File):
    """Files encrypted by ansible-vault, with the vault secrets of this run: ``ansible_vault://path#field``."""

    type = "ansible_vault"
    options = frozenset({"base"})

    def __init__(self, name: str, vault: t.Any = None, **options: t.Any) -> None:
        super().__init__(name, **options)
        self.lenient = True  # what lies there is encrypted
        self.vault = vault

    def text(self, content: bytes, reference: Reference) -> str:
        if not content.startswith(b"$ANSIBLE_VAULT;"):
            raise UnsupportedError(
                "is not encrypted with ansible-vault", where=str(reference), fix="Run 'ansible-vault encrypt' on it"
            )
        if self.vault is None or not self.vault.secrets:
            raise ForbiddenError(
                "no vault secret is loaded",
                where=str(reference),
                fix="Give --vault-password-file or --ask-vault-pass",
            )
        try:
            decrypted = self.vault.decrypt(content)
        except AnsibleError:
            raise ForbiddenError("no vault secret of this run decrypts it", where=str(reference)) from None
        return super().text(bytes(decrypted), reference)


TYPES: dict[str, type[SecretStore]] = {store.type: store for store in (AnsibleVault, Env, File, Literal)}
