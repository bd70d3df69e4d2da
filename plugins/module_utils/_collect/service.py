# SPDX-License-Identifier: GPL-3.0-or-later
"""Units, as systemd has merged them from their files, drop-ins and generators.

Items: by unit ``{load, file, active, refused, wanted_by, reached, fragment, drop_ins, exec, replaced}``. ``refused`` is whether the unit's
own conditions kept it from its last start (systemd.unit(5), Condition...), ``reached`` whether a target that wants it is active,
``replaced`` whether a drop-in, or a file that hides the package's own, makes the unit run other programs. A timer also has ``elapses``,
whether it will ever again, and ``triggers``, the unit that it starts, which is an item too, as are a unit's instances (``x@y.service``).
"""

from __future__ import annotations

import os
import re

from .command import Command, CommandError
from .configuration import text
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
        "Triggers",
        "NextElapseUSecRealtime",
        "NextElapseUSecMonotonic",
    )

    def __init__(self, request: list[str]) -> None:
        super().__init__(request)
        self.names = request
        self.command = self._show(request) if request else None
        listing = ("systemctl", "list-units", "--plain", "--no-legend")
        self.targets = Command(*listing, "--type=target", "--state=active")
        stems = [name.partition(".")[0] for name in request if name.endswith(".service")]
        self.instances = Command(*listing, "--all", "--", *(f"{stem}@*.service" for stem in stems)) if stems else None

    def _show(self, names: list[str]) -> Command:
        return Command("systemctl", "show", f"--property={','.join(self.PROPERTIES)}", "--", *names)

    def read(self) -> Section:
        if self.command is None:
            return Section({})
        reached = set(listed(self.targets.text()))
        units = described(self.names, self.command, reached)
        more = {str(facts["triggers"]) for facts in units.values() if facts.get("triggers")}
        more |= set(listed(self.instances.text()) if self.instances else ())
        others = sorted(more - set(units))
        if others:
            units.update(described(others, self._show(others), reached))
        return Section(units)


def listed(output: str) -> list[str]:
    """Names that `systemctl list-units --plain` printed; a mark stands before those that have failed."""
    return [line.lstrip("*\u25cf \t").split()[0] for line in output.splitlines() if line.strip()]


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
    programs = re.findall(r"^ExecStart=\{ path=(\S+) ;", properties, re.MULTILINE)
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
        "replaced": values.get("LoadState") == "loaded" and replaced(fragment, drop_ins, programs),
    }
    if values.get("Id", "").endswith(".timer"):
        following = {values.get(key, "") for key in ("NextElapseUSecRealtime", "NextElapseUSecMonotonic")}
        facts["elapses"] = bool(following - {"", "0", "infinity"})
        facts["triggers"] = values.get("Triggers", "").partition(" ")[0]
    return facts


def replaced(fragment: str, drop_ins: list[str], programs: list[str]) -> bool:
    """Whether a unit runs other programs than the file says that its package brought, or where none did, its own file."""
    package = next(
        (path for path in (f"{top}/{os.path.basename(fragment)}" for top in VENDORS) if os.path.isfile(path)), ""
    )
    own = fragment if fragment.startswith(VENDORS) or not package else package
    return bool(fragment) and (own != fragment or bool(drop_ins)) and programs != own_programs(own)


def own_programs(fragment: str) -> list[str]:
    """Programs of the ExecStart lines of a unit's file (systemd.service(5)); the marks before a path are not part of it."""
    content = text(fragment, {}) or ""
    return re.findall(r"^ExecStart=[-@:+!|]*(\S+)", content, re.MULTILINE)
