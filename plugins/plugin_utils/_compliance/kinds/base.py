# SPDX-License-Identifier: GPL-3.0-or-later
"""What a kind is, and the values that pass between its answers."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from ..constraint import Constraint
from ..evidence import Evidence
from ..platform import Platform

__all__ = [
    "LINE",
    "TEXT",
    "TEXTS",
    "Check",
    "Connection",
    "Demand",
    "Desired",
    "Evidence",
    "Kind",
    "Platform",
    "Port",
    "Rule",
    "Ruling",
    "RunningDaemon",
    "Schema",
    "Site",
    "UnreadTextError",
    "offenders",
    "ruling",
    "unread",
]

Schema = dict[str, t.Any]
# A line break in a value would be a second line in the file that is written.
LINE: Schema = {
    "not": {
        "description": "a line break or control character",
        "type": "string",
        "pattern": "[\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029]",
    }
}
TEXT: Schema = {"type": "string", **LINE}
TEXTS: Schema = {"type": "array", "minItems": 1, "items": TEXT}


@dataclass(frozen=True)
class Rule:
    """One atomic requirement, as the catalogue has it.

    Attributes:
        why: why it matters, in one sentence.
        spec: what only this kind knows of the rule (``optional``, ``state``, ``rules`` ...).
        values: its constrained fields, as they are written.
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
    why: str = ""
    risk: str = ""
    remediate: str = "automatic"
    reason: str = ""
    values: t.Mapping[str, t.Any] = field(default_factory=dict)

    def on(self, platform: Platform) -> Rule:
        """The rule as PLATFORM has it: where a field differs between platforms, with that platform's."""
        spec = {name: platform.choose(value) for name, value in self.spec.items()}
        return self if spec == self.spec else replace(self, spec=spec)

    def constraints(self, platform: Platform) -> dict[str, Constraint]:
        """The rule's own constraints on PLATFORM.

        Raises:
            ValueError: a value is no constraint.
        """
        return {name: Constraint.parse(platform.named(platform.choose(value))) for name, value in self.values.items()}


@dataclass(frozen=True)
class Port:
    """A port, or a range of them, that must stay open.

    Attributes:
        source: who may reach it, an address or network; empty for everyone.
        why: what it is for, as the operator or the purpose says it.
    """

    first: int
    last: int
    protocol: str
    source: str = ""
    why: str = ""


@dataclass(frozen=True)
class Site:
    """What the overlay says of the host beyond single rules.

    Attributes:
        ports: those of the overlay, and those that the host's purposes imply.
        boot_password: SHA-256 of the password's hash that the boot menu is to have; empty where the site gives none.
    """

    purposes: frozenset[str] = frozenset()
    ports: tuple[Port, ...] = ()
    boot_password: str = ""


@dataclass(frozen=True)
class Demand:
    """A rule that was selected, with its merged constraints and the controls that asked for it.

    Attributes:
        by_site: whether the overlay gives it a value.
        replaced: by field, what the controls ask for where the overlay gives a value.
    """

    rule: Rule
    constraints: t.Mapping[str, Constraint]
    controls: tuple[str, ...]
    site: Site = Site()
    by_site: bool = False
    replaced: t.Mapping[str, tuple[Constraint, ...]] = field(default_factory=dict)

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
    """One Goss resource: its type and attributes. ``matching`` contents may be Go templates over the evidence.

    Attributes:
        decides: whether Goss sees here, without our evidence, what the verdict is about: the effective value, or the file
            itself. A line that another file or line could beat, or a path that only the collector knows, decides nothing.
    """

    resource: str
    attributes: t.Mapping[str, t.Any]
    decides: bool = False


class RunningDaemon(t.NamedTuple):
    """A daemon that runs, and what it reads when it starts.

    Attributes:
        files: files and directories, as the evidence names them.
        fresh: whether it has read them since they last changed.
        reloads: whether a reload makes it read them all.
    """

    unit: str
    files: frozenset[str]
    fresh: bool
    reloads: bool = False


@dataclass(frozen=True)
class Connection:
    """How the controller reaches the host: what a change must not cut.

    Attributes:
        user: who logs in; empty where the connection is local and cannot be cut by what is planned.
        become_method: how that user becomes root (sudo, su ...).
        identities: keys that the controller's agent offers at a login.
        algorithms: what the controller's client knows, by sshd's keyword in lower case; empty where that is not known.
        reached_through: tells which hosts of the inventory are reached through this one. Asked only where it matters: it looks at
            every host's variables.
        proves: whether a new login can prove that people still get in, or nobody asks for that.
    """

    user: str = ""
    become_method: str = "sudo"
    identities: int = 0
    algorithms: t.Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    reached_through: t.Callable[[], t.Sequence[str]] = tuple
    proves: bool = True


class UnreadTextError(Exception):
    """A change would write over a text that was not read; the message says why it was not."""

    def __init__(self, path: str, evidence: Evidence) -> None:
        super().__init__(f"{path} is not changed: {unread(path, evidence)}")


def unread(path: str, evidence: Evidence) -> str:
    """Why the text of PATH was not read; empty where it was, or where there is none."""
    return evidence.unreadable("text") or evidence.left_out("text").get(path, "")


@dataclass
class Desired:
    """What must change on one host, merged over all rules; every list is batched into one task."""

    packages_absent: list[str] = field(default_factory=list)
    packages_present: list[str] = field(default_factory=list)
    files: dict[str, dict[str, t.Any]] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    """Files of `files` that lack a secret, each with the secret's name; ``%s`` in their texts stands for it."""
    attributes: dict[str, dict[str, str]] = field(default_factory=dict)
    units_masked: list[str] = field(default_factory=list)
    units_enabled: list[str] = field(default_factory=list)
    restarts: dict[str, list[str]] = field(default_factory=dict)
    """Units that read a file of `files` when they start."""
    stale: list[str] = field(default_factory=list)
    """Units that run with an older configuration than the disk has."""
    reloadable: list[str] = field(default_factory=list)
    """Units that read all of their configuration anew without a restart."""
    users: dict[str, dict[str, t.Any]] = field(default_factory=dict)
    sysctls: dict[str, str] = field(default_factory=dict)
    """Settings of the running kernel, so that a revert knows what they were; `commands` load them from the files, too."""
    commands: list[list[str]] = field(default_factory=list)
    derived: dict[str, dict[str, t.Any]] = field(default_factory=dict)
    """Files that a program makes of others, each with that program: its argument ``%s`` stands for the new file, which takes the old
    one's place whole."""
    reboot: list[str] = field(default_factory=list)
    banner: str = "Authorised use only. Activity on this system is recorded.\n"

    @property
    def units_restarted(self) -> list[str]:
        """Units whose files change, and units that are stale: nothing else is ever restarted."""
        return [unit for unit in self._outdated() if unit not in self.reloadable]

    @property
    def units_reloaded(self) -> list[str]:
        """The same units, where a reload does."""
        return [unit for unit in self._outdated() if unit in self.reloadable]

    def _outdated(self) -> list[str]:
        units = [unit for path in self.files for unit in self.restarts[path]]
        return list(dict.fromkeys([*units, *self.stale]))

    def text(self, path: str, evidence: Evidence) -> str:
        """The text PATH will have, as far as it is planned: start from it to add to it.

        Raises:
            UnreadTextError: the file is there, and its text was not read: nothing may be written over it.
        """
        if unread(path, evidence):
            raise UnreadTextError(path, evidence)
        if path in self.files:
            return str(self.files[path].get("content") or "")
        return evidence["text"].get(path) or ""

    def file(
        self,
        path: str,
        content: str | None,
        *,
        mode: str = "0644",
        group: str = "",
        validate: t.Sequence[str] = (),
        restart: t.Sequence[str] = (),
        secret: str = "",
    ) -> None:
        """Plan a file's whole text (None removes it).

        Args:
            validate: the program that must accept the file; its argument ``%s`` stands for the staged file.
            restart: units that read the file when they start. They are restarted only if the file changes.
            secret: name of what ``%s`` in the text stands for. The planner never has it: the module that changes the host does.
        """
        self.files[path] = {"path": path, "content": content, "mode": mode, "validate": list(validate)}
        if group:
            self.files[path]["group"] = group
        self.restarts[path] = list(restart)
        if secret:
            self.secrets[path] = secret

    def run(self, *argv: str) -> None:
        if list(argv) not in self.commands:
            self.commands.append(list(argv))

    def derive(self, path: str, *argv: str, keeps: str) -> None:
        """Plan that a program makes PATH anew of what is planned, once; where a line matches the pattern KEEPS, one goes on to."""
        self.derived[path] = {"argv": list(argv), "keeps": keeps}

    def add(self, name: str, items: t.Iterable[str]) -> None:
        known = getattr(self, name)
        known += [item for item in items if item not in known]

    def drop_unchanged(self, evidence: Evidence) -> None:
        """Forget files whose planned text is what they already have."""
        texts = evidence["text"]
        self.files = {p: file for p, file in self.files.items() if p not in texts or texts[p] != file["content"]}

    def empty(self) -> bool:
        return not any(
            (self.packages_absent, self.packages_present, self.files, self.attributes, self.units_masked, self.units_enabled,
             self.stale, self.users, self.commands, self.derived)
        )  # fmt: skip


class Kind:
    """A family of rules. Subclasses answer the questions; none of them touches a host."""

    name: t.ClassVar[str]
    sections: t.ClassVar[tuple[str, ...]] = ()
    """Evidence sections without which a rule cannot be judged."""
    constrained: t.ClassVar[tuple[str, ...]] = ("value",)
    """Fields of a rule that are constraints, and so can be given other values."""
    fields: t.ClassVar[t.Mapping[str, Schema]] = {}
    """Further fields that a rule of this kind may have, each with its JSON Schema. `schemas.py` makes the files' schema of it."""
    required: t.ClassVar[tuple[str, ...]] = ()
    """Fields without which a rule of this kind cannot be judged."""

    def resolve(self, rule: Rule, platform: Platform) -> bool:
        """Whether the platform has what the rule names; where it has not, the rule does not apply there.

        Raises:
            CatalogueError: the platform says nothing of it.
        """
        return all(
            platform.package_names(name) for side in (rule.when, rule.unless) for name in side.get("package", ())
        )

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        """What the collector must look at for this rule on PLATFORM: section to a list, a mapping, or None."""
        return {}

    def concerns(self, demand: Demand, section: str, item: str) -> bool:
        """Whether what a section left out (`Section.left_out`) could change the verdict on this rule.

        Texts are what a change starts from. A rule is judged by one where its key is the path of it.
        """
        return section != "text" or item == demand.key

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        raise NotImplementedError

    def obstacle(self, demand: Demand, evidence: Evidence) -> str:
        """Why nothing can make this failing rule hold on this host; empty when something can."""
        return ""

    def would_lock_out(self, demand: Demand, evidence: Evidence, connection: Connection) -> str:
        """Why the change would cut the operator off, as far as it can be foreseen; empty when it would not."""
        return ""

    def pending(self, demand: Demand, evidence: Evidence) -> str:
        """What the next boot brings, where all else is done for this failing rule; empty otherwise."""
        return ""

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        """Add to DESIRED what makes the rule hold; called only where it fails."""
        raise NotImplementedError

    def winner(self, demand: Demand, evidence: Evidence) -> str:
        """What overrides all that `want` could write (a Match block, a later drop-in, a vendor's script), by name."""
        return ""

    def running_daemon(self, evidence: Evidence) -> RunningDaemon | None:
        """The daemon that this kind's rules are about; None where none runs, or where nothing was collected about it."""
        return None

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        """Goss resources that show that the rule holds; those that decide it (`Check.decides`) are the second judge's own look."""
        raise NotImplementedError


def ruling(holds: bool, actual: object, expected: str) -> Ruling:
    return Ruling("pass" if holds else "fail", "absent" if actual is None else str(actual), expected)


def offenders(listed: t.Sequence[str], expected: str, *, more: int = 0) -> Ruling:
    """A ruling on a list that must be empty; shows the first few, and counts the others and MORE that are not listed."""
    others = len(listed) - 5 + more if len(listed) > 5 else more
    shown = "; ".join(listed[:5]) + (f"; and {others} more" if others else "")
    return Ruling("fail" if listed else "pass", shown or "none", expected)
