# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of runs as they lie on the disk, read without anything that changes them: each collection of evidence does."""

from __future__ import annotations

import contextlib
import json
import os
import re
import typing as t

Fields = t.Dict[str, t.Any]
BASE = "/var/lib/unified"
_ENDS = ("finished", "reverted")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")


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


def is_id(name: str) -> bool:
    """Whether a run or a batch can have this name."""
    return bool(_ID.match(name))


def recorded(base: str = BASE) -> list[tuple[str, Fields]]:
    """Ids and facts of this host's runs in the order in which they were begun; half recorded ones and another host's are left out.

    That order is their number's, not their date's: a clock may have jumped in between.
    """
    runs: list[tuple[str, Fields]] = []
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(os.path.join(base, "runs")):
            facts = read_json(os.path.join(base, "runs", name, "run.json")) if is_id(name) else None
            if isinstance(facts, dict) and facts.get("machine") == machine_id():
                runs.append((name, facts))
    return sorted(runs, key=lambda run: (run[1].get("number", 0), run[1].get("created", 0), run[0]))


def is_any_open(base: str = BASE) -> bool:
    """Whether a run of this host has begun and not ended."""
    journals = (os.path.join(base, "runs", name, "journal") for name, _facts in recorded(base))
    return any(state(read_events(path)) == "open" for path in journals)
