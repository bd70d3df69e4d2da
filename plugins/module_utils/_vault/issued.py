# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a certificate is still the wanted one, by the package cryptography."""

from __future__ import annotations

import datetime
import time
import typing as t

from .client import VaultError

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
except ImportError:
    x509 = None  # type: ignore[assignment]


def _needed() -> None:
    if x509 is None:
        raise VaultError(
            "the Python package 'cryptography' is missing on this host",
            fix="Install python3-cryptography, or run this on the controller",
        )


def certificate_state(certificate: str, key: str, names: t.Collection[str], renew_before: int) -> tuple[str, str]:
    """Why the certificate has to be issued anew, empty where it is good, and when it ends."""
    _needed()
    if not certificate or not key:
        return "there is none", ""
    try:
        found = x509.load_pem_x509_certificate(certificate.encode())
        private = serialization.load_pem_private_key(key.encode(), None)
    except ValueError:
        return "it cannot be read", ""
    ends = _utc(found)
    expires = ends.isoformat()
    if _public(found.public_key()) != _public(private.public_key()):
        return "the key is another", expires
    left = (ends - datetime.datetime.now(datetime.timezone.utc)).total_seconds()
    if left < renew_before:
        return "it has ended" if left < 0 else f"it ends in {int(left // 3600)} h", expires
    try:
        extension = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        has = {str(name.value) for name in extension}
    except x509.ExtensionNotFound:
        has = set()
    missing, more = sorted(set(names) - has), sorted(has - set(names))
    if missing or more:
        return "its names are others: " + ", ".join(
            [*(f"+{name}" for name in missing), *(f"-{name}" for name in more)]
        ), expires
    return "", expires


def _utc(certificate: t.Any) -> datetime.datetime:
    if hasattr(certificate, "not_valid_after_utc"):
        return t.cast("datetime.datetime", certificate.not_valid_after_utc)
    # cryptography before 42 has times without a zone.
    return t.cast("datetime.datetime", certificate.not_valid_after.replace(tzinfo=datetime.timezone.utc))


def _public(key: t.Any) -> bytes:
    return t.cast(
        "bytes", key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def ssh_certificate_state(certificate: str, public: str, principals: t.Collection[str], renew_before: int) -> str:
    """Why the key has to be signed anew, empty where the certificate is good."""
    _needed()
    if not certificate:
        return "there is none"
    try:
        found: t.Any = serialization.load_ssh_public_identity(certificate.encode())
        key: t.Any = serialization.load_ssh_public_key(public.encode())
        has = {name.decode() for name in found.valid_principals}
    except (ValueError, AttributeError):
        return "it cannot be read"
    if _public(found.public_key()) != _public(key):
        return "the key is another"
    left = found.valid_before - time.time()
    if left < renew_before:
        return "it has ended" if left < 0 else f"it ends in {int(left // 60)} min"
    if has != set(principals):
        return "its principals are others"
    return ""
