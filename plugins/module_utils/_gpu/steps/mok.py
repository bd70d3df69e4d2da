# SPDX-License-Identifier: GPL-3.0-or-later
"""The Machine Owner Key that DKMS signs modules with: made, and its import requested."""

from __future__ import annotations

import base64
import binascii
import os
import tempfile
import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change import programs
from ansible_collections.unified.deploy.plugins.module_utils._change.errors import ChangeError
from ansible_collections.unified.deploy.plugins.module_utils._change.files import Wanted, replace

from .. import boot, facts
from ..tree import Tree

# As DKMS itself makes one (prepare_signing of dkms 3.0). It may not be installed yet: without a trusted key nothing is built, and so nothing installed.
MAKE = ("openssl", "req", "-new", "-x509", "-nodes", "-days", "36500", "-newkey", "rsa:2048")
SUBJECT = "/CN=DKMS module signing key"
SPEC: dict[str, t.Any] = {
    "manage": {"type": "bool", "default": False},
    "password": {"type": "str", "default": "", "no_log": True},
    "private_key": {"type": "str", "default": "", "no_log": True},
    "certificate": {"type": "str", "default": ""},
}


class MokError(ChangeError):
    """The key cannot be made or requested."""


def state() -> str:
    """How the kernel stands to the host's own keys: the best of them counts."""
    read = boot.secure_boot(Tree())
    if not read["enforced"]:
        return "off"
    states = {key["state"] for key in read["keys"]}
    return next((one for one in ("enrolled", "pending") if one in states), "absent")


def files() -> tuple[str, str]:
    """The key that DKMS signs with, and its certificate: on Ubuntu those of shim's package (prepare_signing of dkms 3.0)."""
    tree = Tree()
    ubuntu = facts.system(tree)["os"] == "ubuntu"
    pair = ("var/lib/shim-signed/mok/MOK.priv", boot.SHIM_KEY) if ubuntu else ("var/lib/dkms/mok.key", boot.DKMS_KEY)
    return tree.path(pair[0]), tree.path(pair[1])


def make(private: str, certificate: str) -> None:
    """The key that DKMS signs with, where there is none yet.

    Raises:
        MokError: the certificate is none, or no key could be made.
    """
    key, public = files()
    if os.path.exists(public):
        return
    if private:
        try:
            der = base64.b64decode(certificate, validate=True)
        except (binascii.Error, ValueError) as exc:
            raise MokError("certificate is not DER as base64 (openssl x509 -outform DER | base64)") from exc
        if not der.startswith(b"\x30"):
            raise MokError("certificate is not DER as base64 (openssl x509 -outform DER | base64)")
    else:
        private, der = fresh()
    os.makedirs(os.path.dirname(key), mode=0o755, exist_ok=True)
    replace(Wanted(key, private.encode(), 0o600), Wanted(public, der, 0o644))


def fresh() -> tuple[str, bytes]:
    """A new key in PEM, and its certificate in DER.

    Raises:
        MokError: openssl made none.
    """
    with tempfile.TemporaryDirectory(prefix="unified-mok-") as scratch:
        key, public = os.path.join(scratch, "key"), os.path.join(scratch, "certificate")
        answer = programs.run([*MAKE, "-subj", SUBJECT, "-keyout", key, "-outform", "DER", "-out", public])
        if answer.code:
            raise MokError(f"openssl could not make a key: {answer.said}")
        with open(key, encoding="ascii") as handle:
            private = handle.read()
        with open(public, "rb") as handle:
            return private, handle.read()


def request(password: str) -> None:
    """Ask shim to import the key at the next boot (mokutil(1)).

    Raises:
        MokError: there is no password, or mokutil refuses.
    """
    if not 1 <= len(password) <= 256 or "\n" in password:
        raise MokError("a password of one line and at most 256 characters is needed, which the console will ask for")
    answer = programs.run(["mokutil", "--import", files()[1]], stdin=f"{password}\n{password}\n")
    if answer.code:
        raise MokError(f"mokutil ended with {answer.code}: {answer.said.replace(password, '(password)')}")


def act(asked: t.Mapping[str, t.Any], dry: bool) -> dict[str, t.Any]:
    """What gpu_mok returns.

    Raises:
        MokError: the key cannot be made or requested.
    """
    # Ansible's required_together takes an empty text for one that is given.
    if bool(asked["private_key"]) != bool(asked["certificate"]):
        raise MokError("private_key and certificate are given together, or neither is")
    before = state()
    requesting = asked["manage"] and before == "absent"
    try:
        if requesting and not dry:
            make(asked["private_key"], asked["certificate"])
            # The key may have been trusted before this knew of it.
            if state() == "absent":
                request(asked["password"])
    except OSError as exc:
        raise MokError(f"{exc.filename}: {exc.strerror}") from exc
    after = "pending" if requesting and dry else state()
    if requesting and after == "absent":
        raise MokError("mokutil ended well, and no import is requested. Does the host boot by shim?")
    return {"changed": requesting, "state": after}
