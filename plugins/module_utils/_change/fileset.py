# SPDX-License-Identifier: GPL-3.0-or-later
"""A transaction of its own, outside of any run."""

from __future__ import annotations

import os
import secrets
import tempfile
import typing as t

from .errors import ChangeError
from .journal import BASE
from .lock import Lock
from .record import discard, make_private
from .transaction import Change, Check, Planned, Transaction


class Outcome(t.NamedTuple):
    """What differed, what could not be changed and was not required, and what the checks said."""

    changes: t.List[Change]
    refused: t.List[t.Dict[str, str]]
    said: t.List[str]


def apply_files(
    files: t.Sequence[Planned],
    checks: t.Sequence[Check] = (),
    *,
    base: str = BASE,
    dry: bool = False,
    timeout: float = 30,
) -> Outcome:
    """Bring the disk to FILES, all or none; what a killed transaction left is ended first.

    Args:
        dry: change nothing, but run every validator.
        timeout: seconds to wait for another writer.

    Raises:
        StaleError: a file is not what it was planned from.
        RunError: another writer holds the lock.
        ChangeError: nothing has changed; or what could not be undone is named.
    """
    if dry:
        with tempfile.TemporaryDirectory() as scratch:
            transaction = Transaction(scratch, dry=True)
            changes = transaction.changes(files)
            return Outcome(changes, transaction.refused, transaction.prepare(changes, checks))
    with Lock(base, "writing files", timeout=timeout):
        recover(base)
        transaction = Transaction(os.path.join(base, "transactions", f"files-{secrets.token_hex(6)}"))
        changes = transaction.changes(files)
        if not changes:
            return Outcome([], transaction.refused, [])
        return Outcome(changes, transaction.refused, _make(transaction, changes, checks))


def _make(transaction: Transaction, changes: t.Sequence[Change], checks: t.Sequence[Check]) -> list[str]:
    make_private(transaction.directory)
    try:
        said = transaction.prepare(changes, checks)
        transaction.journal.write("applying")
        transaction.commit()
    except (ChangeError, OSError) as exc:
        transaction.journal.write("undoing")
        problems = transaction.undo() if transaction.journal.has("applying") else []
        transaction.abandon()
        discard(transaction.directory)
        if problems:
            raise ChangeError(f"{exc}; not everything could be brought back: {'; '.join(problems)}") from exc
        if isinstance(exc, ChangeError):
            raise
        cause = f"{exc.filename or 'a file'}: {exc.strerror}"
        raise ChangeError(f"{cause}; nothing was changed. Make room or mend the file system, then run again") from exc
    discard(transaction.directory)
    return said


def killed(base: str = BASE) -> list[str]:
    """Directories of transactions that have begun and not ended; where nobody holds the lock, they were killed."""
    parent = os.path.join(base, "transactions")
    return [os.path.join(parent, name) for name in sorted(os.listdir(parent))] if os.path.isdir(parent) else []


def recover(base: str) -> list[str]:
    """End transactions that were killed; the lock is held. Returns what somebody else changed in the meantime."""
    said: list[str] = []
    for directory in killed(base):
        transaction = Transaction(directory)
        if transaction.journal.has("applying"):
            said += transaction.undo() if transaction.journal.has("undoing") else transaction.finish()
        transaction.abandon()
        discard(transaction.directory)
    return said
