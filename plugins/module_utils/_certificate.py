# SPDX-License-Identifier: GPL-3.0-or-later
"""What certificates are compared by, whatever the version of the package cryptography."""

from __future__ import annotations

import datetime
import typing as t

try:
    from cryptography.hazmat.primitives import serialization
except ImportError:
    serialization = None  # type: ignore[assignment]  # who reads a certificate says that it is missing


def ends(certificate: t.Any) -> datetime.datetime:
    """Until when it is valid, UTC."""
    if hasattr(certificate, "not_valid_after_utc"):
        return t.cast("datetime.datetime", certificate.not_valid_after_utc)
    # cryptography before 42 has times without a zone.
    return t.cast("datetime.datetime", certificate.not_valid_after.replace(tzinfo=datetime.timezone.utc))


def public(key: t.Any) -> bytes:
    """A public key as it stands in certificates (SubjectPublicKeyInfo, DER)."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return t.cast("bytes", key.public_bytes(serialization.Encoding.DER, form))


def named(missing: t.Iterable[str], more: t.Iterable[str]) -> str:
    """Why a certificate with other names is no good, or nothing where there is no difference."""
    rows = [*(f"+{name}" for name in sorted(missing)), *(f"-{name}" for name in sorted(more))]
    return f"its names are others: {', '.join(rows)}" if rows else ""
