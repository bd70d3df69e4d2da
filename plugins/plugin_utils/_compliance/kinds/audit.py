# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `audit`."""

from __future__ import annotations

import typing as t

from ....module_utils._collect.audit import DIRECTORY, canonical
from ..._errors import CatalogueError
from ..syscalls import KNOWN, SINCE, WITHOUT_FILES, calls, lines_for
from .base import TEXT, TEXTS, Check, Demand, Desired, Evidence, Kind, Platform, Rule, Ruling
from .matchers import Template, as_json, literal, matching
from .service import kept_from_boot, loads_at_boot
from .settings import add_lines

RULES = f"{DIRECTORY}/50-unified.rules"
# augenrules(8) reads files in order of their names: what makes the rules immutable must come last.
FINAL = f"{DIRECTORY}/zz-unified-final.rules"
IMMUTABLE = "-e 2"
LOADER = "audit_loader"
# Lists in which a rule has its say before the list `exit` is looked at (auditctl(8)).
ELSEWHERE = ("exclude", "filesystem", "task")
RECORDS = frozenset({"msgtype=SYSCALL", "msgtype=PATH", "msgtype=1300", "msgtype=1302"})
NO_DISK = frozenset({"fstype=debugfs", "fstype=tracefs"})


class Loaded(t.NamedTuple):
    """A rule in parts. No ``calls`` are all of them."""

    action: str
    calls: frozenset[str]
    fields: frozenset[str]

    @classmethod
    def parse(cls, rule: str) -> Loaded:
        """A rule in its canonical form (`_collect.audit.canonical`)."""
        action, _blank, rest = rule.partition(" ")
        names, *fields = rest.split() or ["syscalls=any"]
        called = names.removeprefix("syscalls=")
        return cls(action, frozenset() if called == "any" else frozenset(called.split(",")), frozenset(fields))

    def field(self, name: str) -> str:
        return next((field.partition("=")[2] for field in self.fields if field.startswith(f"{name}=")), "")

    @property
    def filters(self) -> frozenset[str]:
        """What limits the rule, without its key, its permissions and its table, which are compared apart."""
        return frozenset(f for f in self.fields if not f.startswith(("key=", "perm=", "arch=")))

    def records(self, asked: Loaded) -> bool:
        """Whether it records, of the calls that it names, at least what ASKED does."""
        if (
            self.action != asked.action
            or not self.filters <= asked.filters
            or bool(asked.field("key")) > bool(self.field("key"))
        ):
            return False
        if self.field("perm") and not set(asked.field("perm") or "rwxa") <= set(self.field("perm")):
            return False
        return self.field("arch") == asked.field("arch") or not (self.calls or self.field("arch"))

    def is_harmless(self, kind: str) -> bool:
        """Whether a rule of another list than `exit` leaves alone what rules ask for."""
        filters = self.filters
        if kind == "exclude":
            # All fields must match: without a record's type among them, every record of an account or a program is left out.
            return any(field.startswith("msgtype=") and field not in RECORDS for field in filters)
        return kind == "filesystem" and bool(filters) and filters <= NO_DISK

    def silences(self, asked: Loaded) -> bool:
        """Whether, standing before it, it may keep what ASKED asks for from being recorded."""
        kind, _comma, word = self.action.partition(",")
        if kind in ELSEWHERE:
            return (word == "never" or kind == "exclude") and not self.is_harmless(kind)
        if self.action != "exit,never":
            return False
        if self.field("arch") and asked.field("arch") and self.field("arch") != asked.field("arch"):
            return False
        if self.calls and asked.calls and not self.calls & asked.calls:
            return False
        if self.calls and self.calls <= WITHOUT_FILES and asked.field("path"):
            return False
        one, other = self.field("path"), asked.field("path")
        if one and other and not (f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")):
            return False
        return not ("auid=-1" in self.fields and "auid!=-1" in asked.fields)


def recording(asked: Loaded, rules: t.Sequence[Loaded]) -> list[int]:
    """Places of the rules that together record what ASKED asks for; empty where they do not."""
    places, lacking = [], set(asked.calls)
    for place, rule in enumerate(rules):
        if not rule.records(asked) or (asked.calls and rule.calls and not rule.calls & lacking):
            continue
        places.append(place)
        lacking -= rule.calls or lacking
        if not lacking:
            return places
    return []


def silencing(asked: Loaded, rules: t.Sequence[Loaded], places: list[int]) -> list[int]:
    """Places of the rules that keep ASKED from being recorded: the first rule that matches a call decides."""
    if not places:
        return []  # where it will stand is known once it is there
    last = max(places)
    return [
        place
        for place, rule in enumerate(rules)
        if rule.silences(asked) and (place < last or rule.action.startswith(ELSEWHERE))
    ]


class State(t.NamedTuple):
    """What is wrong with a rule: lines not stored, lines not loaded, and what keeps the rest from being recorded."""

    stored: list[str]
    loaded: list[str]
    silenced: list[str]


class Audit(Kind):
    """``rules`` are lines as auditctl(8) takes them; ``control`` is one of its options (``-e 2``, ``-c``)."""

    name = "audit"
    sections: t.ClassVar[tuple[str, ...]] = ("audit", "service", "text", "host")
    constrained = ()
    fields: t.ClassVar = {"rules": TEXTS, "control": TEXT}
    path: t.ClassVar[str] = RULES
    """Where lines are written that are not stored yet."""

    def resolve(self, rule: Rule, platform: Platform) -> bool:
        unknown = [call for line in rule.spec.get("rules", ()) for call in calls(line) if call not in KNOWN]
        if unknown:
            fix = "Add it to syscalls.py: KNOWN, and LACKING where an architecture is without it"
            raise CatalogueError(
                f"rule '{rule.id}' names the system call '{unknown[0]}', of which no table is kept", fix=fix
            )
        return super().resolve(rule, platform)

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        return {"audit": sorted(SINCE), "service": list(platform.unit_names(LOADER)), "text": [self.path, FINAL]}

    def lines(self, demand: Demand, evidence: Evidence) -> list[str]:
        host, audit = evidence["host"], evidence["audit"]
        return [
            made
            for line in demand.rule.spec.get("rules", ())
            for made in lines_for(
                line,
                host["architecture"],
                host["kernel"],
                compat=audit["compat"],
                by_name=frozenset(audit["calls"]),
            )
        ]

    def state(self, demand: Demand, evidence: Evidence) -> State:
        audit = evidence["audit"]
        option = audit["options"].get("-e")
        silenced = [f"-e 0 in {option['source']}"] if option and option["value"] == "0" else []
        if audit["enabled"] == "0":
            silenced.append("auditing is switched off")
        control = demand.rule.spec.get("control", "")
        if control:
            name, _blank, value = control.partition(" ")
            stored = [] if audit["options"].get(name, {}).get("value") == value else [control]
            return State(stored, [control] if control == IMMUTABLE and audit["enabled"] != "2" else [], silenced)
        disk = [Loaded.parse(entry["rule"]) for entry in audit["disk"]]
        live = [Loaded.parse(rule) for rule in audit["live"]]
        state = State([], [], silenced)
        for line in self.lines(demand, evidence):
            asked = Loaded.parse(canonical(line))
            on_disk, in_kernel = recording(asked, disk), recording(asked, live)
            state.stored.extend([] if on_disk else [line])
            state.loaded.extend([] if in_kernel else [line])
            by_disk = [audit["disk"][place] for place in silencing(asked, disk, on_disk)]
            state.silenced.extend(f"'{entry['line']}' in {entry['source']}" for entry in by_disk)
            if not by_disk:
                state.silenced.extend(f"the loaded '{audit['live'][p]}'" for p in silencing(asked, live, in_kernel))
        return state

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        if evidence["host"]["container"]:
            return Ruling("not_applicable", "a container has no kernel audit of its own")
        if evidence["audit"]["live"] is None:
            return Ruling(
                "error", evidence["audit"]["unavailable"] or "auditctl is not installed", "auditctl -l answers"
            )
        state = self.state(demand, evidence)
        parts = [f"{len(state.stored)} not stored: {state.stored[0]}"] if state.stored else []
        parts += [f"{len(state.loaded)} not loaded: {state.loaded[0]}"] if state.loaded else []
        parts += [f"not recorded: {state.silenced[0]} comes first"] if state.silenced else []
        parts += [kept] if (kept := kept_from_boot(LOADER, evidence)) else []
        count = len(self.lines(demand, evidence)) or 1
        expected = f"{count} rules stored, loaded and recording"
        return Ruling("fail" if parts else "pass", "; ".join(parts) or "stored and loaded", expected)

    def obstacle(self, demand: Demand, evidence: Evidence) -> str:
        if kept := kept_from_boot(LOADER, evidence):
            return f"{kept}: no rule would be loaded at the next boot; systemctl unmask or revert it"
        state = self.state(demand, evidence)
        taken = [line for line in state.stored if line in (evidence["text"].get(self.path) or "").splitlines()]
        if taken:
            return f"'{taken[0]}' stands in {self.path}, and a line read after it takes it away again (-d, -W): take that out"
        others = [one for one in state.silenced if one != "auditing is switched off"]
        return f"{others[0]} keeps it from being recorded: take it out there" if others else ""

    def pending(self, demand: Demand, evidence: Evidence) -> str:
        locked = evidence["audit"]["enabled"] == "2"
        stored = not self.state(demand, evidence).stored
        return "the loaded audit rules are immutable until the next boot" if locked and stored else ""

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        state = self.state(demand, evidence)
        path = FINAL if demand.rule.spec.get("control") == IMMUTABLE else self.path
        desired.file(path, add_lines(desired.text(path, evidence), state.stored), mode="0640")
        if evidence["audit"]["enabled"] == "2":
            # They cannot be loaded now: compiled, they wait for the next boot.
            desired.run("augenrules")
            return
        desired.run("augenrules", "--load")
        if evidence["audit"]["enabled"] == "0":
            desired.run("auditctl", "-e", "1")

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        audit, state = evidence["audit"], self.state(demand, evidence)
        made = [matching(as_json("audit", "enabled"), {"match-regexp": "^[12]$"}), *loads_at_boot(LOADER, evidence)]
        if demand.rule.spec.get("control") == IMMUTABLE:
            made.append(matching(as_json("audit", "enabled"), {"match-regexp": "^2$"}))
        if "control" in demand.rule.spec:
            option = audit["options"].get(demand.rule.spec["control"].split(" ")[0])
            return [*made, self._stored(demand.rule.spec["control"], option["source"] if option else self.path)]
        disk = [Loaded.parse(entry["rule"]) for entry in audit["disk"]]
        live = [Loaded.parse(rule) for rule in audit["live"] or ()]
        for line in self.lines(demand, evidence):
            asked = Loaded.parse(canonical(line))
            entries = [audit["disk"][place] for place in recording(asked, disk)] or [
                {"line": line, "source": self.path}
            ]
            made += [self._stored(entry["line"], entry["source"]) for entry in entries]
            loaded = [audit["live"][place] for place in recording(asked, live)] or [canonical(line)]
            made.append(matching(as_json("audit", "live"), {"contain-elements": loaded}))
        # What a later line takes away again, and what comes first, is followed by the planner alone; this repeats its answer.
        made.append(matching(Template(f'"{len(state.stored) + len(state.silenced)}"'), "0"))
        return made

    @staticmethod
    def _stored(line: str, path: str) -> Check:
        return Check("file", {"path": path, "exists": True, "contents": [f"/^\\s*{literal(line)}\\s*$/"]})


KINDS = (Audit(),)
