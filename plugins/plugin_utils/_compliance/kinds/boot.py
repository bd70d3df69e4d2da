# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `boot`."""

from __future__ import annotations

import re
import typing as t

from ....module_utils._collect.boot import CMDLINE
from ..boot_loaders import LOADERS, Bad, Loader, Places
from ..constraint import Constraint, text
from ..shape import FLAG, TEXT, by_name, each, maybe, record
from .base import Check, Demand, Desired, Evidence, Kind, Platform, Rule, Ruling
from .matchers import Template, checks, literal, lookup, matching

# What needs no quotes, in a shell's files or in a boot menu.
WRITABLE = re.compile(r"[A-Za-z0-9_.,:=/+@-]+")
NO_FUTURE: Places = {"sources": [], "values": []}
OVERRIDES = {"security": "lsm"}
"""What counts for nothing beside another parameter, a list of modules, that leaves its value out (kernel-parameters.rst)."""


class Boot(Kind):
    """A parameter of the kernel: of the one that runs, and in each entry that the next boot can take."""

    name = "boot"
    sections = ("boot", "text")

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        paths = [path for loader in LOADERS.values() for path in loader.texts(platform)]
        return {"boot": [rule.key, *others(rule.key)], "text": paths}

    def concerns(self, demand: Demand, section: str, item: str) -> bool:
        return section == "boot"

    @staticmethod
    def loaders(evidence: Evidence) -> list[tuple[Loader, Places]]:
        return [(LOADERS[name], stored) for name, stored in evidence["boot"]["loaders"].items()]

    @staticmethod
    def bad(demand: Demand, stored: Places) -> Bad:
        wrong = [entry for entry in stored["entries"] if not holds(demand, entry["values"])]
        return Bad(wrong, [one for one in (stored["future"] or NO_FUTURE)["values"] if not holds(demand, one)])

    def _stored(self, demand: Demand, evidence: Evidence) -> bool:
        return not any(any(self.bad(demand, stored)) for _loader, stored in self.loaders(evidence))

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        boot, key = evidence["boot"], demand.key
        expected = f"{key} {demand.value.describe()}"
        if boot["outside"]:
            return Ruling("not_applicable", boot["outside"])
        if boot["unknown"]:
            return Ruling("not_checked", boot["unknown"], expected)
        parts = [f"{stands(demand, boot['live'])} now"]
        for loader, stored in self.loaders(evidence):
            if not stored["entries"]:
                return Ruling("not_checked", f"{loader.shown} has no entry that starts a kernel", expected)
            bad = self.bad(demand, stored)
            parts += [
                f"{stands(demand, one['values'])} in '{one['title']}' of {one['source']}" for one in bad.entries[:2]
            ]
            parts += [f"{stands(demand, one)} for kernels to come" for one in bad.later[:1]]
            parts += [] if any(bad) else [f"in all {len(stored['entries'])} entries of {loader.shown}"]
        good = holds(demand, boot["live"]) and self._stored(demand, evidence)
        return Ruling("pass" if good else "fail", ", ".join(parts), expected)

    def obstacle(self, demand: Demand, evidence: Evidence) -> str:
        if demand.value.absent:
            return "only people take a parameter out of a boot menu"
        if not WRITABLE.fullmatch(self.target(demand, evidence)):
            return f"a value other than {WRITABLE.pattern} is not written into a boot menu"
        for loader, stored in self.loaders(evidence):
            bad = self.bad(demand, stored)
            for values in [*(entry["values"] for entry in bad.entries), *bad.later]:
                if beside := overridden(demand, values):
                    return f"{beside} decides alone which modules there are: add {self.target(demand, evidence)} to it, or take it away"
            if any(bad) and (reason := loader.obstacle(evidence.platform)):
                return reason
        return ""

    def pending(self, demand: Demand, evidence: Evidence) -> str:
        if not self._stored(demand, evidence):
            return ""
        if evidence["boot"]["booted_since"]:
            return (
                f"the kernel parameter {demand.key} is in every entry, and the host has booted since without it: boot again, and where that"
                " brings nothing see what its firmware starts in their place, or whether the kernel's command line is too long"
            )
        return f"the kernel parameter {demand.key} takes effect at the next boot"

    @staticmethod
    def target(demand: Demand, evidence: Evidence) -> str:
        return text(demand.value.target(evidence["boot"]["live"][demand.key]))

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        for loader, stored in self.loaders(evidence):
            bad = self.bad(demand, stored)
            if any(bad):
                loader.store(demand.key, self.target(demand, evidence), bad, evidence, desired)

    def winner(self, demand: Demand, evidence: Evidence) -> str:
        for loader, stored in self.loaders(evidence):
            bad = self.bad(demand, stored)
            own = loader.texts(evidence.platform)
            if others := [source for source in stored["future"]["sources"] if source not in own] if bad.later else []:
                return f"what {' or '.join(others)} says of {demand.key}"
            for entry in bad.entries:
                if not loader.own(entry):
                    made_by = f" (written by {entry['made_by']})" if entry["made_by"] else ""
                    return f"the entry '{entry['title']}' of {entry['source']}{made_by}"
        return ""

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        boot, key = evidence["boot"], demand.key
        value = boot["live"][key]
        word = literal(f"{key}={value if demand.value.holds(value) else self.target(demand, evidence)}")
        # The last of several counts.
        contents = [f"/(^|\\s){word}(\\s|$)/", f"!/(^|\\s){word}\\s(\\S+\\s+)*{literal(key)}=/"]
        contents += [f"!/(^|\\s){other}=/" for other in others(key) if boot["live"][other] is None]
        made = [Check("file", {"path": CMDLINE, "exists": True, "contents": contents})]
        made += checked(demand, "boot", "live")
        for loader, stored in self.loaders(evidence):
            path = ("boot", "loaders", loader.name)
            for place in range(len(stored["entries"])):
                made += checked(demand, *path, "entries", place, "values")
            for place in range(len((stored["future"] or NO_FUTURE)["values"])):
                made += checked(demand, *path, "future", "values", place)
            # Snippets may have them from GRUB's environment block.
            sources = {str(entry["source"]) for entry in stored["entries"]} if loader.name != "bls" else set()
            for source in sources:
                values = {text(entry["values"][key]) for entry in stored["entries"] if entry["source"] == source}
                words = "|".join(literal(f"{key}={one}") for one in sorted(values))
                made.append(Check("file", {"path": source, "exists": True, "contents": [f"/(^|\\s)({words})(\\s|$)/"]}))
        return made


def others(key: str) -> list[str]:
    """The parameters that can take the effect of KEY away."""
    return [OVERRIDES[key]] if key in OVERRIDES else []


def overridden(demand: Demand, values: t.Mapping[str, str | None]) -> str:
    """What takes the effect of the rule's parameter away, as it stands on a command line; empty where nothing does."""
    named = Constraint(some_of=((text(demand.value.target()),),))
    for other in others(demand.key):
        if values[other] is not None and not named.holds(values[other]):
            return shown(other, values[other])
    return ""


def holds(demand: Demand, values: t.Mapping[str, str | None]) -> bool:
    return demand.value.holds(values[demand.key]) and not overridden(demand, values)


def checked(demand: Demand, *path: str | int) -> list[Check]:
    """`holds` for the values at PATH of the evidence, as Goss resources."""
    made = checks(demand.value, *path, demand.key)
    for other in others(demand.key):
        content = Template(f"{{{{ {lookup(*path, other)} | toJson | toJson }}}}")
        name = literal(demand.value.target())
        made.append(matching(content, {"match-regexp": f'^(null|"([^"]*,)?{name}(,[^"]*)?")$'}))
    return made


def stands(demand: Demand, values: t.Mapping[str, str | None]) -> str:
    """The rule's parameter as it stands on a command line, with what takes its effect away."""
    beside = overridden(demand, values)
    return shown(demand.key, values[demand.key]) + (f" beside {beside}" if beside else "")


def shown(key: str, value: str | None) -> str:
    return f"no {key}" if value is None else f"{key}={value}" if value else key


VALUES = by_name(maybe(TEXT))
ENTRY = record(title=TEXT, source=TEXT, made_by=TEXT, values=VALUES)
STORED = record(entries=each(ENTRY), future=maybe(record(sources=each(TEXT), values=each(VALUES))))
PASSWORD = record(
    menu=TEXT, superusers=each(TEXT), hashed=each(TEXT), plain=each(TEXT), asking=each(TEXT), fingerprint=TEXT
)
SHAPES = {
    "boot": record(
        live=VALUES, loaders=by_name(STORED), booted_since=FLAG, outside=TEXT, unknown=TEXT, password=maybe(PASSWORD)
    ),
}
KINDS = (Boot(),)
