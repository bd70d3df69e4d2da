# SPDX-License-Identifier: GPL-3.0-or-later
"""References to values: declared stores, each secret read once, all failures reported together."""

from __future__ import annotations

import collections
import difflib
import importlib
import re
import threading
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from .errors import CyclicStoresError, SecretError, UnknownStoreError, UnsupportedError
from .reference import Reference, parse
from .stores.base import SecretStore

TYPES = {
    "akeyless": "akeyless.Akeyless",
    "ansible_vault": "local.AnsibleVault",
    "aws_secretsmanager": "aws.SecretsManager",
    "aws_ssm": "aws.ParameterStore",
    "azure_keyvault": "azure.KeyVault",
    "bitwarden": "bitwarden.SecretsManager",
    "bitwarden_cli": "bitwarden.PasswordManager",
    "doppler": "doppler.Doppler",
    "env": "local.Env",
    "file": "local.File",
    "gcp_secretmanager": "gcp.SecretManager",
    "infisical": "infisical.Infisical",
    "keyring": "keychain.Keyring",
    "literal": "local.Literal",
    "onepassword": "onepassword.Connect",
    "onepassword_cli": "onepassword.Cli",
    "pass": "password_store.PasswordStore",
    "sops": "sops.Sops",
    "vault": "vault.Vault",
}
"""Type to module and class; a module is imported when a store of its type is first used."""


def store_class(kind: str) -> type[SecretStore]:
    module, _mark, name = TYPES[kind].partition(".")
    return t.cast("type[SecretStore]", getattr(importlib.import_module(f"{__package__}.stores.{module}"), name))


# Texts that begin so are addresses, and no references to stores.
ADDRESSES = ("http", "https", "unix")


class Resolver:
    """Stores by name, and what was read of them. Threads may share one: a store that hangs holds up only those who ask it.

    Args:
        declared: ``secret_stores``: name to ``type`` and options. A type's own name is declared without being named.
        vault: Ansible's vault library of this run, for stores of type ansible_vault.
    """

    def __init__(self, declared: t.Mapping[str, t.Mapping[str, t.Any]] | None = None, vault: t.Any = None) -> None:
        self.declared = {**{name: {"type": name} for name in TYPES}, **(declared or {})}
        self.vault = vault
        self.lasting = False
        self.stores: dict[str, SecretStore] = {}
        self._opening: t.DefaultDict[str, threading.RLock] = collections.defaultdict(threading.RLock)
        self._lock = threading.Lock()

    def store(self, name: str, where: str = "") -> SecretStore:
        """The store of this name, opened at first use.

        Raises:
            UnknownStoreError, UnsupportedError, CyclicStoresError: its declaration is wrong.
            SecretError: a credential of it cannot be had.
        """
        if name not in self.stores:
            if name not in self.declared:
                close = difflib.get_close_matches(name, self.declared, 2)
                known = (
                    f"Did you mean {' or '.join(close)}?" if close else f"Known are {', '.join(sorted(self.declared))}"
                )
                raise UnknownStoreError(f"no store '{name}' is declared", where=where, fix=known)
            self._refuse_circles((name,))
            with self._lock:
                lock = self._opening[name]
            with lock:  # credentials lead from store to store, and never back: no two threads wait for each other
                if name not in self.stores:
                    self.stores[name] = self._open(name)
        return self.stores[name]

    def _refuse_circles(self, way: tuple[str, ...]) -> None:
        declaration = self.declared.get(way[-1])
        for value in declaration.values() if isinstance(declaration, t.Mapping) else ():
            source = _store_named_by(value)
            if source in way:
                circle = " -> ".join([*way[way.index(source) :], source])
                raise CyclicStoresError(
                    f"the credentials of store '{source}' come from itself: {circle}",
                    fix="Give one of these stores its credentials from env, file or ansible_vault",
                )
            if source in self.declared:
                self._refuse_circles((*way, source))

    def _open(self, name: str) -> SecretStore:
        declaration = self.declared[name]
        if not isinstance(declaration, t.Mapping):
            raise UnsupportedError(f"secret_stores.{name} is no mapping", fix="Write type and options below it")
        options = {key: value for key, value in declaration.items() if key != "type"}
        kind = declaration.get("type")
        if not kind or kind not in TYPES:
            raise UnsupportedError(
                f"secret_stores.{name}.type is {'missing' if not kind else 'unknown'}",
                fix=f"Types are {', '.join(sorted(TYPES))}",
            )
        if name in TYPES and name != kind:
            raise UnsupportedError(
                f"secret_stores.{name} has the name of another type of store: '{name}://' would mean two things",
                fix="Choose another name",
            )
        store_type = store_class(kind)
        unknown = sorted(set(options) - set(store_type.spec))
        if unknown:
            known = ", ".join(sorted(store_type.spec)) or "none"
            raise UnsupportedError(
                f"secret_stores.{name}: type {kind} has no option '{unknown[0]}'", fix=f"Options are {known}"
            )
        for key, option in store_type.spec.items():
            if option["type"] == "str" and _store_named_by(options.get(key)):
                options[key] = self._credential(options[key], f"secret_stores.{name}.{key}")
        checked = ArgumentSpecValidator(store_type.spec).validate(options)
        if checked.error_messages:
            # Ansible's messages may quote a wrong value; of the options only those without no_log are quoted here.
            message = "; ".join(checked.error_messages)
            for key, value in options.items():
                if store_type.spec[key].get("no_log"):
                    message = message.replace(str(value), "***")
            raise UnsupportedError(f"secret_stores.{name}: {message}")
        store = store_type(name, checked.validated_parameters, self.vault)
        store.lasting = self.lasting
        return store

    def _credential(self, text: str, where: str) -> str:
        """An option's value, read from another store."""
        try:
            return self.resolve(text)
        except CyclicStoresError:
            raise
        except SecretError as exc:
            raise type(exc)(f"cannot be read: {exc}", where=where) from None

    def resolve(self, text: str) -> str:
        """The value of one reference; what lies at its path is read at most once."""
        reference = parse(text)
        return self.store(reference.store, str(reference)).resolve(reference)

    def probe(self, text: str) -> None:
        """Raise what resolving would raise; of an engine nothing is asked that would have to be given back."""
        reference = parse(text)
        self.store(reference.store, str(reference)).probe(reference)

    def forget(self, store: str) -> None:
        """Read anew what lies in this store: something was written there."""
        if store in self.stores:
            self.stores[store].forget()

    def close(self) -> None:
        """The run has ended."""
        for store in list(self.stores.values()):
            store.close()

    def prefetch(self, texts: t.Iterable[str]) -> None:
        """Read many references in as few requests as their stores allow. Failures appear when they are resolved."""
        grouped: dict[str, list[Reference]] = {}
        for text in texts:
            try:
                reference = parse(text)
                self.store(reference.store, text)
            except SecretError:
                continue
            grouped.setdefault(reference.store, []).append(reference)
        for name, references in grouped.items():
            self.stores[name].prefetch(references)

    def check(self, texts: t.Iterable[str]) -> dict[str, SecretError]:
        """Every failure by its reference, so that all can be mended at once."""
        texts = list(texts)
        self.prefetch(texts)
        failures: dict[str, SecretError] = {}
        for text in dict.fromkeys(texts):
            try:
                self.resolve(text)
            except SecretError as exc:
                failures[text] = exc
        return failures


def _store_named_by(value: t.Any) -> str:
    """The store that an option's value leads to, where it is written as a reference."""
    scheme = re.match(r"([a-z][a-z0-9_]*)(?:\+[\w-]+)?://", value) if isinstance(value, str) else None
    return scheme[1] if scheme and scheme[1] not in ADDRESSES else ""
