# SPDX-License-Identifier: GPL-3.0-or-later
"""Files encrypted by SOPS: ``sops://path#field``. Dotenv and INI files are fields; of others the text is the secret."""

from __future__ import annotations

import concurrent.futures
import datetime
import json
import os
import shutil
import typing as t

from ansible_collections.unified.deploy.plugins.module_utils import _sops
from ansible_collections.unified.deploy.plugins.module_utils._change.files import Wanted, replace
from ansible_collections.unified.deploy.plugins.module_utils._sops import SopsError

from ..errors import ForbiddenError, NotFoundError, SecretError, UnsupportedError
from ..reference import Reference
from .base import Description, Document, same
from .local import File, text_or_bytes
from .program import find, run

KINDS = {"missing": NotFoundError, "no_key": ForbiddenError, "tampered": ForbiddenError}

# Of a file with one of these some values are plain by right.
PARTIAL = (
    "encrypted_comment_regex",
    "encrypted_regex",
    "encrypted_suffix",
    "unencrypted_comment_regex",
    "unencrypted_regex",
)


class Sops(File):
    type = "sops"
    spec = {
        "base": {"type": "path"},
        "age_key": {"type": "str", "no_log": True},
        "age_key_file": {"type": "path"},
        "gnupg_home": {"type": "path"},
        "timeout": {"type": "float", "default": 30},
    }
    capabilities = frozenset({"describe", "list", "put"})

    def read(self, reference: Reference) -> Document:
        path = self.path(reference)
        kind = _sops.format_of(str(path))
        if not path.is_file():
            raise NotFoundError(f"there is no file {path}", where=str(reference))
        try:
            _whole(path.read_bytes(), kind)
            if kind in ("dotenv", "ini"):
                fields: dict[str, t.Any] = json.loads(self._sops().decrypt(str(path), kind, "json"))
                return fields
            return text_or_bytes(self._sops().decrypt(str(path), kind))
        except SopsError as exc:
            raise self._error(exc, reference) from None

    def read_many(self, references: t.Sequence[Reference]) -> dict[Reference, Document | SecretError]:
        """Files together: a sops keeps one core busy."""

        def one(reference: Reference) -> Document | SecretError:
            try:
                return self._attempt(lambda: self.read(reference), str(reference))
            except SecretError as exc:
                return exc

        with concurrent.futures.ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            return dict(zip(references, pool.map(one, references)))

    def decrypted(self, text: str, kind: str, output: str = "") -> str:
        """The plain text of an encrypted one that lies nowhere; its format stays where OUTPUT is empty."""
        reference = Reference(self.name, "text")
        try:
            _whole(text.encode(), kind)
            return self._sops().decrypt_text(text.encode(), kind, output or kind).decode()
        except SopsError as exc:
            raise self._error(exc, reference) from None
        except UnicodeDecodeError:
            raise UnsupportedError("is binary, and text was asked for", where=str(reference)) from None

    def describe(self, reference: Reference) -> Description:
        path = self.path(reference)
        if not path.is_file():
            raise NotFoundError(f"there is no file {path}", where=str(reference))
        try:
            _data, section = _sops.metadata(path.read_bytes(), _sops.format_of(str(path)))
        except SopsError as exc:
            raise self._error(exc, reference) from None
        changed = section.get("lastmodified", "")
        if isinstance(changed, datetime.datetime):
            changed = changed.isoformat()
        return Description(reference.path, created=str(changed))

    def list(self, prefix: str = "") -> list[str]:
        if self.base is None:
            raise UnsupportedError(f"store '{self.name}' has no 'base' to list", fix="Declare one")
        names = []
        for path in self.base.rglob("*"):
            name = str(path.relative_to(self.base))
            if path.is_file() and name.startswith(prefix) and path.name != ".sops.yaml":
                try:
                    _sops.metadata(path.read_bytes(), _sops.format_of(name))
                except SopsError:
                    continue
                names.append(name)
        return sorted(names)

    def put(self, reference: Reference, document: str | t.Mapping[str, t.Any]) -> bool:
        path = self.path(reference)
        kind = _sops.format_of(str(path))
        form = "json" if isinstance(document, t.Mapping) else kind
        content = json.dumps(document).encode() if isinstance(document, t.Mapping) else document.encode()
        try:
            if path.exists() and same(self.read(reference), document):
                return False
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace(Wanted(str(path), self._sops().encrypt(content, str(path.absolute()), form, kind)))
        except SopsError as exc:
            raise self._error(exc, reference) from None
        self._documents.clear()
        return True

    def check(self) -> t.Any:
        health = super().check()
        find("sops", self.name, "sops (https://getsops.io)")
        return health

    def _sops(self) -> _sops.Sops:
        timeout = self.options["timeout"]

        def runner(argv: t.Sequence[str], stdin: bytes, env: t.Mapping[str, str]) -> tuple[int, bytes, bytes]:
            return run(argv, store=self.name, timeout=timeout, stdin=stdin, env=env)

        program = shutil.which("sops") or find("sops", self.name, "sops (https://getsops.io)")
        keys = {name: self.options.get(name) or "" for name in ("age_key", "age_key_file", "gnupg_home")}
        return _sops.Sops(runner, program, **keys)

    def _error(self, exc: SopsError, reference: Reference) -> SecretError:
        return KINDS.get(exc.kind, UnsupportedError)(exc.what, where=str(reference), fix=exc.fix)


def _whole(content: bytes, kind: str) -> None:
    """A file whose encryption was meant to cover everything, but does not, was edited without sops."""
    document, section = _sops.metadata(content, kind)
    if any(section.get(name) for name in PARTIAL):
        return
    suffix = section.get("unencrypted_suffix") or "_unencrypted"
    for name, value in _sops.leaves(document):
        left_out = any(isinstance(part, str) and part.endswith(suffix) for part in name)
        if value in ("", None, {}, []) or _sops.encrypted(value) or left_out:
            continue
        raise SopsError(
            f"is half plain: '{_sops.written(name)}' is not encrypted",
            kind="tampered",
            fix="Edit it with sops only",
        )
