# SPDX-License-Identifier: GPL-3.0-or-later
"""What a kind is, and the values that pass between its answers."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ..constraint import Constraint

Evidence = dict[str, t.Any]


@dataclass(frozen=True)
class Rule:
    """One atomic requirement, as the catalogue has it.

    Attributes:
        spec: what only this kind knows of the rule (``mode``, ``state``, ``rules`` ...).
    """

    id: str
    kind: str
    key: str
    title: str
    severity: str
    spec: t.Mapping[str, t.Any]
    cci: tuple[str, ...] = ()
    when: t.Mapping[str, t.Any] = field(default_factory=dict)
    unless: t.Mapping[str, t.Any] = field(default_factory=dict)
    risk: str = ""
    remediate: str = "automatic"
    reason: str = ""


@dataclass(frozen=True)
class Demand:
    """A rule that was selected, with its merged constraints and the controls that asked for it."""

    rule: Rule
    constraints: t.Mapping[str, Constraint]
    controls: tuple[str, ...]

    @property
    def key(self) -> str:
        return self.rule.key

    @property
    def value(self) -> Constraint:
        return self.constraints["value"]


@dataclass(frozen=True)
class Ruling:
    """What judging a rule found."""

    verdict: str
    actual: str = ""
    expected: str = ""


@dataclass(frozen=True)
class Check:
    """One Goss resource: its type and attributes. ``matching`` contents may be Go templates over the evidence."""

    resource: str
    attributes: t.Mapping[str, t.Any]


@dataclass
class Desired:
    """What must change on one host, merged over all rules; every list is batched into one task."""

    packages_absent: list[str] = field(default_factory=list)
    packages_present: list[str] = field(default_factory=list)
    files: dict[str, dict[str, t.Any]] = field(default_factory=dict)
    attributes: dict[str, dict[str, str]] = field(default_factory=dict)
    units_masked: list[str] = field(default_factory=list)
    units_enabled: list[str] = field(default_factory=list)
    units_restarted: list[str] = field(default_factory=list)
    users: dict[str, dict[str, t.Any]] = field(default_factory=dict)
    commands: list[list[str]] = field(default_factory=list)
    reboot: list[str] = field(default_factory=list)
    banner: str = "Authorised use only. Activity on this system is recorded.\n"

    def text(self, path: str, evidence: Evidence) -> str:
        """The text PATH will have, as far as it is planned: start from it to add to it."""
        if path in self.files:
            return str(self.files[path].get("content") or "")
        return evidence["texts"].get(path) or ""

    def file(self, path: str, content: str | None, *, mode: str = "0644", validate: list[str] | None = None) -> None:
        """Plan a file's whole text (None removes it). A validator's ``%s`` stands for the temporary file."""
        self.files[path] = {"path": path, "content": content, "mode": mode, "validate": validate or []}

    def run(self, *argv: str) -> None:
        if list(argv) not in self.commands:
            self.commands.append(list(argv))

    def add(self, name: str, items: t.Iterable[str]) -> None:
        known = getattr(self, name)
        known += [item for item in items if item not in known]


class Kind:
    """A family of rules. Subclasses answer the four questions; none of them touches a host."""

    name: t.ClassVar[str]
    sections: t.ClassVar[tuple[str, ...]] = ()
    """Evidence sections without which a rule cannot be judged."""
    constrained: t.ClassVar[tuple[str, ...]] = ("value",)
    """Fields of a rule that are constraints, and so can be given other values."""
    fields: t.ClassVar[frozenset[str]] = frozenset()
    """Further fields that a rule of this kind may have."""

    def request(self, rule: Rule) -> dict[str, t.Any]:
        """What the collector must look at for this rule."""
        return {}

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        raise NotImplementedError

    def obstacle(self, demand: Demand, evidence: Evidence) -> str:
        """Why nothing can make this failing rule hold on this host; empty when something can."""
        return ""

    def pending(self, demand: Demand, evidence: Evidence) -> str:
        """What the next boot brings, where all else is done for this failing rule; empty otherwise."""
        return ""

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        """Add to DESIRED what makes the rule hold; called only where it fails."""
        raise NotImplementedError

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        raise NotImplementedError


def ruling(holds: bool, actual: object, expected: str) -> Ruling:
    return Ruling("pass" if holds else "fail", "absent" if actual is None else str(actual), expected)


def offenders(found: t.Sequence[str], expected: str) -> Ruling:
    """A ruling on a list that must be empty; shows the first few."""
    shown = "; ".join(found[:5]) + (f"; and {len(found) - 5} more" if len(found) > 5 else "")
    return Ruling("fail" if found else "pass", shown or "none", expected)
