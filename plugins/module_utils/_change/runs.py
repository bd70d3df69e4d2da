# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on the host's own disk: one directory each below /var/lib/unified/runs, readable by root only."""

from __future__ import annotations

import contextlib
import os
import re
import time
import typing as t

from . import fileset, package_log, packages, revert, timer, units
from .batch import Batch, Difference, Plan
from .errors import ChangeError, RunError
from .files import boot_id, swept
from .journal import BASE, Fields, is_id, machine_id, read_json, recorded, state
from .lock import Lock
from .packages import versions
from .record import Journal, discard, make_private, write_json

KEPT_RUNS, KEPT_DAYS, ALWAYS_KEPT = 30, 365, 5


class Run:
    """One hardening of one host.

    Raises:
        RunError: the id is no name, or the record is damaged or another host's.
    """

    def __init__(self, base: str, identifier: str) -> None:
        if not is_id(identifier):
            raise RunError(f"{identifier!r} is no id of a run: letters, digits, dots, dashes and underscores only")
        self.base, self.id = base, identifier
        self.directory = os.path.join(base, "runs", identifier)
        self.journal = Journal(self.directory)

    @property
    def facts(self) -> Fields:
        facts = read_json(os.path.join(self.directory, "run.json"))
        if facts is None:
            known = os.path.isdir(self.directory)
            if known:
                raise RunError(
                    f"run {self.id} was only half recorded: nothing was changed by it. Remove {self.directory}"
                )
            raise RunError(f"there is no run {self.id} on this host; 'list_runs' shows those that are there")
        if facts["machine"] != machine_id():
            raise RunError(f"run {self.id} was recorded on another host (machine-id {facts['machine']}): not touched")
        return t.cast(Fields, facts)

    def check(self) -> None:
        """Raises:
        RunError: there is no such run, or it is damaged or another host's.
        """
        _facts = self.facts

    @property
    def state(self) -> str:
        """``open``, ``finished`` or ``reverted``."""
        return state(self.journal.events())

    @property
    def console_command(self) -> str:
        """What root types to bring back the state before this run, without any controller."""
        return f"python3 -I {os.path.join(self.directory, 'revert')}"

    def batches(self) -> list[Batch]:
        """In the order in which they were made."""
        names = [name for name in os.listdir(self.directory) if re.match(r"\d\d-", name)]
        return [Batch(os.path.join(self.directory, name)) for name in sorted(names)]

    def create(self, owner: t.Mapping[str, t.Any]) -> None:
        make_private(self.directory)
        number = 1 + max((facts.get("number", 0) for _id, facts in recorded(self.base)), default=0)
        facts: Fields = {"id": self.id, "number": number, "created": time.time(), "owner": dict(owner)}
        revert.write(os.path.join(self.directory, "revert"))
        write_json(os.path.join(self.directory, "packages.json"), versions())
        write_json(os.path.join(self.directory, "package-log.json"), package_log.mark())
        write_json(os.path.join(self.directory, "run.json"), {**facts, "machine": machine_id(), "boot": boot_id()})

    def packages(self) -> dict[str, dict[str, str]]:
        """What packages differ from before the run: by name, the versions then and now, empty for none."""
        before = read_json(os.path.join(self.directory, "packages.json")) or {}
        now = versions()
        names = sorted(name for name in {*before, *now} if before.get(name, "") != now.get(name, ""))
        return {name: {"before": before.get(name, ""), "now": now.get(name, "")} for name in names}

    def next_batch(self, name: str) -> Batch:
        if not is_id(name):
            raise RunError(f"{name!r} is no name of a batch: letters, digits, dots, dashes and underscores only")
        return Batch(make_private(os.path.join(self.directory, f"{len(self.batches()) + 1:02}-{name}")))

    def awaiting(self) -> list[Batch]:
        """Batches whose timer waits for a confirmation."""
        return [batch for batch in self.batches() if batch.state == "applied" and batch.plan["revert_after"]]

    def unfinished(self) -> list[Batch]:
        """Batches that are neither made and kept nor undone."""
        ended = ("confirmed", "reverted")
        batches = [batch for batch in self.batches() if batch.state not in ended]
        return [batch for batch in batches if batch.state != "applied" or batch.plan["revert_after"]]

    def recover(self) -> list[str]:
        """Bring a run that ended without an end to one: what may lock people out is undone, the rest is finished."""
        said = []
        for batch in self.unfinished():
            if batch.state == "prepared":
                batch.abandon()
            elif batch.state == "reverting" or (
                batch.plan and batch.plan["revert_after"] and batch.state in ("applying", "applied")
            ):
                problems = batch.revert()
                said += [f"run {self.id}, batch {batch.name}: undone, for nobody confirmed it", *problems]
            elif batch.state == "applying":
                batch.apply()
                said += [f"run {self.id}, batch {batch.name}: finished", *batch.problems]
        return said

    def ask_for(self, names: t.Sequence[str]) -> None:
        """Note packages that are about to be installed or removed for this run."""
        self.journal.write("packages", names=list(names))

    def end(self, **fields: t.Any) -> None:
        """Note that it has ended, and what its packages are: others', and what comes later, are not its to take away."""
        asked = {name for event in self.journal.events() if event["event"] == "packages" for name in event["names"]}
        before, mark = (read_json(os.path.join(self.directory, f"{name}.json")) for name in ("packages", "package-log"))
        own = asked | (package_log.moved_with(asked, mark) if asked and mark else set())
        after = packages.with_changes_of(own, before or {}, versions()) if asked else before
        write_json(os.path.join(self.directory, "packages-after.json"), after)
        self.journal.write("finished", **fields)

    def revert(self) -> list[str]:
        """Bring back the state before this run, newest batch first; returns what could not be brought back.

        Packages come last, as they came first: programs of theirs undo what the batches did.
        """
        problems = []
        for batch in reversed(self.batches()):
            if batch.state == "prepared":
                batch.abandon()
            elif batch.state in ("applying", "applied", "confirmed", "reverting"):
                problems += batch.revert()
        before, after = (
            read_json(os.path.join(self.directory, f"{name}.json")) for name in ("packages", "packages-after")
        )
        # Without the second nobody knows which were this run's: they are named, not touched.
        if before and after:
            problems += packages.restore(before, after)
            if before != after:
                with contextlib.suppress(ChangeError):
                    units.forget_gone()
        self.journal.write("reverted", problems=problems)
        return problems

    def paths(self) -> set[str]:
        """Files that this run changed and that are not brought back yet."""
        batches = [batch for batch in self.batches() if batch.state not in ("prepared", "reverted")]
        return {entry["path"] for batch in batches for entry in batch.transaction.entries()}


class Runs:
    """All runs of a host, one of which at a time changes it."""

    def __init__(self, base: str = BASE) -> None:
        self.base = base

    def lock(self, what: str, *, timeout: float = 30) -> Lock:
        return Lock(self.base, what, timeout=timeout)

    def all(self) -> list[Run]:
        """Oldest first; those that are half recorded or another host's are left out."""
        return [Run(self.base, name) for name, _facts in recorded(self.base)]

    def open_runs(self) -> list[Run]:
        return [run for run in self.all() if run.state == "open"]

    def begin(
        self, identifier: str, owner: t.Mapping[str, t.Any], *, dead: t.Sequence[str] = (), keep: bool = False
    ) -> tuple[Run, list[str]]:
        """Open a run, or go on with it; what dead runs left is brought to an end first. The lock is held.

        Args:
            dead: open runs whose owner is known to have gone.
            keep: whether a batch of this run that waits to be confirmed is confirmed by this.

        Returns:
            The run, and what was done to others.

        Raises:
            RunError: another run is open and its owner may be alive, or the host has undone a batch of this run by itself.
        """
        run = Run(self.base, identifier)
        if keep:
            self.keep(run)
        said = self.recover(but=run, dead=dead)
        if os.path.isdir(run.directory) and read_json(os.path.join(run.directory, "run.json")):
            if run.facts and run.state != "open":
                raise RunError(f"run {identifier} is {run.state} already: give this one another id")
            if run.awaiting():
                raise RunError(
                    f"run {identifier}: batch {run.awaiting()[0].name} waits to be confirmed. Confirm it first"
                )
            return run, said + run.recover()
        self.prune()
        run.create(owner)
        return run, said

    def recover(self, *, but: Run | None = None, dead: t.Sequence[str] = ()) -> list[str]:
        """End what dead runs and transactions left.

        Raises:
            RunError: an open run's owner may be alive.
        """
        said = fileset.recover(self.base)
        for directory in (timer.DIRECTORY, *(run.directory for run in self.all())):
            swept(directory)
        for run in self.open_runs():
            if but and run.id == but.id:
                continue
            facts = run.facts
            if run.id not in dead and facts["boot"] == boot_id():
                raise LiveOwnerError(run)
            said += run.recover()
            timer.disarm()
            run.journal.write("finished", by="another run, after its owner had gone")
        self._forget_half_recorded()
        return said

    def _forget_half_recorded(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(os.path.join(self.base, "runs")):
                directory = os.path.join(self.base, "runs", name)
                if os.path.isdir(directory) and read_json(os.path.join(directory, "run.json")) is None:
                    discard(directory)

    def keep(self, run: Run) -> None:
        """Confirm the batch that waits; the timer stays armed for the next. The lock is held.

        Raises:
            RunError: the host undid the batch before; nobody's word came in time.
        """
        for batch in run.awaiting():
            batch.confirm()
        batches = run.batches()
        if batches and batches[-1].journal.has("lapsed"):
            lapsed = batches[-1]
            raise RunError(
                f"run {run.id}, batch {lapsed.name}: the host has undone it, for nobody confirmed it within "
                f"{lapsed.plan['revert_after']} s. If people still get in and the host is slow, raise hardening_confirm_seconds "
                "(revert_after of hardening_batch)"
            )

    def confirm(self, run: Run, *, finish: bool) -> list[str]:
        """Keep the batch that waits, and disarm its timer; with FINISH end the run, also one whose batch died. The lock is held.

        Returns:
            What was done about a batch that died.

        Raises:
            RunError: as keep().
        """
        run.check()
        said = []
        try:
            self.keep(run)
        finally:
            if finish and run.state == "open":
                said = run.recover()
                run.end()
            # Another controller's run may have begun since this one ended: the timer is that one's.
            if all(other.id == run.id for other in self.open_runs()):
                timer.disarm()
        return said

    def revertible(self, run: Run) -> bool:
        """Whether a run is still to be reverted.

        Raises:
            RunError: there is no such run, or a later one changed the same files.
        """
        run.check()
        runs = self.all()
        for later in runs[[one.id for one in runs].index(run.id) + 1 :]:
            both = sorted(later.paths() & run.paths())
            if both:
                raise RunError(f"run {later.id} changed {both[0]} later: revert that one first")
        return run.state != "reverted"

    def revert(self, identifier: str, *, dead: t.Sequence[str] = ()) -> tuple[list[str], dict[str, dict[str, str]]]:
        """Bring back the state before a run; what dead runs left is brought to an end first. The lock is held.

        Args:
            dead: as of begin().

        Returns:
            What could not be brought back, and the packages that differ.

        Raises:
            RunError: as revertible(), or another run is open and its owner may be alive.
        """
        run = Run(self.base, identifier)
        run.check()
        problems = self.recover(but=run, dead=dead)
        problems += run.revert() if self.revertible(run) else []
        timer.disarm()
        return problems, run.packages()

    def prune(self, *, now: float | None = None) -> None:
        """Forget the oldest runs that have ended; a clock that jumps costs no more than all but the newest few."""
        ended = [run for run in self.all() if run.state != "open"]
        limit = (now or time.time()) - KEPT_DAYS * 86400
        for number, run in enumerate(reversed(ended), 1):
            if number > KEPT_RUNS or (number > ALWAYS_KEPT and run.facts["created"] < limit):
                discard(run.directory)


class LiveOwnerError(RunError):
    """Another run is open, and its owner may be alive.

    Attributes:
        run: its id. owner: who opened it.
    """

    def __init__(self, run: Run) -> None:
        facts = run.facts
        self.run, self.owner = run.id, facts["owner"]
        who = f"{self.owner.get('user', 'somebody')} on {self.owner.get('controller', 'another machine')}"
        age = max(0, int(time.time() - facts["created"]))
        super().__init__(
            f"run {run.id} of {who} (process {self.owner.get('pid', 'unknown')}), begun {age} s ago, has not ended. Wait for "
            f"it; if it is dead, end it with 'hardening_run: id={run.id} state=reverted' or 'state=finished'"
        )


def apply_batch(
    run: Run, plan: Plan, *, revert_after: int, accept: t.Callable[[list[str]], None] | None = None
) -> tuple[Batch | None, Difference, list[str]]:
    """Make one batch of a run; the lock is held.

    Args:
        revert_after: seconds until the host undoes it by itself unless it is confirmed; 0 for never.
        accept: judges what the checks of the plan said, before anything is changed; raises ChangeError to refuse.

    Returns:
        The batch (None where nothing differs), what differed, and what its checks said.

    Raises:
        ChangeError: nothing has changed, or all was undone.
    """
    batch = run.next_batch(plan.name)
    try:
        difference = Difference(plan, batch.transaction)
        if not difference:
            discard(batch.directory)
            return None, difference, []
    except BaseException:
        discard(batch.directory)
        raise
    said = batch.prepare(difference, revert_after=revert_after)
    try:
        if accept:
            accept(said)
        if revert_after:
            timer.arm(os.path.join(run.directory, "revert"), run_id=run.id, seconds=revert_after)
    except BaseException:
        batch.abandon()
        raise
    try:
        batch.apply()
    except ChangeError:
        timer.disarm()
        raise
    return batch, difference, said
