# SPDX-License-Identifier: GPL-3.0-or-later
"""Several files, written in one transaction."""

from __future__ import annotations

import typing as t

from ..errors import ChangeError
from ..fileset import apply_files
from ..options import CHECKS, FILES, checks, diff, files

SPEC: dict[str, t.Any] = {
    "files": {**FILES, "required": True},
    "checks": CHECKS,
    "lock_timeout": {"type": "int", "default": 30},
}


def act(asked: t.Mapping[str, t.Any], dry: bool) -> dict[str, t.Any]:
    """What file_set returns.

    Raises:
        ChangeError: nothing was changed, or what could not be undone is named.
    """
    try:
        planned = files(asked["files"], dry=dry)
        outcome = apply_files(planned, checks(asked["checks"]), dry=dry, timeout=asked["lock_timeout"])
    except ChangeError:
        raise
    except OSError as exc:
        raise ChangeError(f"{exc.filename or 'a file'}: {exc.strerror}; nothing was changed") from exc
    return {
        "changed": bool(outcome.changes),
        "paths": [change.path for change in outcome.changes],
        "refused": outcome.refused,
        "said": outcome.said,
        "diff": diff(outcome.changes),
    }
