# SPDX-License-Identifier: GPL-3.0-or-later
"""The Machine Owner Key that DKMS signs modules with: made, and its import requested."""

from __future__ import annotations

import base64
import binascii
import os
import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change import programs
from ansible_collections.unified.deploy.plugins.module_utils._change.errors import ChangeError
from ansible_collections.unified.deploy.plugins.module_utils._change.files import Wanted, replace

from .. import boot
from ..tree import Tree

DIRECTORY = "/var/lib/dkms"
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
    if read["state"] not in ("on", "setup") and read["lockdown"] in ("", "none"):
        return "off"
    states = {key["state"] for key in read["keys"]}
    return next((one for one in ("enrolled", "pending") if one in states), "absent")


def make(private: str, certificate: str) -> None:
    """The key that DKMS signs with, where there is none yet.

    Raises:
        MokError: the certificate is none, or DKMS could not make a key.
    """
    key, public = os.path.join(DIRECTORY, "mok.key"), os.path.join(DIRECTORY, "mok.pub")
    if os.path.exists(public):
        return
    if private:
        try:
            der = base64.b64decode(certificate, validate=True)
        except (binascii.Error, ValueError) as exc:
            raise MokError("certificate is not DER as base64 (openssl x509 -outform DER | base64)") from exc
        if not der.startswith(b"\x30"):
            raise MokError("certificate is not DER as base64 (openssl x509 -outform DER | base64)")
        os.makedirs(DIRECTORY, mode=0o755, exist_ok=True)
        replace(Wanted(key, private.encode(), 0o600), Wanted(public, der, 0o644))
        return
    answer = programs.run(["dkms", "generate_mok"])
    if answer.code or not os.path.exists(public):
        raise MokError(f"dkms could not make a key: {answer.said}")


def request(password: str) -> None:
    """Ask shim to import the key at the next boot (mokutil(1)).

    Raises:
        MokError: there is no password, or mokutil refuses.
    """
    if not 1 <= len(password) <= 256 or "\n" in password:
        raise MokError("a password of one line and at most 256 characters is needed, which the console will ask for")
    public = os.path.join(DIRECTORY, "mok.pub")
    answer = programs.run(["mokutil", "--import", public], stdin=f"{password}\n{password}\n")
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
