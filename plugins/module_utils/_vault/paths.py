# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths of the API: what is written is what is asked for, and nothing leads out of a mount."""

from __future__ import annotations

import urllib.parse

from .errors import VaultError


def quoted(path: str) -> str:
    """PATH as a URL carries it: a ``#``, ``?``, ``%`` or blank belongs to a name.

    Raises:
        VaultError: a part is empty, ``.`` or ``..``, or holds a control character.
    """
    for part in path.split("/"):
        if part in ("", ".", ".."):
            what = f"'{part}' as a part" if part else "an empty part"
            raise VaultError(f"the path {shown(path)} has {what}", kind="invalid", fix="Write the path in full")
        if any(ord(character) < 32 or ord(character) == 127 for character in part):
            raise VaultError(f"the path {shown(path)} has a control character", kind="invalid", fix="Remove it")
    return urllib.parse.quote(path, safe="/")


def segment(name: str, option: str) -> str:
    """NAME, which has to be one part of a path: a slash in it would address something else.

    Raises:
        VaultError: it is empty, or has a slash.
    """
    if not name or "/" in name:
        raise VaultError(f"{option}: '{shown(name)}' is no name", kind="invalid", fix="Write it without a slash")
    return name


def shown(path: str) -> str:
    """PATH for a message: control characters escaped, cut off after 200 characters."""
    text = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in path
    )
    return text if len(text) <= 200 else f"{text[:200]}..."
