# SPDX-License-Identifier: GPL-3.0-or-later
"""What an OpenPGP key says of itself (RFC 9580): its fingerprint, and until when it may sign.

Only the fingerprint is proof. Signatures are not checked here: apt checks those of the key and of the archive.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
import typing as t

PUBLIC_KEY, SIGNATURE = 6, 2
# Signature types (RFC 9580 5.2.1): certifications of a name, directly of the key, and the key's revocation.
SELF = (0x10, 0x11, 0x12, 0x13, 0x1F)
REVOCATION = 0x20
CREATED, EXPIRES_AFTER, ISSUER, ISSUER_FINGERPRINT = 2, 9, 16, 33


class KeyFileError(ValueError):
    """The file holds no key that can be used; the message says why."""


class Key(t.NamedTuple):
    """A public key.

    Attributes:
        fingerprint: hex digits, upper case.
        expires: seconds since 1970; 0 where it does not.
        packets: the whole key, not armored.
    """

    fingerprint: str
    expires: int
    revoked: bool
    packets: bytes


def key(content: bytes) -> Key:
    """The one key in a file, armored or not.

    Raises:
        KeyFileError: there is none, there are several, or the file is damaged.
    """
    packets = content if content[:1] and content[0] & 0x80 else dearmored(content)
    parsed = list(_packets(packets))
    primary = [body for tag, body in parsed if tag == PUBLIC_KEY]
    if len(primary) != 1:
        raise KeyFileError(f"it holds {len(primary)} keys, and must hold one")
    identity, created = _identity(primary[0])
    latest, expires, revoked = -1, 0, False
    for tag, body in parsed:
        if tag != SIGNATURE or body[:1] not in (b"\4", b"\6"):
            continue
        try:
            kind, fields = _signature(body)
        except IndexError as exc:
            raise KeyFileError("damaged: a signature ends in the middle") from exc
        if not _made_by(identity, fields):
            continue
        revoked = revoked or kind == REVOCATION
        made = _number(fields.get(CREATED, b""))
        if kind in SELF and made >= latest:
            latest, after = made, _number(fields.get(EXPIRES_AFTER, b""))
            expires = created + after if after else 0
    return Key(identity, expires, revoked, packets)


def dearmored(text: bytes) -> bytes:
    """The packets of an ASCII-armored file (RFC 9580 6.2).

    Raises:
        KeyFileError: it is no such file.
    """
    lines = [line.strip() for line in text.decode("ascii", "replace").splitlines()]
    begin, end = "-----BEGIN PGP PUBLIC KEY BLOCK-----", "-----END PGP PUBLIC KEY BLOCK-----"
    if lines.count(begin) != 1 or lines.count(end) != 1:
        raise KeyFileError("it is not one block of a public key")
    block = lines[lines.index(begin) + 1 : lines.index(end)]
    if "" not in block:
        raise KeyFileError("the armor lacks its empty line")
    body = [line for line in block[block.index("") + 1 :] if not line.startswith("=")]
    try:
        return base64.b64decode("".join(body), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise KeyFileError(f"the armor is damaged: {exc}") from exc


def armored(packets: bytes) -> bytes:
    """The key as rpm reads it (RFC 9580 6.2), with the checksum that rpm insists on."""
    checksum = 0xB704CE
    for octet in packets:
        checksum ^= octet << 16
        for _bit in range(8):
            checksum = checksum << 1 ^ (0x1864CFB if checksum & 0x800000 else 0)
    lines = base64.b64encode(packets).decode()
    wrapped = "\n".join(lines[at : at + 64] for at in range(0, len(lines), 64))
    tail = base64.b64encode((checksum & 0xFFFFFF).to_bytes(3, "big")).decode()
    text = f"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{wrapped}\n={tail}\n-----END PGP PUBLIC KEY BLOCK-----\n"
    return text.encode()


def _packets(content: bytes) -> t.Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(content):
        header = content[at]
        if not header & 0x80:
            raise KeyFileError("damaged: what should be a packet is none")
        tag = header & 0x3F if header & 0x40 else header >> 2 & 0xF
        length, at = _length(content, at + 1) if header & 0x40 else _old_length(content, at)
        if at + length > len(content):
            raise KeyFileError("damaged: it ends in the middle")
        yield tag, content[at : at + length]
        at += length


def _length(content: bytes, at: int) -> tuple[int, int]:
    """A length of one, two or five octets (RFC 9580 4.2.1), and where the content begins."""
    try:
        first = content[at]
        if first < 192:
            return first, at + 1
        if first < 224:
            return ((first - 192) << 8) + content[at + 1] + 192, at + 2
        if first == 255:
            return int(struct.unpack_from(">I", content, at + 1)[0]), at + 5
    except (IndexError, struct.error) as exc:
        raise KeyFileError("damaged: it ends in the middle") from exc
    raise KeyFileError("a key in parts of unknown length")


def _old_length(content: bytes, at: int) -> tuple[int, int]:
    size = {0: 1, 1: 2, 2: 4}.get(content[at] & 3)
    if size is None:
        raise KeyFileError("a key of unknown length")
    return _number(content[at + 1 : at + 1 + size]), at + 1 + size


def _identity(body: bytes) -> tuple[str, int]:
    """Fingerprint and time of creation (RFC 9580 5.5.4)."""
    created = _number(body[1:5])
    if body[:1] == b"\4":
        # Not for security: it is how version 4 defines the fingerprint.
        digest = hashlib.new("sha1", b"\x99" + struct.pack(">H", len(body)) + body, usedforsecurity=False)
        return digest.hexdigest().upper(), created
    if body[:1] == b"\6":
        return hashlib.sha256(b"\x9b" + struct.pack(">I", len(body)) + body).hexdigest().upper(), created
    raise KeyFileError(f"a key of version {_number(body[:1])}, which is not read here")


def _signature(body: bytes) -> tuple[int, dict[int, bytes]]:
    """Type and subpackets of a signature; the hashed ones win."""
    wide = 4 if body[:1] == b"\6" else 2
    fields: dict[int, bytes] = {}
    at = 4
    for _area in ("hashed", "unhashed"):
        end = at + wide + _number(body[at : at + wide])
        at += wide
        while at < end:
            length, at = _length(body, at)
            if length:
                fields.setdefault(body[at] & 0x7F, body[at + 1 : at + length])
            at += length
    return body[1], fields


def _made_by(identity: str, fields: t.Mapping[int, bytes]) -> bool:
    """Whether the key itself made a signature, as far as that says who made it."""
    if ISSUER_FINGERPRINT in fields:
        return fields[ISSUER_FINGERPRINT][1:].hex().upper() == identity
    return ISSUER in fields and identity.endswith(fields[ISSUER].hex().upper())


def _number(octets: bytes) -> int:
    return int.from_bytes(octets, "big")
