# SPDX-License-Identifier: GPL-3.0-or-later
"""What is mounted, and what fstab and systemd's own units ask for. Values of secrets are masked."""

from __future__ import annotations

import glob
import json
import os
import re
import typing as t

from .._url import MASK
from .command import Command, CommandError, read
from .filesystems import mounted, private, unescaped
from .paths import precedence, shown
from .section import Reader, Section

FSTAB = "/etc/fstab"
# Where units lie, the first before the others (systemd.unit(5)). Between the operator's and the packages' stand those that a
# generator makes of fstab, and last those that one makes of partitions (systemd-gpt-auto-generator(8)).
OPERATORS = ("/etc/systemd/system", "/run/systemd/system")
GENERATED = "/run/systemd/generator"
PACKAGES = ("/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/run/systemd/generator.late")
_OPTIONS = re.compile(r"^\s*Options\s*=[ \t]*(\S*)", re.MULTILINE)
_SECRET = re.compile(r"(pass|cred|key)[^=]*", re.IGNORECASE)
_PATH = re.compile(r"(cred|key)[^=]*=/", re.IGNORECASE)
_USER = re.compile(r"user(name)?", re.IGNORECASE)
_IN_SOURCE = re.compile(r"(//|#|^)([^/@:]*):[^/@]+@")


class Mounts(Reader):
    """``live`` and ``fstab`` by mount point, each with ``source``, ``type`` and ``options``; ``broken``: what is wrong
    with the fstab in findmnt's words, empty where nothing is; ``units`` by mount point, each with the ``source`` that sets its
    ``options``, whether it ``wins`` over a line of fstab (systemd.mount(5)), and whether it is ``pulled`` in by another unit.
    """

    def __init__(self, request: None = None) -> None:
        super().__init__(request)
        columns = ("--json", "--list", "--nofsroot", "--output", "TARGET,SOURCE,FSTYPE,OPTIONS")
        self.text = read(FSTAB) or ""
        self.live = Command("findmnt", "--kernel", *columns)
        self.stored = Command("findmnt", "--fstab", *columns)
        self.verified = Command("findmnt", "--verify")

    def read(self) -> Section:
        live, left_out = self._live()
        items = {"live": live, "fstab": self._stored(), "broken": self._broken(), "units": units()}
        return Section(items, {**left_out, **private()})

    def _live(self) -> tuple[dict[str, t.Any], dict[str, str]]:
        """What findmnt says, and where the kernel's own table says otherwise."""
        table = {
            shown(one.point): {**_facts(one.source, one.type, list(one.options)), "device": one.device}
            for one in mounted()
        }
        try:
            listed = dict(_listed(self.live.text()))
        except CommandError:
            return table, {}
        left_out = {}
        for point in sorted(table.keys() | listed.keys()):
            one, other = table.get(point), listed.get(point)
            if one is None or other is None:
                # An automount, or somebody's unmount, between the two looks.
                left_out[point] = f"in {'findmnt' if one is None else 'mountinfo'} only: it comes or goes"
            elif (one["type"], set(one["options"])) != (other["type"], set(other["options"])):
                left_out[point] = "findmnt and the kernel's table tell it differently"
        return table, left_out

    def _stored(self) -> dict[str, t.Any]:
        if not self.text:
            return {}
        try:
            # findmnt ends with 1 where there is no line.
            return _by_point(_listed(self.stored.text(accept=(0, 1))))
        except CommandError:
            return fstab(self.text)

    def _broken(self) -> str:
        if not self.text or not self.verified.installed:
            return ""
        report = self.verified.text(accept=(0, 1))
        return next((line.strip() for line in report.splitlines() if "[E]" in line), "")


def _facts(source: str, filesystem: str, options: list[str]) -> dict[str, t.Any]:
    return {
        "source": shown(_IN_SOURCE.sub(rf"\1\2:{MASK}@", source)),
        "type": filesystem,
        "options": [shown(masked(option)) for option in options],
    }


def units(
    operators: tuple[str, ...] = OPERATORS, generated: str = GENERATED, packages: tuple[str, ...] = PACKAGES
) -> dict[str, dict[str, t.Any]]:
    """Mount units that are files, and what drop-ins make of them. Of those that a line of fstab became, only what a drop-in changes."""
    directories = (*operators, generated, *packages)
    fragments: dict[str, str] = {}
    for directory in reversed(directories):
        fragments.update({os.path.basename(path): path for path in sorted(glob.glob(f"{directory}/*.mount"))})
    pulled = _pulled(directories)
    points: dict[str, dict[str, t.Any]] = {}
    for name, fragment in fragments.items():
        content = read(fragment) or ""
        where = re.search(r"^\s*Where\s*=\s*(\S+)", content, re.MULTILINE)
        # Those of all mounts, too.
        places = tuple(f"{one}/{unit}.d" for unit in (name, "mount") for one in directories)
        files = [fragment, *precedence(places, ".conf")]
        set_by = [(path, options[-1]) for path in files if (options := _OPTIONS.findall(read(path) or ""))]
        source, written = set_by[-1] if set_by else (fragment, "")
        if where and (source != f"{generated}/{name}" or f"SourcePath={FSTAB}\n" not in content):
            points[where[1]] = {
                "source": source,
                "options": [masked(one) for one in written.split(",")],
                "wins": source != fragment or not source.startswith((*packages, generated)),
                "pulled": name in pulled,
            }
    return points


def _pulled(directories: t.Iterable[str]) -> set[str]:
    """Mount units that another unit pulls in, or that an automount unit starts which one pulls in (systemd.unit(5), .wants/)."""
    links = (
        path
        for directory in directories
        for dependency in ("wants", "requires", "upholds")
        for path in glob.glob(f"{directory}/*.{dependency}/*mount")
    )
    return {re.sub(r"\.automount$", ".mount", os.path.basename(path)) for path in links}


def _listed(output: str) -> list[tuple[str, dict[str, t.Any]]]:
    """findmnt's rows: mount point and facts."""
    return [
        (shown(row["target"]), _facts(row["source"] or "", row["fstype"] or "", (row["options"] or "").split(",")))
        for row in (json.loads(output)["filesystems"] if output.strip() else ())
    ]


def fstab(text: str) -> dict[str, dict[str, t.Any]]:
    """The file systems of an fstab, by mount point (fstab(5))."""
    fields = (line.split() for line in text.split("\n"))
    return _by_point(
        (shown(mount_point(row)), _facts(unescaped(row[0]), row[2], row[3].split(",") if len(row) > 3 else []))
        for row in fields
        if len(row) >= 3 and not row[0].startswith("#")
    )


def mount_point(row: t.Sequence[str]) -> str:
    """The mount point of an fstab line's fields."""
    return unescaped(row[1]).rstrip("/") or "/"


def _by_point(rows: t.Iterable[tuple[str, dict[str, t.Any]]]) -> dict[str, dict[str, t.Any]]:
    """Of several lines for one mount point only those options count that all have."""
    points: dict[str, dict[str, t.Any]] = {}
    for point, facts in rows:
        if point in points:
            facts["options"] = [option for option in facts["options"] if option in points[point]["options"]]
        points[point] = facts
    return points


def masked(option: str) -> str:
    """A mount option without its secret: values of ``pass*``, ``cred*`` and ``key*``, and what follows a ``%`` in cifs' user."""
    name, mark, value = option.partition("=")
    if mark and _SECRET.fullmatch(name):
        return f"{name}={MASK}"
    if _USER.fullmatch(name) and "%" in value:
        return f"{name}={value.partition('%')[0]}%{MASK}"
    return option


def secret_line(text: str) -> int:
    """The number of the first line of an fstab that holds a secret; 0 where none does. A path to a file is none."""
    for number, line in enumerate(text.split("\n"), 1):
        # Commented lines too: a secret in them is no less one.
        fields = line.lstrip("# \t").split()
        source, options = fields[:1], fields[3].split(",") if len(fields) > 3 else []
        secret = [option for option in options if masked(option) != option and not _PATH.match(option)]
        if secret or any(_IN_SOURCE.search(one) for one in source):
            return number
    return 0
