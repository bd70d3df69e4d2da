# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of runs as they lie on the disk, read without anything that changes them: each collection of evidence does."""

from __future__ import annotations

import contextlib
import json
import os
import typing as t

Fields = t.Dict[str, t.Any]
BASE = "/var/lib/unified"
_ENDS = ("finished", "reverted")


def machine_id() -> str:
    """What tells this host from others (machine-id(5)); empty where it has none."""
    try:
        with open("/etc/machine-id", encoding="ascii") as handle:
            return handle.read().strip()
    except OSError:
        return ""


def read_json(path: str) -> t.Any:
    """A record, or None where there is none or it was never finished."""
    try:
        with open(path, encoding="utf-8") as handle:
            return json.load(handle)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def read_events(path: str) -> list[Fields]:
    """A journal's events, oldest first; a line that a power cut tore is skipped."""
    events = []
    try:
        with open(path, "rb") as handle:
            for line in handle.read().split(b"\n"):
                with contextlib.suppress(ValueError):
                    events.append(json.loads(line))
    except FileNotFoundError:
        return []
    return events


def state(events: t.Sequence[Fields]) -> str:
    """How far a run has come: ``open``, ``finished`` or ``reverted``."""
    return next((event["event"] for event in reversed(events) if event["event"] in _ENDS), "open")


def is_any_open(base: str = BASE) -> bool:
    """Whether a run of this host has begun and not ended."""
    directory = os.path.join(base, "runs")
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(directory):
            facts = read_json(os.path.join(directory, name, "run.json"))
            if facts is None or facts["machine"] != machine_id():
                continue
            if state(read_events(os.path.join(directory, name, "journal"))) == "open":
                return True
    return False
