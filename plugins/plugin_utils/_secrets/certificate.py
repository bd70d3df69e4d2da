# SPDX-License-Identifier: GPL-3.0-or-later
"""Host certificates (RFC 5280): whether one is still good, and signing a new one."""

from __future__ import annotations

import datetime
import ipaddress
import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._certificate import ends, named, public

MISSING = ""
try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.x509.oid import ExtendedKeyUsageOID
except ImportError as exc:
    MISSING = f"the Python package 'cryptography' is missing on the controller ({exc}). Install it"


class Names(t.NamedTuple):
    common_name: str
    alt_names: tuple[str, ...] = ()
    ip_sans: tuple[str, ...] = ()

    def general(self) -> list[x509.GeneralName]:
        dns = dict.fromkeys([self.common_name, *self.alt_names])
        addresses = dict.fromkeys(ipaddress.ip_address(address) for address in self.ip_sans)
        return [*(x509.DNSName(name) for name in dns), *(x509.IPAddress(address) for address in addresses)]


def checked(pem: bytes) -> str:
    """The text of a certificate. Raises ValueError where it is none."""
    x509.load_pem_x509_certificate(pem)
    return pem.decode()


def state(certificate: str, public_key: str, issuer: str, names: Names, renew_days: int) -> tuple[str, str]:
    """Why a certificate has to be issued anew, empty where it is good, and when it ends (ISO 8601)."""
    if not certificate:
        return "there is none", ""
    try:
        current = x509.load_pem_x509_certificate(certificate.encode())
        authority = x509.load_pem_x509_certificate(issuer.encode())
    except ValueError:
        return "it cannot be read", ""
    until = ends(current)
    expires = until.isoformat()
    if public(current.public_key()) != public(serialization.load_pem_public_key(public_key.encode())):
        return "the key is another", expires
    try:
        current.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return "the authority is another", expires
    left = until - datetime.datetime.now(datetime.UTC)
    if left < datetime.timedelta(days=renew_days):
        return "it has ended" if left < datetime.timedelta() else f"it ends in {left.days} days", expires
    try:
        has = set(current.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        has = set()
    asked = set(names.general())
    return named((str(name.value) for name in asked - has), (str(name.value) for name in has - asked)), expires


def sign(issuer: str, key: str, public_key: str, names: Names, days: int, renew_days: int) -> tuple[str, str]:
    """A certificate for TLS servers and clients (members of a cluster are both), and when it ends.

    Raises:
        ValueError: the key is none, or not the authority's, or the authority ends too soon.
    """
    authority = x509.load_pem_x509_certificate(issuer.encode())
    try:
        private: t.Any = serialization.load_pem_private_key(key.encode(), None)
    except (ValueError, TypeError):
        raise ValueError("is no private key in PEM without a passphrase") from None
    if public(private.public_key()) != public(authority.public_key()):
        raise ValueError("is not the key of ca_certificate")
    now = datetime.datetime.now(datetime.UTC)
    end = min(now + datetime.timedelta(days=days), ends(authority))
    if end - now < datetime.timedelta(days=renew_days):
        raise ValueError(f"its authority ends on {ends(authority):%Y-%m-%d}. Make a new one")
    subject: t.Any = serialization.load_pem_public_key(public_key.encode())
    usage = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names.common_name)]))
        .issuer_name(authority.subject)
        .public_key(subject)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName(names.general()), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usage), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(t.cast("t.Any", authority.public_key())), critical=False
        )
        .sign(private, hashes.SHA384())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), end.isoformat(timespec="seconds")
