"""The certificate authority of the fake Vault: real X.509 and SSH certificates."""

from __future__ import annotations

import datetime
import functools
import ipaddress
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

CA_KEY = ec.generate_private_key(ec.SECP256R1())
SSH_CA_KEY = ed25519.Ed25519PrivateKey.generate()
CA_NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "fake Vault CA")])


def seconds(ttl: str) -> int:
    return int(ttl[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[ttl[-1]] if not str(ttl).isdigit() else int(ttl)


def _sign(name: x509.Name, key: ec.EllipticCurvePrivateKey, ttl: int, names: list[x509.GeneralName]) -> str:
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(CA_NAME)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(seconds=30))
        .not_valid_after(now + datetime.timedelta(seconds=ttl))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(CA_KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode().strip()


def issue(common_name: str, alt_names: str, ip_sans: str, ttl: str) -> tuple[str, str, str, int]:
    key = ec.generate_private_key(ec.SECP256R1())
    hosts = dict.fromkeys([common_name, *(name for name in alt_names.split(",") if name)])
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in hosts]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in ip_sans.split(",") if address]
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    ca = authority()[0]
    return _sign(subject, key, seconds(ttl), names), pem.decode().strip(), ca, int(time.time()) + seconds(ttl)


def sign_ssh(public_key: str, principals: str, ttl: str) -> str:
    builder = (
        serialization.SSHCertificateBuilder()
        .public_key(serialization.load_ssh_public_key(public_key.encode()))  # type: ignore[arg-type]  # any key will do
        .serial(1)
        .type(serialization.SSHCertificateType.USER)
        .key_id(b"fake")
        .valid_principals([name.encode() for name in principals.split(",")])
        .valid_after(int(time.time()) - 30)
        .valid_before(int(time.time()) + seconds(ttl))
    )
    return builder.sign(SSH_CA_KEY).public_bytes().decode()


@functools.cache
def authority() -> tuple[str, int]:
    """The CA's certificate, and its end in seconds since 1970."""
    return _sign(CA_NAME, CA_KEY, 864000, []), int(time.time()) + 864000


def ssh_authority() -> str:
    pair = (serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return SSH_CA_KEY.public_key().public_bytes(*pair).decode() + "\n"
