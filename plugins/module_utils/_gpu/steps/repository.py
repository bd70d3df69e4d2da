# SPDX-License-Identifier: GPL-3.0-or-later
"""A repository of packages, added by the fingerprint of its key."""

from __future__ import annotations

import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change.errors import ChangeError
from ansible_collections.unified.deploy.plugins.module_utils._change.files import shown

from .. import archive, source, source_dnf

MOST_BYTES = 1 << 20
_WORDS = {"type": "list", "elements": "str", "default": []}
SPEC: dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "url": {"type": "str", "default": ""},
    "suites": _WORDS,
    "components": _WORDS,
    "architectures": _WORDS,
    "fingerprints": _WORDS,
    "key": {"type": "str", "default": "", "no_log": False},
    "key_url": {"type": "str", "default": "", "no_log": False},
    "keyring": {"type": "str", "default": "", "no_log": False},
    "manager": {"type": "str", "choices": ["auto", "apt", "dnf"], "default": "auto"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def fetched(url: str) -> bytes:
    """What lies at the address of a key.

    Raises:
        SourceError: it cannot be had.
    """
    if not url.startswith("https://"):
        raise source.SourceError(
            f"'{url}' is no address of a key. Give the key itself, or one that begins with https://"
        )
    # Half of what all else here takes to import, and most keys are given.
    from ansible.module_utils.urls import open_url

    try:
        return t.cast(bytes, open_url(url, timeout=60).read(MOST_BYTES))
    except OSError as exc:
        raise source.SourceError(f"the key at {url} cannot be had: {exc}") from exc


def act(asked: t.Mapping[str, t.Any], dry: bool) -> dict[str, t.Any]:
    """What gpu_repository returns.

    Raises:
        ChangeError: the repository is not to be trusted, or cannot be written.
    """
    fingerprint, expires, packets = "", 0, b""
    manager = source if archive.uses_apt(asked["manager"]) else source_dnf
    try:
        if asked["state"] == "absent":
            changes = manager.remove(asked["name"], dry=dry)
        else:
            repository = source.Source(
                name=asked["name"],
                url=asked["url"],
                suites=tuple(asked["suites"]),
                components=tuple(asked["components"]),
                architectures=tuple(asked["architectures"]),
                fingerprints=tuple(asked["fingerprints"]),
                keyring=asked["keyring"],
            )
            manager.check(repository)
            if not repository.keyring:
                key = asked["key"].encode() or fetched(asked["key_url"])
                fingerprint, expires, _revoked, packets = source.checked_key(repository._replace(key=key))
            changes = manager.put(repository, packets, dry=dry)
    except ChangeError:
        raise
    except OSError as exc:
        raise source.SourceError(f"{exc.filename or asked['name']}: {exc.strerror}; nothing was changed") from exc
    texts = {path: pair for path, pair in changes.items() if path.endswith((".sources", ".repo"))}
    return {
        "changed": bool(changes),
        "paths": sorted(changes),
        "fingerprint": fingerprint,
        "expires": expires,
        "diff": [
            {"before": shown(a), "after": shown(b), "before_header": p, "after_header": p}
            for p, (a, b) in texts.items()
        ],
    }
