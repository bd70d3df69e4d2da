# SPDX-License-Identifier: GPL-3.0-or-later
"""What a compiler refused: where nothing has changed since, it would take minutes to hear it again."""

from __future__ import annotations

import hashlib
import json
import os
import re
import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change.journal import read_json
from ansible_collections.unified.deploy.plugins.module_utils._change.record import make_private, write_json

from . import transaction

RECORD = os.path.join(transaction.STATE, "refused.json")
# Not what may pass by itself: no memory, no room, a build that took too long.
LASTING = re.compile(
    r" does not build for .*(?<!fatal) error: (?!.*(?:No space left|Cannot allocate|internal compiler))"
)


def circumstances(files: t.Sequence[str], releases: t.Sequence[str]) -> str:
    """All that a build depends on: what is on the host, compiler and headers among it, what would come, and the kernels.

    Args:
        files: what apt would get, with the digests that the archive has of it.
    """
    symbols = {release: f"/lib/modules/{release}/build/Module.symvers" for release in releases}
    depends_on = {
        "there": transaction.versions(),
        "come": files,
        "kernels": {
            release: os.stat(path).st_mtime_ns if os.path.exists(path) else 0 for release, path in symbols.items()
        },
    }
    return hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()


def known(now: str) -> str:
    """What was refused under these circumstances; empty where nothing was."""
    before = read_json(RECORD) or {"circumstances": ""}
    if before["circumstances"] != now:
        return ""
    return f"{before['because']} (built before, and nothing has changed since; without {RECORD} it is built again)"


def remember(now: str, blocking: t.Sequence[str]) -> None:
    """Write down what was refused, if it was by the compiler and for good."""
    if all(LASTING.search(one) for one in blocking):
        make_private(transaction.STATE)
        write_json(RECORD, {"circumstances": now, "because": "; ".join(blocking)})
