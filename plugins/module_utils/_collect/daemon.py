# SPDX-License-Identifier: GPL-3.0-or-later
"""When daemons started and when their files changed, so that one that runs with an older configuration is seen."""

from __future__ import annotations

import os
import re
import time
import typing as t

from .command import Command, CommandError, read

# More than slewing (adjtime(3)) and systemd's whole seconds explain: the clock was set.
CLOCK_WAS_SET = 2.0


class Daemons:
    """Asks systemd when the main processes of UNITS started."""

    PROPERTIES = ("Id", "MainPID", "ExecStart", "ExecMainStartTimestamp", "ExecMainStartTimestampMonotonic")

    def __init__(self, units: list[str]) -> None:
        self.units = units
        options = ("--timestamp=unix", f"--property={','.join(self.PROPERTIES)}")
        self.command = Command("systemctl", "show", *options, "--", *units) if units else None

    def started(self) -> dict[str, float | None]:
        """Seconds since 1970 at which each unit's main process started, None where none runs.

        The monotonic clock tells how long ago it was, so a clock that was set since does not matter. Where it was
        set, files may carry either clock's time: the earlier moment is taken, and more counts as changed since.

        Raises:
            CommandError: systemd does not answer.
        """
        return {unit: start(properties, time.time()) for unit, properties in self._described().items()}

    def _described(self) -> dict[str, dict[str, str]]:
        if self.command is None:
            return {}
        blocks = self.command.text().strip().split("\n\n")
        if len(blocks) != len(self.units):
            raise CommandError(f"systemctl described {len(blocks)} units of {len(self.units)}")
        return {
            unit: dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
            for unit, block in zip(self.units, blocks)
        }

    def arguments(self, program: str) -> list[list[str]]:
        """Arguments of PROGRAM, as its units start it next and as it runs."""
        made = []
        for properties in self._described().values():
            unit = re.search(r"argv\[\]=(.*?) ;", properties.get("ExecStart", ""))
            running = (read(f"/proc/{properties.get('MainPID')}/cmdline") or "").rstrip("\0").split("\0")
            starts = (unit[1].split() if unit else [], running)
            made += [words[1:] for words in starts if words and os.path.basename(words[0]) == program]
        return made

    def elsewhere(self, program: str, option: str, usual: str) -> str:
        """What PROGRAM, as it runs or as its unit starts it next, is told by OPTION to read in place of USUAL; empty where nothing."""
        named = [os.path.normpath(_argument(words, option) or usual) for words in self.arguments(program)]
        return next((path for path in named if path != usual), "")


def _argument(words: t.Sequence[str], option: str) -> str:
    """The argument of the last OPTION (``-f``), behind it or joined to it; empty without one."""
    joined = [word[len(option) :] for word in words if word.startswith(option) and word != option]
    return ([*joined, *(after for word, after in zip(words, words[1:]) if word == option)] or [""])[-1]


def start(properties: dict[str, str], now: float, monotonic: float | None = None) -> float | None:
    """The start that PROPERTIES of a unit tell, as `Daemons.started` returns it."""
    monotonic = time.monotonic() if monotonic is None else monotonic
    since_boot = int(properties.get("ExecMainStartTimestampMonotonic") or 0) / 1e6
    if properties.get("MainPID", "0") == "0" or not since_boot:
        return None
    # To the hundredth: two looks at one daemon must say the same.
    by_monotonic = round(now - (monotonic - since_boot), 2)
    by_wall = float(properties.get("ExecMainStartTimestamp", "").lstrip("@") or by_monotonic)
    if abs(by_wall - by_monotonic) > CLOCK_WAS_SET:
        return min(by_wall, by_monotonic)
    return by_monotonic


def changed(paths: list[str]) -> dict[str, float]:
    """Seconds since 1970 of the last change of PATHS that are there, directories (a file was added or removed) too.

    The time of the inode's change counts: `cp -p`, `mv`, `touch -d` and package managers give a file an old mtime.
    """
    times = {}
    for path in paths:
        try:
            times[path] = os.stat(path).st_ctime
        except OSError:
            continue  # what is gone changes its directory
    return times
