# SPDX-License-Identifier: GPL-3.0-or-later
"""What a store is. Every store passes tests/unit/test_secret_stores.py."""

from __future__ import annotations

import base64
import dataclasses
import functools
import importlib
import json
import threading
import time
import typing as t

from ansible_collections.unified.deploy.plugins.module_utils import _sops, _yaml12

from ..errors import (
    BusyError,
    ForbiddenError,
    MissingClientError,
    NotFoundError,
    SecretError,
    UnavailableError,
    UnsupportedError,
)
from ..reference import Reference

Document = t.Union[str, bytes, t.Mapping[str, t.Any]]
"""What lies at a path: a text, bytes, or named fields."""

T = t.TypeVar("T")

# A store that cannot be had after SLOW seconds or more is left alone for PATIENCE times as long as it took.
SLOW = 1.0
PATIENCE = 6
# Seconds to wait before a store that was asked too often is asked again.
PAUSES = (0.5, 1, 2)


@dataclasses.dataclass(frozen=True)
class Description:
    """What may be said of a secret without showing it. Times are ISO 8601, empty where the store keeps none."""

    path: str
    version: str = ""
    created: str = ""
    expires: str = ""


@dataclasses.dataclass(frozen=True)
class Health:
    """Who the store takes us for, and until when the declared credentials hold (ISO 8601, empty: without an end, or nobody says)."""

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
    """Which of describe, dynamic, list, put, versions, batch it offers."""
    lasting = False
    """Whether this process lasts as long as the run, so that what ends with the run may be asked for."""

    any_path: t.ClassVar[bool] = False
    """Whether ``.``, ``..`` and empty parts may stand in a path; elsewhere they could lead to another secret."""

    def __init__(self, name: str, options: t.Mapping[str, t.Any], vault: t.Any = None) -> None:
        self.name = name
        self.options = options
        self.vault = vault
        self._documents: dict[Reference, Document | SecretError] = {}
        # One request at a time: clients are not made for several, and what one thread reads the next need not.
        self._lock = threading.RLock()
        self._outage: tuple[float, UnavailableError] | None = None

    def resolve(self, reference: Reference) -> str:
        """The secret's text: the field, or the whole document. What lies at one path is read once.

        Raises:
            NotFoundError, ForbiddenError, UnavailableError, UnsupportedError: as their names say.
        """
        encoding = self._checked(reference)
        key = self.document_key(reference)
        document = self._documents.get(key)
        if document is None or isinstance(document, SecretError):
            with self._lock:
                # Said once: what is missing now may be there when it is asked for again.
                document = self._documents.pop(key, None)
                if document is None:
                    document = self._attempt(lambda: self.read(key), str(reference))
                if isinstance(document, SecretError):
                    raise document.at(str(reference))
                self._documents[key] = document
        return text_of(document, reference, encoding)

    def prefetch(self, references: t.Iterable[Reference]) -> None:
        """Read what lies at many paths, in as few requests as the store allows; failures are kept for resolve()."""
        keys: dict[Reference, None] = {}
        for reference in references:
            try:
                self._checked(reference)
            except SecretError:
                continue
            keys[self.document_key(reference)] = None
        with self._lock:
            missing = [key for key in keys if key not in self._documents]
            if missing:
                self._documents.update(self._read_together(missing))

    def forget(self) -> None:
        """Read anew what is kept in the store; what was made for this run stays."""
        with self._lock:
            self._documents = {key: document for key, document in self._documents.items() if key.engine}

    def close(self) -> None:
        """The run has ended: give back what was made for it."""

    def probe(self, reference: Reference) -> None:
        """Raise what reading would raise, and make nothing that would have to be given back."""
        self.resolve(reference)

    def _read_together(self, keys: list[Reference]) -> dict[Reference, Document | SecretError]:
        """Documents and failures of all keys, where a batch is refused read one by one: many may read what they may not list."""
        try:
            return self._attempt(lambda: self.read_many(keys), "")
        except UnavailableError as exc:
            return dict.fromkeys(keys, exc)
        except SecretError:
            return SecretStore.read_many(self, keys)

    def _attempt(self, ask: t.Callable[[], T], where: str) -> T:
        """Ask the store, unless it kept us waiting in vain a short while ago.

        Raises:
            SecretError: whatever is wrong; a client's own mistakes too, as their messages may hold anything.
        """
        started = time.monotonic()
        if self._outage and started < self._outage[0]:
            left = self._outage[0] - started
            raise UnavailableError(
                f"{self._outage[1].what}; it is asked again in {left:.0f} s", where=where, fix=self._outage[1].fix
            )
        try:
            return patiently(ask)
        except SecretError as exc:
            took = time.monotonic() - started
            if isinstance(exc, UnavailableError) and took >= SLOW:
                self._outage = (time.monotonic() + PATIENCE * took, exc)
            if not where or exc.where == where:
                raise
            # What fails on the way, a login for one, knows nothing of the reference.
            raise type(exc)(": ".join(filter(None, (exc.where, exc.what))), where=where, fix=exc.fix) from None
        except Exception as exc:
            raise UnavailableError(f"store '{self.name}' failed with {type(exc).__name__}", where=where) from None

    def _checked(self, reference: Reference) -> str:
        if reference.engine:
            self.require("dynamic", str(reference))
        unknown = sorted(set(reference.options) - self.reference_options - {"encoding"})
        if unknown and not reference.engine:
            raise UnsupportedError(f"stores of type {self.type} know no option '{unknown[0]}'", where=str(reference))
        parts = reference.path.removeprefix("/").split("/")
        if not self.any_path and {".", "..", ""} & set(parts):
            raise UnsupportedError(
                f"stores of type {self.type} have no '.', '..' or empty parts in a path",
                where=str(reference), fix="Write the secret's path as the store shows it",
            )  # fmt: skip
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
        documents: dict[Reference, Document | SecretError] = {}
        for reference in references:
            try:
                documents[reference] = self._attempt(functools.partial(self.read, reference), str(reference))
            except SecretError as exc:
                documents[reference] = exc
        return documents

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

    def require(self, capability: str, where: str) -> None:
        """Raises UnsupportedError where stores of this type cannot do it."""
        if capability not in self.capabilities:
            raise self._cannot(capability, where)

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
        if status == 429:
            return BusyError(f"{store} was asked too often (HTTP 429)", where=where, fix="Try again later")
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


def patiently(ask: t.Callable[[], T]) -> T:
    """Ask again, after a pause, a store that was asked too often."""
    for pause in PAUSES:
        try:
            return ask()
        except BusyError:
            time.sleep(pause)
    return ask()


def encoded(document: str | t.Mapping[str, t.Any]) -> str:
    """The text that a store without fields keeps."""
    return document if isinstance(document, str) else json.dumps(dict(document))


def same(stored: Document, document: str | t.Mapping[str, t.Any]) -> bool:
    """Whether what the store has is this document already, however a mapping may be written."""
    if isinstance(document, str) or not isinstance(stored, str):
        return stored == document
    try:
        return _sops.same(_yaml12.load(stored), document)
    except _yaml12.MalformedYamlError:
        return False


def text_of(document: Document, reference: Reference, encoding: str = "") -> str:
    """The text of a document, or of its field where the reference names one."""
    value = field_of(document, reference) if reference.field else document
    content = (
        value if isinstance(value, bytes) else (value if isinstance(value, str) else json.dumps(dict(value))).encode()
    )
    if encoding:
        return base64.b64encode(content).decode()
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise UnsupportedError(
            "is binary, and text was asked for", where=str(reference), fix="Add ?encoding=base64"
        ) from None


def field_of(document: Document, reference: Reference) -> str | bytes:
    """A field of a mapping, or of a JSON or YAML text; dots lead deeper, numbers into lists.

    Of YAML a number or a date is taken as it is written there: ``0017`` and ``1.10`` are not 15 and 1.1.
    """
    value: t.Any = document
    if isinstance(document, (str, bytes)):
        try:
            value = json.loads(document)
        except ValueError:
            return _field_of_yaml(document, reference)
    value = _walk(value, reference, lambda place: place)
    if isinstance(value, (str, bytes)):
        return value
    # Numbers as Python writes them, true, false, null and structures as JSON does.
    return json.dumps(value) if isinstance(value, (bool, dict, list)) or value is None else str(value)


def _field_of_yaml(document: str | bytes, reference: Reference) -> str | bytes:
    try:
        root = _yaml12.compose(document if isinstance(document, str) else document.decode())
    except (_yaml12.MalformedYamlError, UnicodeDecodeError):
        # The parser's message quotes the text.
        raise UnsupportedError("has no fields: it is neither JSON nor YAML", where=str(reference)) from None

    def opened(node: t.Any) -> t.Any:
        if isinstance(node.value, list) and node.id == "mapping":
            return {key.value: value for key, value in node.value}
        return node.value

    node = _walk(root, reference, opened) if root is not None else None
    if node is None:
        raise NotFoundError("is empty", where=str(reference))
    if node.id == "scalar" and node.tag.rpartition(":")[2] in ("str", "int", "float", "timestamp"):
        return str(node.value)
    try:
        return json.dumps(_yaml12.construct(node), default=str)
    except _yaml12.MalformedYamlError as exc:
        raise UnsupportedError(f"cannot be read: {exc}", where=str(reference)) from None


def _walk(root: t.Any, reference: Reference, opened: t.Callable[[t.Any], t.Any]) -> t.Any:
    """The place that the field leads to; OPENED gives the mapping or list of a place."""
    inside = opened(root)
    if isinstance(inside, t.Mapping) and reference.field in inside:
        return inside[reference.field]
    place = root
    for part in reference.field.split("."):
        inside = opened(place)
        if isinstance(inside, list) and part.isdigit() and int(part) < len(inside):
            place = inside[int(part)]
        elif isinstance(inside, t.Mapping) and part in inside:
            place = inside[part]
        else:
            # The fields that there are stay unsaid: a text that merely looks like YAML would show itself.
            raise NotFoundError(f"no field '{part}'", where=str(reference))
    return place
