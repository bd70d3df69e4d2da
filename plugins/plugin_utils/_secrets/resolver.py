# SPDX-License-Identifier: GPL-3.0-or-later
"""References to values: declared stores, each secret read once, all failures reported together."""

from __future__ import annotations

import difflib
import importlib
import re
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
    found = getattr(importlib.import_module(f"{__package__}.stores.{module}"), name)
    return t.cast("type[SecretStore]", found)


class Resolver:
    """Stores by name, and what was read of them.

    Args:
        declared: ``secret_stores``: name to ``type`` and options. A type's own name is declared without being named.
        vault: Ansible's vault library of this run, for stores of type ansible_vault.
    """

    def __init__(self, declared: t.Mapping[str, t.Mapping[str, t.Any]] | None = None, vault: t.Any = None) -> None:
        self.declared = {**{name: {"type": name} for name in TYPES}, **(declared or {})}
        self.vault = vault
        self.stores: dict[str, SecretStore] = {}
        self._opening: list[str] = []

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
            if name in self._opening:
                circle = " -> ".join([*self._opening[self._opening.index(name) :], name])
                raise CyclicStoresError(
                    f"the credentials of store '{name}' come from itself: {circle}",
                    fix="Give one of these stores its credentials from env, file or ansible_vault",
                )
            self._opening.append(name)
            try:
                self.stores[name] = self._open(name)
            finally:
                self._opening.pop()
        return self.stores[name]

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
        opened = store_class(kind)
        unknown = sorted(set(options) - set(opened.spec))
        if unknown:
            known = ", ".join(sorted(opened.spec)) or "none"
            raise UnsupportedError(
                f"secret_stores.{name}: type {kind} has no option '{unknown[0]}'", fix=f"Options are {known}"
            )
        for key, option in opened.spec.items():
            if option.get("no_log") and isinstance(options.get(key), str):
                options[key] = self._credential(options[key], f"secret_stores.{name}.{key}")
        checked = ArgumentSpecValidator(opened.spec).validate(options)
        if checked.error_messages:
            # Ansible's messages may quote a wrong value; of the options only those without no_log are quoted here.
            secret = any(option.get("no_log") for option in opened.spec.values())
            said = "; ".join(checked.error_messages)
            values = [str(value) for key, value in options.items() if secret and opened.spec[key].get("no_log")]
            for value in values:
                said = said.replace(value, "***")
            raise UnsupportedError(f"secret_stores.{name}: {said}")
        return opened(name, checked.validated_parameters, self.vault)

    def _credential(self, text: str, where: str) -> str:
        """A credential's value: read from another store where it is written as a reference."""
        if not re.match(r"[a-z][a-z0-9_]*://", text):
            return text
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
