# SPDX-License-Identifier: GPL-3.0-or-later
"""What a kernel module says of itself, read from its file: for which kernel it was built, and who signed it.

What modinfo(8) shows, without it: https://docs.kernel.org/admin-guide/module-signing.html and ELF-64 (System V ABI).
"""

from __future__ import annotations

import lzma
import struct
import typing as t
import zlib

MAGIC = b"~Module signature appended~\n"
# struct module_signature of include/linux/module_signature.h: three lengths, of which a PKCS#7 signature has one.
SIGNATURE = struct.Struct(">8xI")
# More than any module unpacked: what claims to be larger is none.
MOST_BYTES = 256 * 1024 * 1024


class ModuleFileError(ValueError):
    """The file is no kernel module, or is packed in a way that is not read here."""


def unpack(name: str, content: bytes) -> bytes:
    """The module itself.

    Raises:
        ModuleFileError: damaged, or packed by something else than gzip and xz.
    """
    try:
        if name.endswith(".xz"):
            return lzma.LZMADecompressor().decompress(content, MOST_BYTES)
        if name.endswith(".gz"):
            return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(content, MOST_BYTES)
    except (lzma.LZMAError, zlib.error, EOFError) as exc:
        raise ModuleFileError(f"damaged: {exc}") from exc
    if not name.endswith(".ko"):
        raise ModuleFileError(f"packed as .{name.rpartition('.')[2]}")
    return content


def modinfo(module: bytes) -> dict[str, str]:
    """The section .modinfo: ``vermagic``, ``version``, ``license``, ... Of keys that stand more than once, the first.

    Raises:
        ModuleFileError: no ELF file of 64 bits and little endian with such a section.
    """
    if module[:6] != b"\x7fELF\x02\x01":
        raise ModuleFileError("not an ELF file of 64 bits and little endian")
    try:
        (start,) = struct.unpack_from("<Q", module, 0x28)
        size, count, names = struct.unpack_from("<HHH", module, 0x3A)
        sections = [struct.unpack_from("<I4xQQQQ", module, start + size * number) for number in range(count)]
        _name, _flags, _address, strings, _length = sections[names]
        for name, _flags, _address, offset, length in sections:
            at = strings + name
            if module[at : at + 9] == b".modinfo\0":
                return _pairs(module[offset : offset + length])
    except (struct.error, IndexError) as exc:
        raise ModuleFileError(f"damaged: {exc}") from exc
    raise ModuleFileError("no section .modinfo")


def _pairs(section: bytes) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for entry in section.split(b"\0"):
        key, sign, value = entry.decode("utf-8", "replace").partition("=")
        if sign:
            pairs.setdefault(key, value)
    return pairs


def signature(module: bytes) -> bytes:
    """The PKCS#7 signature at the end of a module; empty where it is not signed."""
    if not module.endswith(MAGIC):
        return b""
    end = len(module) - len(MAGIC) - SIGNATURE.size
    if end < 0:
        return b""
    (length,) = SIGNATURE.unpack_from(module, end)
    return module[end - length : end] if length <= end else b""


def issuer_and_serial(certificate: bytes) -> bytes:
    """What a signature names the certificate by that checks it (RFC 5652 10.2.4): issuer and serial number, in DER.

    Raises:
        ModuleFileError: no certificate in DER.
    """
    body = _element(_element(certificate, 0)[0], 0)[0]  # Certificate, TBSCertificate (RFC 5280 4.1)
    fields: list[tuple[int, bytes]] = []
    at = 0
    while at < len(body) and len(fields) < 5:
        after = _element(body, at)[1]
        fields.append((body[at], body[at:after]))
        at = after
    if fields and fields[0][0] == 0xA0:  # the version, which may be left out
        fields = fields[1:]
    if len(fields) < 3:
        raise ModuleFileError("not a certificate")
    serial, issuer = fields[0][1], fields[2][1]
    return issuer + serial


def _element(der: bytes, at: int) -> tuple[bytes, int]:
    """The content of the DER element at a place, and the place after it."""
    try:
        length, start = der[at + 1], at + 2
    except IndexError:
        raise ModuleFileError("not a certificate") from None
    if length & 0x80:
        many = length & 0x7F
        length, start = int.from_bytes(der[start : start + many], "big"), start + many
    if start + length > len(der):
        raise ModuleFileError("not a certificate")
    return der[start : start + length], start + length


def describe(name: str, content: bytes, certificates: t.Mapping[str, bytes]) -> dict[str, str]:
    """For which kernel the module was built, and the path of the certificate that it was signed for.

    Args:
        certificates: DER by path.

    Returns:
        ``kernel`` (the first word of vermagic), ``signer`` (a path, "another key", or empty where it is not signed) and
        ``unread`` (why nothing is known; empty where it is).
    """
    try:
        module = unpack(name, content)
        kernel = modinfo(module).get("vermagic", "").partition(" ")[0]
    except ModuleFileError as exc:
        return {"kernel": "", "signer": "", "unread": str(exc)}
    signed = signature(module)
    signer = "another key" if signed else ""
    for path, der in certificates.items():
        try:
            if signed and issuer_and_serial(der) in signed:
                signer = path
        except ModuleFileError:
            continue
    return {"kernel": kernel, "signer": signer, "unread": ""}
