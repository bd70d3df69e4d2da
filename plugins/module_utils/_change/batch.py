# SPDX-License-Identifier: GPL-3.0-or-later
"""One batch: files, attributes, settings, accounts, units and commands that are made together, finished or undone together.

Everything that is needed to finish it and to undo it is on the disk before the first change. Its journal tells how far it
came: `applying` before the first change, `done <step>` after each, `applied` after the last, then `confirmed` or `reverted`.
"""

from __future__ import annotations

import os
import time
import typing as t
from functools import partial

from . import attributes, states, units
from .attributes import Wish
from .commands import Command, change_filters, matching, saves
from .derived import derive
from .errors import ChangeError, PathError
from .journal import Fields, read_json
from .programs import must
from .record import discard, make_private, release, reserve, write_json
from .transaction import Change, Check, Planned, Transaction

SETTLE_SECONDS = 10
COMMAND_SECONDS = 3600
"""A database of a whole file system, an initial RAM disk: minutes on a slow host."""
_UNIT_FILES = ("/etc/systemd/", "/etc/fstab", "/run/systemd/", "/usr/lib/systemd/system/")


class Plan(t.NamedTuple):
    """All that one batch is to bring about."""

    name: str
    files: t.Sequence[Planned] = ()
    checks: t.Sequence[Check] = ()
    attributes: t.Sequence[Wish] = ()
    sysctls: t.Mapping[str, str] = {}
    accounts: t.Sequence[t.Mapping[str, t.Any]] = ()
    units: units.Units = units.Units()
    commands: t.Sequence[Command] = ()


class Difference:
    """What of a plan differs from the host.

    Raises:
        StaleError, ChangeError: as Transaction.changes().
    """

    def __init__(self, plan: Plan, transaction: Transaction) -> None:
        self.plan = plan
        self.files: list[Change] = transaction.changes(plan.files)
        self.refused: list[dict[str, str]] = transaction.refused
        self.missing: list[str] = []
        self.attributes: list[Fields] = []
        for wish in plan.attributes:
            self._look(wish)
        self.sysctls = {}
        for key, value in plan.sysctls.items():
            now = states.sysctl(key)
            if now is None:
                self.refused.append({"path": key, "reason": "this kernel has no such setting"})
            elif now != " ".join(value.split()):
                self.sysctls[key] = {"before": now, "after": value}
        self.accounts = []
        for entry in plan.accounts:
            now_account = states.account(entry["name"])
            if states.account_differs(entry, now_account):
                self.accounts.append({"after": dict(entry), "before": now_account})
        names = plan.units.checked().names()
        self.unit_states = units.states(names)
        self.verbs = units.settling(self.unit_states, plan.units) if names else {}
        self.waking = units.waking(self.unit_states, plan.units) if names else {}

    def _look(self, wish: Wish) -> None:
        try:
            entry = attributes.look(wish)
        except FileNotFoundError:
            self.missing.append(wish.path)
        except (ChangeError, OSError) as exc:
            reason = str(exc) if isinstance(exc, ChangeError) else str(exc.strerror)
            self.refused.append({"path": wish.path, "reason": reason})
        else:
            self.attributes += [entry] if entry else []

    def changed_units(self) -> list[str]:
        names = [name for group in (*self.verbs.values(), *self.waking.values()) for name in group]
        return list(dict.fromkeys(names))

    def __bool__(self) -> bool:
        parts = (self.files, self.attributes, self.sysctls, self.accounts, self.changed_units(), self.plan.commands)
        return any(parts)


class Batch:
    """A batch in its directory below the run's."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.name = os.path.basename(directory)
        run_id = os.path.basename(os.path.dirname(directory))
        self.transaction = Transaction(directory, name=f"{run_id}-{self.name}")
        self.journal = self.transaction.journal
        self.problems: list[str] = []

    # Written before the first change

    def prepare(self, difference: Difference, *, revert_after: int) -> list[str]:
        """Save, stage and validate all; returns what the checks said.

        Raises:
            ChangeError: something refuses; nothing has changed, and nothing is left.
        """
        plan = difference.plan
        self.journal.write("prepared", name=plan.name)
        try:
            said = self.transaction.prepare(difference.files, plan.checks)
            patterns = saves(plan.commands)
            fields: Fields = {
                "name": plan.name,
                "revert_after": revert_after,
                "attributes": difference.attributes,
                "sysctls": difference.sysctls,
                "accounts": difference.accounts,
                "units": plan.units._asdict(),
                "unit_states": difference.unit_states,
                "saves": patterns,
                "there": matching(patterns),
                "commands": [command._asdict() for command in plan.commands],
                "reload": any(change.path.startswith(_UNIT_FILES) for change in difference.files),
                "serving": states.serving() if plan.commands or plan.units.names() else None,
                "firewall": states.firewall() if change_filters(plan.commands, plan.units.names()) else None,
            }
            if patterns:
                touched = Transaction(make_private(os.path.join(self.directory, "touched")))
                touched.save(fields["there"])
            reserve(self.directory)
            write_json(os.path.join(self.directory, "plan.json"), fields)
        except BaseException:
            self.abandon()
            raise
        return said

    @property
    def plan(self) -> Fields:
        return t.cast(Fields, read_json(os.path.join(self.directory, "plan.json")) or {})

    @property
    def state(self) -> str:
        """``prepared``, ``applying``, ``applied``, ``confirmed``, ``reverting`` or ``reverted``."""
        events = [event["event"] for event in self.journal.events()]
        known = ("prepared", "applying", "applied", "confirmed", "reverting", "reverted")
        return next((event for event in reversed(events) if event in known), "prepared")

    # Change

    def apply(self) -> None:
        """Make all changes, or where one fails none; strike off each as it is done. Called again, it finishes the rest.

        Raises:
            ChangeError: a change failed, and what had been made is undone; the message names what could not be.
        """
        plan = self.plan
        first = self.state == "prepared"
        if first:
            self.journal.write("applying")
        done = {event["step"] for event in self.journal.events() if event["event"] == "done"}
        for step in self._steps(plan):
            if step in done:
                continue
            try:
                self._do(step, plan, first=first)
            except (ChangeError, OSError) as exc:
                problems = self.revert()
                said = f"; not everything could be undone: {'; '.join(problems)}" if problems else "; all was undone"
                raise ChangeError(f"{exc}{said}") from exc
            self.journal.write("done", step=step)
        self.journal.write("applied", monotonic=time.monotonic())
        if not plan["revert_after"]:
            release(self.directory)

    @staticmethod
    def _steps(plan: Fields) -> list[str]:
        """What is to be done, in order: what is read comes before who reads it."""
        steps = ["files", "attributes", *(f"sysctl {key}" for key in plan["sysctls"])]
        steps += [f"account {number}" for number in range(len(plan["accounts"]))]
        steps += ["daemon-reload"] if plan["reload"] else []
        steps += ["units"] if plan["unit_states"] else []
        steps += [f"command {number}" for number in range(len(plan["commands"]))]
        steps += ["wake"] if plan["unit_states"] else []
        return [*steps, "look"] if plan["serving"] else steps

    def _do(self, step: str, plan: Fields, *, first: bool) -> None:
        kind, _mark, which = step.partition(" ")
        if kind == "files":
            if first:
                self.transaction.commit()
            else:
                self.problems += self.transaction.finish()
        elif kind == "attributes":
            self._attributes(plan)
        elif kind == "sysctl":
            states.set_sysctl(which, plan["sysctls"][which]["after"])
        elif kind == "account":
            states.set_account(plan["accounts"][int(which)]["after"])
        elif kind == "daemon-reload":
            units.daemon_reload()
        elif kind == "command":
            self.journal.write("begun", step=step)
            self._command(Command(**plan["commands"][int(which)]))
            self.journal.write("made", paths=_made(plan))
        elif kind == "look":
            if first:  # what served before a run that died may have gone since for reasons of its own
                self._look(plan)
        else:
            desired = units.Units(**plan["units"])
            current = units.states(desired.names())
            verbs = units.settling(current, desired) if kind == "units" else units.waking(current, desired)
            for verb, names in verbs.items():
                units.act(verb, names)

    @staticmethod
    def _look(plan: Fields) -> None:
        """What served before must serve still; a daemon that dies of its configuration does so within a moment."""
        stopped, deadline = plan["units"]["masked"], time.monotonic() + SETTLE_SECONDS
        quiet = 0
        while True:
            lost = states.lost(plan["serving"], states.serving(), stopped)
            quiet = 0 if lost else quiet + 1
            if quiet == 2:
                return
            if lost and time.monotonic() > deadline:
                raise ChangeError(f"no longer there after the change: {', '.join(lost)}")
            time.sleep(0.3)

    def _attributes(self, plan: Fields) -> None:
        for entry in plan["attributes"]:
            try:
                attributes.change(entry)
            except (ChangeError, OSError) as exc:
                self.problems.append(_reason(entry["path"], exc))

    def _command(self, command: Command) -> None:
        try:
            if command.into:
                answer = derive(
                    command.argv, command.into, self.directory, timeout=COMMAND_SECONDS, keeps=command.keeps
                )
            else:
                answer = command.run(timeout=COMMAND_SECONDS)
            if command.is_for_boot_loader:
                os.sync()
            said = f"'{' '.join(command.argv)}' ended with {answer.code}: {answer.said}" if answer.code else ""
        except PathError as exc:
            said = str(exc)
        if said and command.required:
            raise ChangeError(said)
        if said:
            self.problems.append(said)

    # The way back

    def lapsed(self) -> bool:
        """Whether its time to be confirmed is over. It begins when all is made: commands of a batch may take longer than it.

        After a boot the clock is behind that moment: nobody has confirmed then either.
        """
        applied = next((event for event in reversed(self.journal.events()) if event["event"] == "applied"), None)
        waited = time.monotonic() - applied["monotonic"] if applied else -1
        return not 0 <= waited < self.plan["revert_after"]

    def confirm(self) -> None:
        self.journal.write("confirmed")
        release(self.directory)

    def lapse(self) -> list[str]:
        """Undo a batch that nobody confirmed in time; who still waits for it is told, also where this is killed. As revert()."""
        release(self.directory)
        self.journal.write("lapsed")
        return self.revert()

    def abandon(self) -> None:
        """Forget a batch of which nothing was changed."""
        self.transaction.abandon()
        discard(self.directory)

    def revert(self) -> list[str]:
        """Bring back what this batch changed; goes on after whatever fails, and returns what could not be brought back."""
        plan = self.plan
        release(self.directory)
        self.journal.write("reverting")
        problems = self.transaction.undo()
        touched = os.path.join(self.directory, "touched")
        if os.path.isdir(touched):
            problems += Transaction(touched).undo()
        for path in self._made(plan):
            problems += _tried(path, partial(os.unlink, path))
        for entry in reversed(plan["attributes"]):
            problems += _tried(entry["path"], partial(attributes.change, entry, back=True))
        for key, values in plan["sysctls"].items():
            problems += _tried(key, partial(states.set_sysctl, key, values["before"]))
        for values in plan["accounts"]:
            problems += _tried(values["before"]["name"], partial(states.restore_account, values["before"]))
        if plan["firewall"] is not None:
            problems += _tried("packet filter", partial(states.restore_firewall, plan["firewall"]))
        problems += self._undo_commands(plan)
        if plan["reload"]:
            problems += _tried("systemd", units.daemon_reload)
        if plan["unit_states"]:
            problems += _tried("units", partial(self._restore_units, plan, problems))
        if plan["serving"]:
            problems += _tried("services", partial(self._revive, plan, problems))
        if any(Command(**fields).is_for_boot_loader for fields in plan["commands"]):
            os.sync()
        self.journal.write("reverted", problems=problems)
        return problems

    def _made(self, plan: Fields) -> list[str]:
        """Files that its commands made, one that failed or was killed among them."""
        events = self.journal.events()
        made = {path for event in events if event["event"] == "made" for path in event["paths"]}
        ended = next((event["event"] for event in reversed(events) if event["event"] in ("begun", "made")), "made")
        return sorted(made.union(_made(plan) if ended == "begun" else ()))

    def _undo_commands(self, plan: Fields) -> list[str]:
        events = self.journal.events()
        begun, done = ({event["step"] for event in events if event["event"] == which} for which in ("begun", "done"))
        problems = []
        for number, fields in reversed(list(enumerate(plan["commands"]))):
            command = Command(**fields)
            step = f"command {number}"
            if command.undo and step in begun:
                problems += _tried(command.undo[0], partial(must, command.undo))
            elif step in done and not command.is_undone:
                problems.append(f"'{' '.join(command.argv)}' has no known way back")
        return problems

    @staticmethod
    def _restore_units(plan: Fields, problems: list[str]) -> None:
        problems += units.restore(plan["unit_states"])
        desired = units.Units(**plan["units"])
        for verb, names in units.waking(units.states(desired.names()), desired).items():
            units.act(verb, names)

    @staticmethod
    def _revive(plan: Fields, problems: list[str]) -> None:
        """Start what ran before the batch and died of it without being part of it."""
        for name in states.gone(plan["serving"], states.serving(), ()):
            problems += _tried(name, partial(units.act, "start", [name]))


def _made(plan: Fields) -> list[str]:
    """Files that commands of the plan may change and that were not there before them."""
    return sorted(set(matching(plan["saves"])).difference(plan["there"]))


def _tried(what: str, act: t.Callable[[], object]) -> list[str]:
    try:
        act()
    except FileNotFoundError:
        return [f"{what} is not there any more"]
    except (ChangeError, OSError) as exc:
        return [_reason(what, exc)]
    return []


def _reason(what: str, exc: Exception) -> str:
    said = str(exc)
    return said if what in said else f"{what}: {said}"
