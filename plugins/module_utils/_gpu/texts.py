# SPDX-License-Identifier: GPL-3.0-or-later
"""Text files that a module writes and removes: read, compared, put in place together. Bytes that are no UTF-8 stay what they are."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change.files import Wanted, replace, shown
from ansible_collections.unified.deploy.plugins.module_utils._change.paths import make_directories


def read(path: str) -> str:
    """What the file holds; empty where there is none."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as handle:
            return handle.read()
    except FileNotFoundError:
        return ""


def differing(desired: t.Mapping[str, str]) -> dict[str, str]:
    """By path what the files hold that are not as DESIRED: text by path, empty for a file that is not to be there."""
    return {path: old for path, text in desired.items() if (old := read(path)) != text}


def put(texts: t.Mapping[str, str], mode: int = 0o644) -> None:
    """Put the files there, all or none of them, and their directories; then remove those without text.

    Raises:
        OSError: PathError among them.
    """
    coming = [Wanted(path, _bytes(text), mode) for path, text in texts.items() if text]
    for file in coming:
        make_directories(os.path.dirname(file.path), 0o755)
    replace(*coming)
    for path, text in texts.items():
        if not text:
            os.unlink(path)


def diff(
    old: t.Mapping[str, str], desired: t.Mapping[str, str], masked: t.Callable[[str], str] = str
) -> list[dict[str, str]]:
    """The changes as Ansible shows them, a file each.

    Args:
        masked: gives a text as it may be shown.
    """
    return [
        {
            "before_header": path,
            "after_header": path,
            "before": shown(_bytes(masked(text))),
            "after": shown(_bytes(masked(desired[path]))),
        }
        for path, text in old.items()
    ]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
