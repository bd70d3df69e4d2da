# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong with a secret; messages name the reference and the cure, never a value."""

from __future__ import annotations

import typing as t

from .._errors import OperatorError


class SecretError(OperatorError):
    """A secret cannot be had; `where` is the reference as written, `what` and `fix` are the parts of the message."""

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        self.what = what
        self.fix = fix
        super().__init__(what, where=where, fix=fix)

    def at(self, where: str) -> t.Self:
        """The same failure of another reference."""
        return type(self)(self.what, where=where, fix=self.fix)


class MalformedReferenceError(SecretError):
    """The text is no reference; the message names the position."""


class UnknownStoreError(SecretError):
    """No store of this name is declared."""


class NotFoundError(SecretError):
    """The store has no such secret, field or version."""


class ForbiddenError(SecretError):
    """The store refuses: credentials are wrong, expired or lack a right."""


class UnavailableError(SecretError):
    """The store cannot be reached, or did not answer in time."""


class BusyError(UnavailableError):
    """The store says that it was asked too often."""


class UnsupportedError(SecretError):
    """The store cannot do what was asked of it."""


class MissingClientError(SecretError):
    """A vendor's client or program is not installed."""


class CyclicStoresError(SecretError):
    """The credentials of a store lead back to the store."""
