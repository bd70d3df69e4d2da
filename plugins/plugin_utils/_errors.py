# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception tree of everything that runs on the controller."""

from __future__ import annotations


class ComplianceError(Exception):
    """Something the operator must mend; the message says what, where and how.

    Attributes:
        where: ``file:line`` or a host name, empty when neither is known.
    """

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        self.where = where
        message = f"{where}: {what}" if where else what
        super().__init__(f"{message}. {fix}" if fix else message)


class CatalogueError(ComplianceError):
    """A rule, benchmark or overlay file is wrong."""


class SelectionError(ComplianceError):
    """The operator asked for something that the catalogue does not have, or that contradicts itself."""


class EvidenceError(ComplianceError):
    """Evidence cannot be judged: another schema version, truncated, or from an unsupported system."""
