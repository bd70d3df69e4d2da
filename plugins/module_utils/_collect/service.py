# SPDX-License-Identifier: GPL-3.0-or-later
"""Units, as systemd has merged them from their files, drop-ins and generators.

Items: by unit ``{load, file, active, refused, wanted_by, reached, fragment, drop_ins, exec, replaced}``. ``refused`` is whether the unit's
own conditions kept it from its last start (systemd.unit(5), Condition...), ``reached`` whether a target that wants it is active,
``replaced`` whether a drop-in, or a file that hides the package's own, makes the unit run other programs (one that does its work and ends,
other commands), ``conditions`` those of them that make its start depend on something. A timer also has ``elapses``, whether it will ever
again, ``gap``, the seconds that lie between two times at most (None where there is no second one), and ``triggers``, the unit that it starts,
which is an item too, as are a unit's instances (``x@y.service``).
"""

from __future__ import annotations

import datetime
import os
import re
import shlex

from .command import Command, CommandError
from .configuration import logical_lines, text
from .section import Reader, Section

# Where packages put their units (systemd.unit(5)); what lies in /etc or /run hides them.
VENDORS = ("/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")


class Units(Reader):
    """State of the units that rules speak of, from one call."""

    PROPERTIES = (
        "Id",
        "LoadState",
        "UnitFileState",
        "ActiveState",
        "WantedBy",
        "RequiredBy",
        "UpheldBy",
        "FragmentPath",
        "DropInPaths",
        "ExecStart",
        "ConditionResult",
        "ConditionTimestampMonotonic",
        "Type",
        "Triggers",
        "TimersCalendar",
        "TimersMonotonic",
        "NextElapseUSecRealtime",
        "NextElapseUSecMonotonic",
    )

    def __init__(self, request: list[str]) -> None:
        super().__init__(request)
        self.names = request
        self.listing = Command("systemctl", "list-units", "--plain", "--no-legend", "--all")
        self.path = Command("systemctl", "show", "--property=UnitPath")

    def _show(self, names: list[str]) -> Command:
        return Command("systemctl", "show", f"--property={','.join(self.PROPERTIES)}", "--", *names)

    def read(self) -> Section:
        if not self.names:
            return Section({})
        states = listed(self.listing.text())
        reached = {name for name, state in states.items() if state == "active" and name.endswith(".target")}
        directories = self.path.text().strip().partition("=")[2].split()
        # systemd takes three milliseconds to describe a unit, also one that there is not; most that rules speak of are not there.
        there = [name for name in self.names if name in states or has_file(name, directories)]
        units = {name: unit(f"Id={name}\nLoadState=not-found\nActiveState=inactive", reached) for name in self.names}
        units.update(self._described(there, reached))
        more = {str(facts["triggers"]) for facts in units.values() if facts.get("triggers")}
        stems = {name.partition(".")[0] for name in self.names if name.endswith(".service")}
        more |= {name for name in states if name.endswith(".service") and name.partition("@")[0] in stems}
        units.update(self._described(sorted(more - set(units)), reached))
        return Section(units)

    def _described(self, names: list[str], reached: set[str]) -> dict[str, dict[str, object]]:
        return described(names, self._show(names), reached) if names else {}


def has_file(name: str, directories: list[str]) -> bool:
    """Whether something of a unit's name, or of its template's, lies where systemd looks for units (systemd.unit(5)).

    Args:
        directories: where the manager looks; without any, all is said to be there.
    """
    stem, mark, rest = name.partition("@")
    names = {name, f"{stem}@.{rest.rpartition('.')[2]}"} if mark else {name}
    return not directories or any(os.path.lexists(f"{top}/{one}") for top in directories for one in names)


def listed(output: str) -> dict[str, str]:
    """Active states by name, as `systemctl list-units --plain` printed them; a mark stands before units that have failed."""
    rows = (line.lstrip("*\u25cf \t").split() for line in output.splitlines() if line.strip())
    return {name: active for name, _load, active, *_rest in rows}


def described(names: list[str], command: Command, reached: set[str]) -> dict[str, dict[str, object]]:
    blocks = command.text().strip().split("\n\n")
    if len(blocks) != len(names):
        raise CommandError(f"systemctl described {len(blocks)} units of {len(names)}")
    return {name: unit(block, reached) for name, block in zip(names, blocks)}


def unit(properties: str, reached: set[str]) -> dict[str, object]:
    """A block of ``systemctl show``. ``exec`` is the program of each ExecStart, ``wanted_by`` what pulls the unit in.

    Args:
        reached: targets that are active.
    """
    values = dict(line.split("=", 1) for line in properties.splitlines() if "=" in line)
    pulled = {name for key in ("WantedBy", "RequiredBy", "UpheldBy") for name in values.get(key, "").split()}
    fragment, drop_ins = values.get("FragmentPath", ""), values.get("DropInPaths", "").split()
    # A unit with several commands has a line each; a dictionary keeps the last.
    commands = re.findall(r"^ExecStart=\{ path=(\S+) ; argv\[\]=(.*?) ; ignore_errors=", properties, re.MULTILINE)
    programs = [path for path, _words in commands]
    words = [line for _path, line in commands] if values.get("Type") == "oneshot" else []
    facts: dict[str, object] = {
        "load": values.get("LoadState", ""),
        "file": values.get("UnitFileState", ""),
        "active": values.get("ActiveState", ""),
        "refused": values.get("ConditionTimestampMonotonic", "0") != "0" and values.get("ConditionResult") == "no",
        "wanted_by": sorted(pulled),
        "reached": bool(pulled & reached),
        "fragment": fragment,
        "drop_ins": drop_ins,
        "exec": programs,
        "replaced": values.get("LoadState") == "loaded" and replaced(fragment, drop_ins, programs, words),
        "conditions": conditions(fragment, drop_ins),
    }
    if values.get("Id", "").endswith(".timer"):
        following = {values.get(key, "") for key in ("NextElapseUSecRealtime", "NextElapseUSecMonotonic")}
        facts["elapses"] = bool(following - {"", "0", "infinity"})
        facts["gap"] = gap(properties)
        facts["triggers"] = values.get("Triggers", "").partition(" ")[0]
    return facts


def gap(properties: str) -> float | None:
    """The longest time between two times at which a timer elapses, by the most frequent of its settings (systemd.timer(5))."""
    specifications = re.findall(r"^TimersCalendar=\{ OnCalendar=(.*?) ;", properties, re.MULTILINE)
    spans = re.findall(r"^TimersMonotonic=\{ OnUnit(?:Active|Inactive)USec=(.*?) ;", properties, re.MULTILINE)
    gaps = [float(number) / 1e6 for span in spans for number in re.findall(r"s: (\d+)", _analyzed("timespan", span))]
    for specification in specifications:
        times = [
            datetime.datetime.fromisoformat(moment)
            for moment in re.findall(
                r"(?:Next elapse|Iter(?:ation|\.) #\d+): \w+ (\S+ \S+) UTC",
                _analyzed("calendar", "--iterations=8", specification),
            )
        ]
        gaps += [max((after - before).total_seconds() for before, after in zip(times, times[1:]))] if times[1:] else []
    return min(gaps, default=None)


def _analyzed(verb: str, *arguments: str) -> str:
    return Command("env", "TZ=UTC", "systemd-analyze", verb, *arguments).text()


def own_file(fragment: str) -> str:
    """The file of a unit that its package brought, or where none did, the unit's file itself."""
    package = next(
        (path for path in (f"{top}/{os.path.basename(fragment)}" for top in VENDORS) if os.path.isfile(path)), ""
    )
    return fragment if fragment.startswith(VENDORS) or not package else package


def replaced(fragment: str, drop_ins: list[str], programs: list[str], commands: list[str]) -> bool:
    """Whether a unit runs other programs than the file says that its package brought, or where none did, its own file.

    Args:
        commands: the same with their arguments, where those are asked for, too.
    """
    own = own_file(fragment)
    if not fragment or (own == fragment and not drop_ins):
        return False
    written = own_commands(own)
    if programs != [path for path, _words in written]:
        return True
    return any(
        shlex.split(command) != shlex.split(words)
        for command, (_path, words) in zip(commands, written)
        # What systemd or a shell puts in is not the same text.
        if not set("%$\\\"'") & set(words + command)
    )


def own_commands(fragment: str) -> list[tuple[str, str]]:
    """Programs of the ExecStart lines of a unit's file (systemd.service(5)), each alone and with its arguments; the marks before a
    path are not part of it.
    """
    lines = logical_lines(text(fragment, {}) or "", "#;")
    commands = [command for line in lines for command in re.findall(r"^ExecStart=[-@:+!|]*(\S.*)", line)]
    return [(command.split()[0], command) for command in commands]


def conditions(fragment: str, drop_ins: list[str]) -> list[str]:
    """Files that no package brought and that make a unit's start depend on something (systemd.unit(5), systemd.service(5))."""
    known = set(_conditions(own_file(fragment))) if fragment else set()
    added = [path for path in (fragment, *drop_ins) if path and not path.startswith(VENDORS)]
    return [path for path in added if set(_conditions(path)) - known]


def _conditions(path: str) -> list[str]:
    pattern = re.compile(r"(Condition\w+|Assert\w+|ExecCondition)\s*=\s*\S")
    return [line for line in logical_lines(text(path, {}) or "", "#;") if pattern.match(line)]
