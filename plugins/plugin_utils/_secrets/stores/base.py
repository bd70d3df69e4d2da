# SPDX-License-Identifier: GPL-3.0-or-later
"""What a store is. Every store passes tests/unit/test_secret_stores.py."""

from __future__ import annotations

import base64
import dataclasses
import importlib
import json
import typing as t

import yaml

from ..errors import ForbiddenError, MissingClientError, NotFoundError, SecretError, UnavailableError, UnsupportedError
from ..reference import Reference

Document = t.Union[str, bytes, t.Mapping[str, t.Any]]
"""What lies at a path: a text, bytes, or named fields."""


@dataclasses.dataclass(frozen=True)
class Description:
    """What may be said of a secret without showing it. Times are ISO 8601, empty where the store keeps none."""

    path: str
    version: str = ""
    created: str = ""
    expires: str = ""


@dataclasses.dataclass(frozen=True)
class Health:
    """Who the store takes us for, and until when (ISO 8601, empty: without an end, or the store does not say)."""

    identity: str
    expires: str = ""


class SecretStore:
    """One place that keeps secrets. An adapter implements `read`, and what it names in `capabilities`.

    Args:
        name: what references call it.
        options: its declaration in ``secret_stores``, without ``type``, checked against `spec`.
        vault: Ansible's vault library of this run.
    """

    type: t.ClassVar[str]
    spec: t.ClassVar[dict[str, dict[str, t.Any]]] = {}
    """Options of a declaration, as an Ansible argument spec. Those with ``no_log`` may be references to other stores."""
    reference_options: t.ClassVar[frozenset[str]] = frozenset()
    """Options that a reference may have, besides ``encoding``."""
    capabilities: t.ClassVar[frozenset[str]] = frozenset()
    """Which of describe, list, put, versions, batch it offers."""

    def __init__(self, name: str, options: t.Mapping[str, t.Any], vault: t.Any = None) -> None:
        self.name = name
        self.options = options
        self.vault = vault
        self._documents: dict[Reference, Document | SecretError] = {}

    def resolve(self, reference: Reference) -> str:
        """The secret's text: the field, or the whole document. What lies at one path is read once.

        Raises:
            NotFoundError, ForbiddenError, UnavailableError, UnsupportedError: as their names say.
        """
        encoding = self._checked(reference)
        key = self.document_key(reference)
        if key not in self._documents:
            self._documents[key] = self.read(key)
        found = self._documents[key]
        if isinstance(found, SecretError):
            # Said once: what is missing now may be there when it is asked for again.
            del self._documents[key]
            raise found
        return text_of(found, reference, encoding)

    def prefetch(self, references: t.Iterable[Reference]) -> None:
        """Read what lies at many paths, in as few requests as the store allows; failures are kept for resolve()."""
        keys = []
        for reference in references:
            try:
                self._checked(reference)
            except SecretError:
                continue
            keys.append(self.document_key(reference))
        wanted = [key for key in dict.fromkeys(keys) if key not in self._documents]
        if wanted:
            self._documents.update(self.read_many(wanted))

    def _checked(self, reference: Reference) -> str:
        unknown = sorted(set(reference.options) - self.reference_options - {"encoding"})
        if unknown:
            raise UnsupportedError(f"stores of type {self.type} know no option '{unknown[0]}'", where=str(reference))
        encoding = reference.options.get("encoding", "")
        if encoding not in ("", "base64"):
            raise UnsupportedError("no such encoding", where=str(reference), fix="Write encoding=base64, or nothing")
        return encoding

    def document_key(self, reference: Reference) -> Reference:
        """The reference without what is done here after reading: field and encoding."""
        options = {name: value for name, value in reference.options.items() if name != "encoding"}
        return dataclasses.replace(reference, field="", options=options)

    def read(self, reference: Reference) -> Document:
        """What lies at the reference's path; its field has been taken off."""
        raise NotImplementedError

    def read_many(self, references: t.Sequence[Reference]) -> dict[Reference, Document | SecretError]:
        found: dict[Reference, Document | SecretError] = {}
        for reference in references:
            try:
                found[reference] = self.read(reference)
            except SecretError as exc:
                found[reference] = exc
        return found

    def describe(self, reference: Reference) -> Description:
        raise self._cannot("describe", str(reference))

    def list(self, prefix: str = "") -> list[str]:
        """Paths of secrets, sorted, as references write them; only those that begin with PREFIX."""
        raise self._cannot("list", prefix)

    def put(self, reference: Reference, document: str | t.Mapping[str, t.Any]) -> bool:
        """Make the secret be this document; False where it already was. Fields that are not named go."""
        raise self._cannot("put", str(reference))

    def holds(self, reference: Reference, document: str | t.Mapping[str, t.Any]) -> bool:
        """Whether the store has this document there now, whatever was read before."""
        try:
            return same(self.read(self.document_key(reference)), document)
        except NotFoundError:
            return False

    def versions(self, reference: Reference) -> t.Sequence[Description]:
        """Newest first."""
        raise self._cannot("versions", str(reference))

    def check(self) -> Health:
        """Reach the store and have it say who we are.

        Raises:
            ForbiddenError, UnavailableError: credentials or connection are no good.
        """
        return Health("this user")

    def _cannot(self, what: str, where: str) -> UnsupportedError:
        can = ", ".join(sorted(self.capabilities)) or "only read"
        return UnsupportedError(f"stores of type {self.type} cannot {what}", where=where, fix=f"They can {can}")

    def client(self, module: str, package: str) -> t.Any:
        """A vendor's client, imported when it is first used."""
        try:
            return importlib.import_module(module)
        except ImportError:
            raise MissingClientError(
                f"store '{self.name}' of type {self.type} needs the Python package '{package}' on the controller",
                fix=f"Run 'python3 -m pip install {package}' with the Python that runs Ansible",
            ) from None

    def refused(self, status: int, where: str, identity: str = "") -> SecretError:
        """The error for an HTTP status; nothing of the response's body is shown."""
        store = f"store '{self.name}'"
        if status == 404:
            return NotFoundError("there is no such secret or version", where=where)
        if status == 401:
            return ForbiddenError(f"{store} does not accept the credentials", where=where, fix="Have they expired?")
        if status in (400, 403):
            who = f" {identity}" if identity else ""
            return ForbiddenError(
                f"{store} refuses{who} to read this (HTTP {status})", where=where, fix="Give the identity this right"
            )
        return UnavailableError(f"{store} answered with HTTP {status}", where=where, fix="Try again later")

    def unreachable(self, where: str, timeout: float | None = None) -> UnavailableError:
        if timeout is not None:
            return UnavailableError(
                f"store '{self.name}' did not answer within {timeout:g} s",
                where=where,
                fix="Raise the store's 'timeout', or see to the store",
            )
        return UnavailableError(
            f"store '{self.name}' cannot be reached", where=where, fix="Check its address, certificate and the network"
        )


def encoded(document: str | t.Mapping[str, t.Any]) -> str:
    """The text that a store without fields keeps."""
    return document if isinstance(document, str) else json.dumps(dict(document))


def same(found: Document, document: str | t.Mapping[str, t.Any]) -> bool:
    """Whether what was found is this document already, however a mapping may be written."""
    if isinstance(document, str) or not isinstance(found, str):
        return found == document
    try:
        return bool(yaml.safe_load(found) == document)
    except yaml.YAMLError:
        return False


def text_of(found: Document, reference: Reference, encoding: str = "") -> str:
    if reference.field:
        return field_of(found, reference, encoding)
    if isinstance(found, bytes):
        if encoding:
            return base64.b64encode(found).decode()
        try:
            return found.decode()
        except UnicodeDecodeError:
            raise UnsupportedError(
                "is binary, and text was asked for", where=str(reference), fix="Add ?encoding=base64"
            ) from None
    text = found if isinstance(found, str) else json.dumps(dict(found))
    return base64.b64encode(text.encode()).decode() if encoding else text


def field_of(document: Document, reference: Reference, encoding: str = "") -> str:
    """A field of a mapping, or of a JSON or YAML text; dots lead deeper, numbers into lists."""
    value: t.Any = document
    if isinstance(document, (str, bytes)):
        try:
            value = json.loads(document)
        except ValueError:
            try:
                value = yaml.safe_load(document)
            except (yaml.YAMLError, UnicodeDecodeError):
                # The parser's message quotes the text.
                raise UnsupportedError("has no fields: it is neither JSON nor YAML", where=str(reference)) from None
    if isinstance(value, t.Mapping) and reference.field in value:
        value = value[reference.field]
    else:
        for part in reference.field.split("."):
            if isinstance(value, list) and part.isdigit() and int(part) < len(value):
                value = value[int(part)]
            elif isinstance(value, t.Mapping) and part in value:
                value = value[part]
            else:
                # The fields that there are stay unsaid: a text that merely looks like YAML would show itself.
                raise NotFoundError(f"no field '{part}'", where=str(reference))
    if isinstance(value, (dict, list)) or value is None:
        value = json.dumps(value)
    elif isinstance(value, bool):
        value = "true" if value else "false"
    return text_of(value if isinstance(value, (str, bytes)) else str(value), Reference("x", "x"), encoding)
