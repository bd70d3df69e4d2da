# SPDX-License-Identifier: GPL-3.0-or-later
"""What a store is. Every store passes tests/unit/test_secret_stores.py."""

from __future__ import annotations

import json
import typing as t

import yaml

from .errors import NotFoundError, UnsupportedError
from .reference import Reference


class SecretStore:
    """One place that keeps secrets.

    Args:
        name: what references call it.
        options: its declaration in ``secret_stores``, without ``type``.
    """

    type: t.ClassVar[str]
    options: t.ClassVar[frozenset[str]] = frozenset()
    """Options of a declaration."""
    reference_options: t.ClassVar[frozenset[str]] = frozenset()
    """Options that a reference may have."""

    def __init__(self, name: str, **options: t.Any) -> None:
        unknown = sorted(set(options) - self.options)
        if unknown:
            known = ", ".join(sorted(self.options)) or "none"
            raise UnsupportedError(
                f"store '{name}' of type {self.type} has no option '{unknown[0]}'", fix=f"Known are {known}"
            )
        self.name = name

    def resolve(self, reference: Reference) -> str:
        """The secret's text.

        Raises:
            NotFoundError, ForbiddenError, UnavailableError, UnsupportedError: as their names say.
        """
        unknown = sorted(set(reference.options) - self.reference_options)
        if unknown:
            raise UnsupportedError(f"stores of type {self.type} know no option '{unknown[0]}'", where=str(reference))
        text = self.read(reference)
        return text if not reference.field else field_of(text, reference)

    def read(self, reference: Reference) -> str:
        """The whole text at the reference's path, or of its field where the store itself has fields."""
        raise NotImplementedError


def field_of(text: str, reference: Reference) -> str:
    """A field of a JSON or YAML mapping; dots lead deeper, numbers into lists."""
    try:
        value: t.Any = yaml.safe_load(text)
    except yaml.YAMLError:
        # The parser's message quotes the text.
        raise UnsupportedError("has no fields: it is neither JSON nor YAML", where=str(reference)) from None
    for part in reference.field.split("."):
        if isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        elif isinstance(value, dict) and part in value:
            value = value[part]
        else:
            # The fields that there are stay unsaid: a text that merely looks like YAML would show itself.
            raise NotFoundError(f"no field '{part}'", where=str(reference))
    if isinstance(value, (dict, list)) or value is None:
        return json.dumps(value)
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
