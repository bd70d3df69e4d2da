# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a certificate is still the wanted one, by the package cryptography."""

from __future__ import annotations

import datetime
import time
import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._certificate import ends, named, public

from .errors import VaultError

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
        current = x509.load_pem_x509_certificate(certificate.encode())
        private = serialization.load_pem_private_key(key.encode(), None)
    except ValueError:
        return "it cannot be read", ""
    until = ends(current)
    expires = until.isoformat()
    if public(current.public_key()) != public(private.public_key()):
        return "the key is another", expires
    left = (until - datetime.datetime.now(datetime.timezone.utc)).total_seconds()
    if left < renew_before:
        return "it has ended" if left < 0 else f"it ends in {int(left // 3600)} h", expires
    try:
        extension = current.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        has = {str(name.value) for name in extension}
    except x509.ExtensionNotFound:
        has = set()
    return named(set(names) - has, has - set(names)), expires


def ssh_certificate_state(certificate: str, public_key: str, principals: t.Collection[str], renew_before: int) -> str:
    """Why the key has to be signed anew, empty where the certificate is good."""
    _needed()
    if not certificate:
        return "there is none"
    try:
        current: t.Any = serialization.load_ssh_public_identity(certificate.encode())
        key: t.Any = serialization.load_ssh_public_key(public_key.encode())
        has = {name.decode() for name in current.valid_principals}
    except (ValueError, AttributeError):
        return "it cannot be read"
    if public(current.public_key()) != public(key):
        return "the key is another"
    left = current.valid_before - time.time()
    if left < renew_before:
        return "it has ended" if left < 0 else f"it ends in {int(left // 60)} min"
    if has != set(principals):
        return "its principals are others"
    return ""
