# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence of the host around a run, in the run's directory: what a revert is measured by.

A document is what `_collect.collector.collect` returns, with the ``request`` that it answers: only the same question asked again
shows what differs.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import typing as t
import zlib

from .errors import RunError
from .files import Wanted, replace
from .journal import Fields

BEFORE, AFTER, REVERTED = MOMENTS = ("before", "after", "reverted")
# By section the keys that tell of processes, moments and this login: never twice the same.
MOMENTARY: t.Mapping[str, t.FrozenSet[str]] = {
    "home": frozenset({"device", "inode"}),
    "rsyslog": frozenset({"changed", "started"}),
    "scan": frozenset({"inodes", "device", "inode"}),
    "settings": frozenset({"changed", "daemons"}),
    "sshd": frozenset({"daemons", "newest", "session"}),
}
MOST_DIFFERENCES, MOST_CHARACTERS = 50, 120


def path(directory: str, moment: str) -> str:
    return os.path.join(directory, f"{moment}.json.gz")


def keep(directory: str, moment: str, document: t.Any) -> None:
    """Keep a document, for root only; the first of a moment stays."""
    if not os.path.exists(path(directory, moment)):
        text = json.dumps(document, separators=(",", ":")).encode()
        replace(Wanted(path(directory, moment), gzip.compress(text, 6)))


def unpacked(packed: str) -> t.Any:
    """A document as the controller sends it: JSON, zlib, base64."""
    return json.loads(zlib.decompress(base64.b64decode(packed)))


def kept(directory: str) -> dict[str, str]:
    """By moment the file of each document that is there."""
    paths = {moment: path(directory, moment) for moment in MOMENTS}
    return {moment: file for moment, file in paths.items() if os.path.exists(file)}


def read(directory: str, moment: str) -> Fields | None:
    """A document, or None where none was kept.

    Raises:
        RunError: it is damaged.
    """
    try:
        with gzip.open(path(directory, moment), "rb") as handle:
            return t.cast(Fields, json.loads(handle.read()))
    except FileNotFoundError:
        return None
    except (OSError, EOFError, ValueError, zlib.error) as exc:
        raise RunError(f"{path(directory, moment)} is damaged: {exc}") from exc


def differences(before: Fields, now: Fields) -> list[str]:
    """What differs between two documents, one sentence each; nothing that lasts only a moment."""
    rows: list[str] = []
    for name in sorted({*before["sections"], *now["sections"]}):
        was, became = (_section(document, name) for document in (before, now))
        rows += _differing(was, became, name)
    more = [f"and {len(rows) - MOST_DIFFERENCES} more"] if len(rows) > MOST_DIFFERENCES else []
    return rows[:MOST_DIFFERENCES] + more


def _section(document: Fields, name: str) -> t.Any:
    section = document["sections"].get(name, {})
    lasting = {key: section[key] for key in ("items", "left_out") if key in section}
    return _lasting(lasting, MOMENTARY.get(name, frozenset()))


def _lasting(value: t.Any, momentary: t.FrozenSet[str]) -> t.Any:
    if isinstance(value, dict):
        return {key: _lasting(one, momentary) for key, one in value.items() if key not in momentary}
    return [_lasting(one, momentary) for one in value] if isinstance(value, list) else value


def _differing(before: t.Any, now: t.Any, where: str) -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        keys = sorted({*before, *now})
        below = {key: where if key == "items" else f"{where} {key}" for key in keys}
        return [row for key in keys for row in _differing(before.get(key), now.get(key), below[key])]
    if isinstance(before, list) and isinstance(now, list):
        gone, new = ([one for one in these if one not in those] for these, those in ((before, now), (now, before)))
        return [f"{where}: {_shown(gone)} became {_shown(new)}"] if gone or new else []
    return [] if before == now else [f"{where}: {_shown(before)} became {_shown(now)}"]


def _shown(value: t.Any) -> str:
    text = "nothing" if value in (None, []) else json.dumps(value)
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}..."
