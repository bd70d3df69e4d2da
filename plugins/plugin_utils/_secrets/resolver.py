# SPDX-License-Identifier: GPL-3.0-or-later
"""References to values: declared stores, each secret read once, all failures reported together."""

from __future__ import annotations

import difflib
import typing as t

from .errors import SecretError, UnknownStoreError, UnsupportedError
from .local import TYPES, AnsibleVault
from .reference import Reference, parse
from .store import SecretStore

DEFAULTS = {name: {"type": name} for name in TYPES}


class Resolver:
    """Stores by name, and what was read of them.

    Args:
        declared: ``secret_stores``: name to ``type`` and options. A type's own name is declared without being named.
        vault: Ansible's vault library of this run, for stores of type ansible_vault.
    """

    def __init__(self, declared: t.Mapping[str, t.Mapping[str, t.Any]] | None = None, vault: t.Any = None) -> None:
        self.declared = {**DEFAULTS, **(declared or {})}
        self.vault = vault
        self.stores: dict[str, SecretStore] = {}
        self.read: dict[Reference, str] = {}

    def store(self, name: str, reference: str) -> SecretStore:
        if name not in self.stores:
            if name not in self.declared:
                close = difflib.get_close_matches(name, self.declared, 2)
                fix = (
                    f"Did you mean {' or '.join(close)}?"
                    if close
                    else f"Declared are {', '.join(sorted(self.declared))}"
                )
                raise UnknownStoreError(f"no store '{name}' is declared", where=reference, fix=fix)
            options = dict(self.declared[name])
            kind = TYPES.get(options.pop("type", ""))
            if kind is None:
                raise UnsupportedError(f"store '{name}' has no known type", fix=f"Types are {', '.join(sorted(TYPES))}")
            if kind is AnsibleVault:
                options["vault"] = self.vault
            self.stores[name] = kind(name, **options)
        return self.stores[name]

    def resolve(self, text: str) -> str:
        """The value of one reference, read at most once."""
        reference = parse(text)
        if reference not in self.read:
            self.read[reference] = self.store(reference.store, str(reference)).resolve(reference)
        return self.read[reference]

    def check(self, texts: t.Iterable[str]) -> list[SecretError]:
        """Every failure among the references, so that all can be mended at once."""
        failures = []
        for text in texts:
            try:
                self.resolve(text)
            except SecretError as exc:
                failures.append(exc)
        return failures
