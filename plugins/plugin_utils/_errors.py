# SPDX-License-Identifier: GPL-3.0-or-later
"""The root of every exception that an operator reads."""

from __future__ import annotations


class OperatorError(Exception):
    """Something the operator must mend; the message says what, where and how.

    Attributes:
        where: ``file:line``, a host or a reference to a secret; empty when none is at fault.
    """

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        self.where = where
        message = f"{where}: {what}" if where else what
        super().__init__(shown(f"{message}. {fix}" if fix else message))


def shown(text: str) -> str:
    """TEXT with what a terminal would obey, or show in another order, as escapes. Line breaks stay."""
    return "".join(
        character if character.isprintable() or character == "\n" else repr(character)[1:-1] for character in text
    )


class ComplianceError(OperatorError):
    """Auditing or hardening cannot go on."""


class CatalogueError(ComplianceError):
    """A rule, benchmark or overlay file is wrong."""


class SelectionError(ComplianceError):
    """The operator asked for something that the catalogue does not have, or that contradicts itself."""


class EvidenceError(ComplianceError):
    """Evidence cannot be judged: another schema version, truncated, or from an unsupported system."""
