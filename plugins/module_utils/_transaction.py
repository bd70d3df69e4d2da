# SPDX-License-Identifier: GPL-3.0-or-later
"""Several files changed together or not at all."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._collect.command import SEARCH_PATH
from ansible_collections.unified.deploy.plugins.module_utils._files import make_directories


class TransactionError(Exception):
    """Nothing has changed; the message names the file, the cause and what to do."""


class Change(t.NamedTuple):
    """The wanted text of a file; None removes it."""

    path: str
    content: t.Optional[str]
    mode: str = "0644"
    owner: str = "root"
    group: str = "root"
    validate: t.Sequence[str] = ()


class Transaction:
    """Prepare all, validate all, then rename all."""

    def __init__(self, wanted: t.Sequence[Change], *, backup: str | None = None) -> None:
        paths = [change.path for change in wanted]
        twice = sorted({path for path in paths if paths.count(path) > 1})
        self.wanted = [change._replace(path=os.path.realpath(change.path)) for change in wanted]
        self.twice = twice
        self.backup = backup

    def changes(self) -> list[tuple[Change, str | None]]:
        """What differs from the disk, with the text it has now (None when there is no such file)."""
        if self.twice:
            raise TransactionError(f"{self.twice[0]} stands twice in this transaction: merge the two")
        found = []
        for change in self.wanted:
            before = self._read(change.path)
            if change.content != before:
                found.append((change, before))
        return found

    def apply(self, *, dry: bool = False) -> list[tuple[Change, str | None]]:
        """Bring the disk to the wanted texts; returns what differed, as changes() does.

        Raises:
            TransactionError: a validator refused, or the file system did; every file is as it was.
        """
        changes = self.changes()
        prepared: list[tuple[Change, str]] = []
        made: list[str] = []
        try:
            for change, _before in changes:
                if change.content is not None:
                    prepared.append((change, self._prepare(change, made, dry=dry)))
            for change, temporary in prepared:
                self._validate(change, temporary)
            if not dry:
                self._keep_originals(changes)
                self._commit(changes, dict((change.path, temporary) for change, temporary in prepared))
        except OSError as exc:
            raise TransactionError(
                f"{exc.filename or 'a file'}: {exc.strerror}; nothing was changed. Make room or mend the file system, then run again"
            ) from exc
        finally:
            for _change, temporary in prepared:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
            for directory in reversed(made if dry else []):
                with contextlib.suppress(OSError):
                    os.rmdir(directory)
        return changes

    @staticmethod
    def _read(path: str) -> str | None:
        try:
            with open(path, encoding="utf-8", errors="surrogateescape", newline="") as handle:
                return handle.read()
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as exc:
            raise TransactionError(f"{path} cannot be read: {exc}") from exc

    @staticmethod
    def _prepare(change: Change, made: list[str], *, dry: bool) -> str:
        """Write the text beside its target, closed to all others, with the owner and mode it will have."""
        directory = os.path.dirname(change.path)
        missing = directory
        while not os.path.isdir(missing):
            made.insert(0, missing)
            missing = os.path.dirname(missing)
        if dry and not os.path.isdir(directory):
            directory = missing
            made.clear()
        make_directories(directory, 0o755)
        # sudo and cron skip names with a dot, and no daemon reads a name that begins with one.
        descriptor, temporary = tempfile.mkstemp(dir=directory, prefix=".unified-")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as handle:
                handle.write(change.content or "")
                handle.flush()
                mode = int(change.mode, 8)
                with contextlib.suppress(FileNotFoundError):
                    old = os.stat(change.path)
                    mode &= stat.S_IMODE(old.st_mode)
                    os.fchown(handle.fileno(), old.st_uid, old.st_gid)
                    os.fchmod(handle.fileno(), mode)
                    os.fsync(handle.fileno())
                    return temporary
                os.fchown(handle.fileno(), pwd.getpwnam(change.owner).pw_uid, grp.getgrnam(change.group).gr_gid)
                os.fchmod(handle.fileno(), mode)
                os.fsync(handle.fileno())
        except KeyError as exc:
            if dry:  # an earlier task of the play would have made the account
                return temporary
            os.unlink(temporary)
            raise TransactionError(f"{change.path}: no such owner or group: {exc}") from exc
        except OSError:
            os.unlink(temporary)
            raise
        return temporary

    @staticmethod
    def _validate(change: Change, temporary: str) -> None:
        if not change.validate:
            return
        argv = [part.replace("%s", temporary) for part in change.validate]
        program = shutil.which(argv[0], path=SEARCH_PATH)
        if program is None:
            raise TransactionError(f"{change.path}: its validator '{argv[0]}' is not installed; nothing was changed")
        env = {"PATH": SEARCH_PATH, "LC_ALL": "C"}
        done = subprocess.run([program, *argv[1:]], capture_output=True, check=False, env=env, timeout=60)
        if done.returncode:
            said = (done.stderr or done.stdout).decode(errors="replace").replace(temporary, change.path).strip()
            raise TransactionError(
                f"{change.path}: '{argv[0]}' refuses the new text: {said[-400:]}; nothing was changed"
            )

    def _keep_originals(self, changes: list[tuple[Change, str | None]]) -> None:
        if not self.backup:
            return
        for change, before in changes:
            kept = self.backup + change.path
            # The first original of a run is the one to go back to.
            if before is not None and not os.path.exists(kept):
                make_directories(os.path.dirname(kept), 0o700)
                shutil.copy2(change.path, kept)
                facts = os.stat(change.path)
                os.chown(kept, facts.st_uid, facts.st_gid)
                # A copy that everybody may write would be a finding of its own.
                os.chmod(kept, stat.S_IMODE(facts.st_mode) & ~0o022)

    @staticmethod
    def _commit(changes: list[tuple[Change, str | None]], temporaries: dict[str, str]) -> None:
        """Rename all; undo the renames that were made when one of them fails."""
        saved: list[tuple[str, str | None]] = []
        try:
            for change, before in changes:
                kept = None
                if before is not None:
                    kept = f"{os.path.dirname(change.path)}/.unified-old-{os.path.basename(change.path)}"
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(kept)
                    os.link(change.path, kept)
                saved.append((change.path, kept))
                if change.content is None:
                    os.unlink(change.path)
                else:
                    os.replace(temporaries[change.path], change.path)
        except OSError:
            for path, kept in reversed(saved):
                with contextlib.suppress(OSError):
                    if kept is None:
                        os.unlink(path)
                    else:
                        os.replace(kept, path)
                        # rename(2) does nothing where both names are links to one file: path was not replaced yet.
                        os.unlink(kept)
            raise
        for _path, kept in saved:
            if kept is not None:
                with contextlib.suppress(OSError):
                    os.unlink(kept)
