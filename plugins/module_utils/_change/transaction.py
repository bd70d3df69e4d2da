# SPDX-License-Identifier: GPL-3.0-or-later
"""Several files changed together or not at all, whatever happens on the way.

New texts and copies of the old ones lie in directories that only root can open, on the file system of their target: no
program that lists pam-configs or cron.d ever sees them. The journal says `applying` before the first rename; who finds
it so finishes what is left (finish()), who finds no such line forgets the rest (abandon()).
"""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import stat
import typing as t

from . import programs
from .errors import ChangeError, PathError, StaleError
from .files import ABSENT, Original, absent, create, default_label, digest, flush, keep, read
from .journal import Fields, read_json
from .obstacles import mount_id, mount_root, obstacle
from .paths import Place, locate, make_directories, trust
from .record import Journal, make_private, write_json


class Planned(t.NamedTuple):
    """A file as it is to be; no content removes it.

    Attributes:
        mode: of a new file, and the widest of one that is there.
        owner, group: of a new file.
        validate: arguments of a program that must accept the new text; ``%s`` is where it is staged.
        digest: SHA-256 of the text that this was planned from, ABSENT for none, empty where nobody looked.
        required: whether nothing is changed where this file cannot be.
        keep_times: whether access and modification times stay.
    """

    path: str
    content: t.Optional[bytes]
    mode: int = 0o644
    owner: int = 0
    group: int = 0
    validate: t.Sequence[str] = ()
    digest: str = ""
    required: bool = True
    keep_times: bool = False


class Check(t.NamedTuple):
    """A program that judges the host as it will be: it sees TREES with the staged files in them."""

    argv: t.Sequence[str]
    trees: t.Sequence[str]


class Change(t.NamedTuple):
    """What differs from the disk."""

    planned: Planned
    path: str
    before: t.Optional[Original]


class Transaction:
    """Files in a directory of their own (0700), which holds the journal, the plan, and old and new texts."""

    def __init__(self, directory: str, *, name: str = "", dry: bool = False) -> None:
        self.directory = directory
        self.name = name or os.path.basename(directory)
        self.dry = dry
        self.journal = Journal(directory)
        self.refused: list[dict[str, str]] = []
        self._staging: dict[int, str] = {}

    # Look

    def changes(self, files: t.Sequence[Planned]) -> list[Change]:
        """What differs from the disk.

        Raises:
            StaleError: a file differs from what it was planned from, too.
            ChangeError: a path stands twice, or a required file cannot be changed.
        """
        changes, stale, problems = [], [], []
        asked = [planned.path for planned in files]
        for planned in files:
            try:
                change = self._change(planned)
            except (ChangeError, OSError) as exc:
                reason = str(exc) if isinstance(exc, ChangeError) else f"{planned.path}: {exc.strerror}"
                if planned.required:
                    problems.append(reason)
                else:
                    self.refused.append({"path": planned.path, "reason": reason})
                continue
            if change is None:
                continue
            before = digest(change.before.content if change.before else None)
            if planned.digest and planned.digest != before:
                stale.append(planned.path)
            changes.append(change)
        resolved = [change.path for change in changes]
        twice = [path for path in asked if asked.count(path) > 1] + [p for p in resolved if resolved.count(p) > 1]
        problems += [f"{path} stands twice in this transaction: merge the two" for path in twice]
        if problems:
            raise ChangeError("; ".join(dict.fromkeys(problems)) + "; nothing was changed")
        if stale:
            raise StaleError(stale)
        return changes

    @staticmethod
    def _change(planned: Planned) -> Change | None:
        try:
            place = _locate(planned)
        except FileNotFoundError:
            return None if planned.content is None else Change(planned, planned.path, None)
        with place:
            before = read(place)
            if planned.content == (before.content if before else None):
                return None
            reason = obstacle(place)
            if reason:
                raise ChangeError(f"{planned.path} cannot be changed: {reason}")
            return Change(planned, place.path, before)

    # Prepare

    def prepare(self, changes: t.Sequence[Change], checks: t.Sequence[Check] = ()) -> list[str]:
        """Save, stage and validate; nothing outside the transaction's own directories is touched.

        Returns:
            What each of CHECKS said.

        Raises:
            ChangeError: a validator or check refuses, or there is no room.
        """
        saved = make_private(os.path.join(self.directory, "saved"))
        entries = []
        for number, change in enumerate(changes):
            name = f"{number}-{os.path.basename(change.path)}"
            if change.before and not self.dry:
                _write(saved, name, change.before.content, mode=0o600)
            entries.append(self._stage(name, change))
        write_json(os.path.join(self.directory, "files.json"), entries)
        for change, entry in zip(changes, entries):
            if change.planned.validate and entry["staged"]:
                programs.validate(change.path, change.planned.validate, entry["staged"])
        return [self._judge(check, number, entries) for number, check in enumerate(checks)]

    def save(self, paths: t.Sequence[str]) -> None:
        """Keep copies of files that a program is about to change in a way that only it knows."""
        saved, entries = make_private(os.path.join(self.directory, "saved")), []
        for number, path in enumerate(paths):
            with locate(path, trust(strict=True)) as place:
                before = read(place) if stat.S_ISREG(os.stat(path).st_mode) else None
            if before:
                name = f"{number}-{os.path.basename(path)}"
                _write(saved, name, before.content, mode=0o600)
                known = digest(before.content)
                entries.append(_entry(place.path, name, known, "", facts=_pack(before), trusted=[0, 0]))
        write_json(os.path.join(self.directory, "files.json"), entries)

    def _stage(self, name: str, change: Change) -> Fields:
        planned, before = change.planned, change.before
        entry = _entry(
            change.path,
            name,
            digest(before.content if before else None),
            digest(planned.content),
            facts=_pack(before) if before else None,
            trusted=[planned.owner, planned.group],
        )
        if planned.content is None:
            return entry
        directory = self._staging_for(change.path)
        mode, owner, group = planned.mode, planned.owner, planned.group
        attributes = keep(before.attributes) if before else default_label(change.path)
        if before:
            mode, owner, group = mode & before.mode, before.owner, before.group
        times = before.times if before and planned.keep_times else None
        _write(
            directory, name, planned.content, mode=mode, owner=owner, group=group, attributes=attributes, times=times
        )
        return {**entry, "staged": os.path.join(directory, name)}

    def _staging_for(self, path: str) -> str:
        """A directory of ours on the file system of PATH: rename(2) does not leave one."""
        if self.dry:
            return make_private(os.path.join(self.directory, "new"))
        directory = os.path.dirname(path)
        while not os.path.isdir(directory):
            directory = os.path.dirname(directory)
        identifier, own = _mount_of(directory), _mount_of(self.directory)
        if identifier not in self._staging:
            name = "new" if identifier == own else f".unified-{self.name}"
            root = self.directory if identifier == own else mount_root(directory, identifier)
            staging = os.path.join(root, name)
            self.journal.write("staging", path=staging)
            self._staging[identifier] = make_private(staging)
        return self._staging[identifier]

    def _judge(self, check: Check, number: int, entries: t.Sequence[Fields]) -> str:
        trees = []
        for index, path in enumerate(check.trees):
            scratch = make_private(os.path.join(self.directory, f"trees-{number}"))
            trees.append(programs.Tree(path, os.path.join(scratch, str(index))))
        for tree in trees:
            for entry in entries:
                tree.place(entry["path"], entry["staged"] or None)
        answer = programs.run_over(trees, check.argv)
        if answer.code:
            raise ChangeError(f"'{' '.join(check.argv)}' refuses the new files: {answer.said}; nothing was changed")
        return answer.out

    # Change

    def commit(self) -> None:
        """Put every staged file in its place; the caller has written `applying` to the journal.

        Raises:
            ChangeError: a file changed in the meantime, or could not be placed; undo() brings back the others.
        """
        for entry in self.entries():
            try:
                self._put(entry)
            except OSError as exc:
                reason = exc.strerror if not isinstance(exc, PathError) else str(exc)
                raise ChangeError(f"{entry['path']} could not be put in place: {reason}") from exc
        self._clear()

    def entries(self) -> list[Fields]:
        return t.cast("list[Fields]", read_json(os.path.join(self.directory, "files.json")) or [])

    def finish(self) -> list[str]:
        """Finish a commit that was killed; returns the files that somebody else has changed since: they stay."""
        foreign = []
        for entry in self.entries():
            try:
                self._put(entry)
            except (ChangeError, OSError) as exc:
                foreign.append(str(exc))
        self._clear()
        return foreign

    def _put(self, entry: Fields) -> None:
        if not os.path.isdir(os.path.dirname(entry["path"])):
            self._make_directories(os.path.dirname(entry["path"]))
        with _place(entry) as place:
            current = read(place)
            now = digest(current.content if current else None)
            if now == entry["after"]:
                return
            if now != entry["before"]:
                raise ChangeError(f"{entry['path']} was changed by somebody else in the meantime")
            if not entry["staged"]:
                absent(place)
                return
            os.rename(entry["staged"], place.name, dst_dir_fd=place.directory)
            flush(place.directory)

    def _make_directories(self, path: str) -> None:
        missing = []
        while not os.path.isdir(path):
            missing.append(path)
            path = os.path.dirname(path)
        self.journal.write("directories", paths=missing)
        make_directories(missing[0], 0o755, who=trust(strict=True))

    def undo(self) -> list[str]:
        """Bring every file back as it was; returns what could not be, and where a later text is kept."""
        problems = []
        for entry in self.entries():
            try:
                problems += self._put_back(entry)
            except (ChangeError, OSError) as exc:
                problems.append(f"{entry['path']} was not brought back: {exc}")
        for event in self.journal.events():
            for path in event["paths"] if event["event"] == "directories" else ():
                with contextlib.suppress(OSError):
                    os.rmdir(path)
        self._clear()
        return problems

    def _put_back(self, entry: Fields) -> list[str]:
        try:
            place = _place(entry)
        except FileNotFoundError:
            if entry["before"] == ABSENT:
                return []
            self._make_directories(os.path.dirname(entry["path"]))
            place = _place(entry)
        with place:
            current = read(place)
            now = digest(current.content if current else None)
            if now == entry["before"]:
                return []
            removed = entry["after"] == ABSENT
            if os.path.lexists(entry["staged"]) or (removed and now != ABSENT):
                return [f"{entry['path']} was changed by somebody else: left as it is"]
            said = []
            if current and entry["after"] not in ("", now):
                displaced = make_private(os.path.join(self.directory, "displaced"))
                _write(displaced, entry["name"], current.content, mode=0o600)
                said = [f"{entry['path']} had been changed since; that text is kept as {displaced}/{entry['name']}"]
            if entry["before"] == ABSENT:
                absent(place)
            else:
                self._restore(place, entry)
            return said

    def _restore(self, place: Place, entry: Fields) -> None:
        content = saved_content(self.directory, entry["name"])
        facts = entry["facts"]
        # Not the name of the new text, which tells whether that ever took its place.
        staging, name = self._staging_for(entry["path"]), f"old-{entry['name']}"
        _write(
            staging,
            name,
            content,
            mode=facts["mode"],
            owner=facts["owner"],
            group=facts["group"],
            attributes={name: base64.b64decode(value) for name, value in facts["attributes"].items()},
            times=(facts["times"][0], facts["times"][1]),
        )
        os.rename(os.path.join(staging, name), place.name, dst_dir_fd=place.directory)
        flush(place.directory)

    def abandon(self) -> None:
        """Forget what was staged; nothing had been changed."""
        self._clear()

    def _clear(self) -> None:
        """Remove what was staged."""
        paths = {event["path"] for event in self.journal.events() if event["event"] == "staging"}
        with contextlib.suppress(OSError):
            paths |= {os.path.join(self.directory, n) for n in os.listdir(self.directory) if n.startswith("trees-")}
        for path in sorted(paths):
            shutil.rmtree(path, ignore_errors=True)
        self._staging.clear()


def _entry(path: str, name: str, before: str, after: str, **fields: t.Any) -> Fields:
    """One file of files.json; BEFORE and AFTER are digests, `staged` is where the new text lies."""
    return {"path": path, "name": name, "staged": "", "before": before, "after": after, "facts": None, **fields}


def saved_content(directory: str, name: str) -> bytes:
    with open(os.path.join(directory, "saved", name), "rb") as handle:
        return handle.read()


def _locate(planned: Planned) -> Place:
    return locate(planned.path, trust(planned.owner, planned.group, strict=True))


def _place(entry: Fields) -> Place:
    """Where a file of the plan lies; its links were resolved when it was planned."""
    owner, group = entry["trusted"]
    return locate(entry["path"], trust(owner, group, strict=True), follow=False)


def _mount_of(directory: str) -> int:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return mount_id(descriptor)
    finally:
        os.close(descriptor)


def _write(directory: str, name: str, content: bytes, **facts: t.Any) -> None:
    """Write a file of ours; one that a killed run left is written again."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=descriptor)
        create(descriptor, name, content, **facts)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _pack(before: Original) -> Fields:
    attributes = {name: base64.b64encode(value).decode() for name, value in before.attributes.items()}
    return {
        "mode": stat.S_IMODE(before.mode),
        "owner": before.owner,
        "group": before.group,
        "times": list(before.times),
        "attributes": attributes,
    }
