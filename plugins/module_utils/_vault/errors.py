# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong with a Vault server."""

from __future__ import annotations

import typing as t


class VaultError(Exception):
    """A request failed; the message names path and cure, and nothing that was sent.

    Attributes:
        kind: missing, forbidden, unauthorized, sealed, unreachable, slow, invalid or failed.
        body: what the server answered, for callers that read more than the message; never to be shown.
    """

    def __init__(
        self, what: str, *, kind: str = "failed", fix: str = "", body: t.Mapping[str, t.Any] | None = None
    ) -> None:
        self.what = what
        self.kind = kind
        self.fix = fix
        self.body = body or {}
        super().__init__(f"{what}. {fix}" if fix else what)
