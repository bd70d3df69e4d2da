# SPDX-License-Identifier: GPL-3.0-or-later
"""Kinds `file`, `scan`, `mount` and `partition`."""

from __future__ import annotations

import typing as t

from ...module_utils._collect.files import fstab
from .._constraint import text
from .base import Check, Demand, Desired, Evidence, Kind, Rule, Ruling, offenders, ruling
from .goss import Template, as_json, literal, lookup, matching, mode_pattern


class File(Kind):
    """Mode, owner and group of a path, or of every path that a pattern matches."""

    name = "file"
    sections = ("files",)
    constrained = ("mode", "owner", "group")
    fields = frozenset({"optional", "except"})

    def request(self, rule: Rule) -> dict[str, t.Any]:
        return {"files": {rule.key: list(rule.spec.get("except", ()))}}

    def _wrong(self, demand: Demand, facts: dict[str, str]) -> list[str]:
        return [f"{name} {facts[name]}" for name, wanted in demand.constraints.items() if not wanted.holds(facts[name])]

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        found = evidence["files"][demand.key]
        expected = ", ".join(f"{name} {wanted.describe()}" for name, wanted in demand.constraints.items())
        if not found:
            return Ruling("pass" if demand.rule.spec.get("optional") else "fail", "no such file", expected)
        bad = [f"{path} {', '.join(wrong)}" for path, facts in found.items() if (wrong := self._wrong(demand, facts))]
        if bad:
            return offenders(bad, expected)
        one = next(iter(found.values()))
        same = all(facts == one for facts in found.values())
        shown = " ".join(one[name] for name in demand.constraints) if same else f"{len(found)} files, all safe"
        return ruling(True, shown, expected)

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        for path, facts in evidence["files"][demand.key].items():
            for name, wanted in demand.constraints.items():
                if not wanted.holds(facts[name]):
                    desired.attributes.setdefault(path, {"path": path})[name] = text(wanted.target(facts[name]))

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        found = evidence["files"][demand.key]
        if not found:
            exists = not demand.rule.spec.get("optional")
            return [Check("file", {"path": demand.key, "exists": exists})]
        attributes = {}
        for name, wanted in demand.constraints.items():
            if wanted.at_most is not None:
                attributes[name] = {"match-regexp": mode_pattern(wanted.at_most)}
            else:
                allowed = wanted.in_ if wanted.in_ is not None else (wanted.eq,)
                attributes[name] = {"match-regexp": f"^({'|'.join(literal(one) for one in allowed)})$"}
        return [Check("file", {"path": path, "exists": True, **attributes}) for path in found]


class Scan(Kind):
    """What the walk over the file systems found."""

    name = "scan"
    sections = ("scan",)
    constrained = ()

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        if not evidence["scan"]:
            return Ruling("not_checked", "the file systems were not walked", "none")
        found = offenders(evidence["scan"][demand.key], "none")
        return Ruling(found.verdict, f"{found.actual} (of {evidence['scan']['inodes']} inodes)", found.expected)

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        change = {"world_writable_files": "o-w", "world_writable_directories": "+t"}[demand.key]
        for path in evidence["scan"][demand.key]:
            # A rule on the file itself has the stricter word.
            desired.attributes.setdefault(path, {"path": path}).setdefault("mode", change)

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        return [
            matching(as_json("scan", demand.key), {"have-len": 0}),
            # A walk that walked nothing would be green.
            matching(Template(f"{{{{ {lookup('scan', 'inodes')} | int64 }}}}"), {"ge": 100}),
        ]


def fstab_line(point: str, facts: t.Mapping[str, t.Any], options: list[str]) -> str:
    return f"{facts['source']} {point} {facts['type']} {','.join(options)} 0 0"


def set_mount(content: str, point: str, line: str) -> str:
    """Replace the fstab line of a mount point, or append it."""
    lines = content.splitlines()
    for index, old in enumerate(lines):
        columns = old.split()
        if len(columns) >= 4 and columns[1] == point and not old.lstrip().startswith("#"):
            rest = " ".join(columns[4:6]) or "0 0"
            lines[index] = " ".join([*line.split()[:4], rest])
            return "\n".join(lines) + "\n"
    return "\n".join([*lines, line]) + "\n"


FSTAB = "/etc/fstab"


class Mount(Kind):
    """A mount option; the key is ``<mount point>:<option>``."""

    name = "mount"
    sections = ("mounts", "texts")
    constrained = ()

    def request(self, rule: Rule) -> dict[str, t.Any]:
        return {"texts": [FSTAB]}

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        point, option = demand.key.rsplit(":", 1)
        live = evidence["mounts"]["live"].get(point)
        stored = evidence["mounts"]["fstab"].get(point)
        if live is None:
            return Ruling("not_applicable", f"{point} is not a file system of its own")
        missing = [
            where
            for where, facts in (("mounted", live), ("in fstab", stored))
            if facts and option not in facts["options"]
        ]
        return ruling(
            not missing, f"without {option}: {' and '.join(missing)}" if missing else ",".join(live["options"]), option
        )

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        point, option = demand.key.rsplit(":", 1)
        live = evidence["mounts"]["live"][point]
        planned = fstab(desired.text(FSTAB, evidence)).get(point)
        stored = planned or {
            **live,
            "options": ["defaults", *(o for o in ("nosuid", "nodev", "noexec") if o in live["options"])],
        }
        if live["type"] == "tmpfs" and not planned and point != "/dev/shm":
            # systemd's tmp.mount gives these; a line in fstab takes its place.
            stored["options"] += ["mode=1777", "size=50%"]
        options = [*stored["options"], option] if option not in stored["options"] else stored["options"]
        desired.file(FSTAB, set_mount(desired.text(FSTAB, evidence), point, fstab_line(point, stored, options)))
        if option not in live["options"]:
            desired.run("mount", "-o", f"remount,{option}", point)

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        point, option = demand.key.rsplit(":", 1)
        return [Check("mount", {"mountpoint": point, "exists": True, "opts": {"contain-element": option}})]


class Partition(Kind):
    name = "partition"
    sections = ("mounts", "texts")
    constrained = ()

    def request(self, rule: Rule) -> dict[str, t.Any]:
        return {"texts": [FSTAB]}

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        live = evidence["mounts"]["live"].get(demand.key)
        return ruling(
            live is not None,
            f"{live['type']} on {live['source']}" if live else "part of another file system",
            "a file system of its own",
        )

    def pending(self, demand: Demand, evidence: Evidence) -> str:
        # Mounting over a directory in use would hide its files from running programs.
        return f"{demand.key} is mounted at the next boot" if demand.key in evidence["mounts"]["fstab"] else ""

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        facts = {"source": "tmpfs", "type": "tmpfs"}
        line = fstab_line(demand.key, facts, ["defaults", "nosuid", "nodev", "noexec", "mode=1777", "size=50%"])
        desired.file(FSTAB, set_mount(desired.text(FSTAB, evidence), demand.key, line))

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        return [Check("mount", {"mountpoint": demand.key, "exists": True})]
