# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `file`."""

from __future__ import annotations

import re
import typing as t

from ....module_utils._collect.file import INCLUDED, covers
from ..constraint import Constraint, text
from .base import (
    TEXTS,
    Check,
    Demand,
    Desired,
    Evidence,
    Kind,
    Platform,
    Rule,
    Ruling,
    Schema,
    offenders,
    ruling,
)
from .matchers import Template, literal, lookup, matching, mode_pattern
from .settings import put_line

Facts = t.Mapping[str, t.Any]
NAMEABLE = re.compile(r"/[\w./+:@-]*[\w+:@]")
"""Paths whose names mean themselves in tmpfiles.d(5)."""
BOOLEAN: Schema = {"type": "boolean"}
TMPFILES = "/etc/tmpfiles.d/zz-unified.conf"
CHANGED = ("file", "directory")
"""Types whose attributes are changed: what a link, a pipe or a device stands for is never the rule's."""


def plain(path: str) -> bool:
    """Whether a path of the evidence is the path itself: with a backslash it has escapes (`_collect.paths.shown`)."""
    return "\\" not in path


def bits(mask: str, place: int) -> int:
    """The three bits of a mode for the owner (0), the group (1) or all others (2)."""
    return int(mask.rjust(4, "0")[place + 1], 8)


class File(Kind):
    """Mode, owner, group and access list of a path, or of every path that a pattern matches.

    With ``access_lists`` the program that makes the files gives them access lists of its own, which are not judged. With
    ``services`` an owner that is a service, with its first group, is as right as those that are named. Owners and
    groups are not changed then: the service opens the file with them. What the program ``includes`` includes from elsewhere is
    judged as if the pattern matched it.
    """

    name = "file"
    sections = ("file", "text")
    constrained = ("mode", "owner", "group")
    fields: t.ClassVar = {
        "optional": BOOLEAN,
        "except": TEXTS,
        "services": BOOLEAN,
        "access_lists": BOOLEAN,
        "includes": {"enum": sorted(INCLUDED)},
    }

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        options = {name: rule.spec[name] for name in ("except", "includes") if name in rule.spec}
        return {"file": {rule.key: options}, "text": [TMPFILES]}

    def concerns(self, demand: Demand, section: str, item: str) -> bool:
        if section == "text":
            return item == TMPFILES
        return section != "file" or covers(demand.key, item)

    @staticmethod
    def _holds(demand: Demand, name: str, constraint: Constraint, facts: Facts) -> bool:
        if constraint.holds(facts[name]):
            return True
        if not demand.rule.spec.get("services") or "service_group" not in facts or name == "mode":
            return False
        return name == "owner" or facts["group"] == facts["service_group"]

    def _wrong(self, demand: Demand, facts: Facts) -> list[str]:
        """What of a file's attributes breaks the rule, by name and value."""
        named = {name: one for name, one in demand.constraints.items() if not self._holds(demand, name, one, facts)}
        wrong = [f"{name} {facts[name]}" for name in named]
        wrong += [f"access list {entry}" for entry in _entries(demand, facts) if not _allowed(demand, entry)]
        if lost := self._lost(demand, facts):
            wrong.append(f"from the next boot on {' '.join(lost.values())} by {facts['boot']['source']}")
        # Whose directories hold a service's files is for the service to say.
        if facts.get("unsafe") and not demand.rule.spec.get("services"):
            wrong.append(facts["unsafe"])
        if facts.get("target"):
            wrong = [f"leads to {facts['target']}: {one}" for one in wrong]
        return wrong if facts["type"] in CHANGED else [f"is no file or directory, but a {facts['type']}", *wrong]

    @staticmethod
    def _lost(demand: Demand, facts: Facts) -> dict[str, str]:
        """What of a file's attributes breaks the rule once the host has booted, by name."""
        boot = facts.get("boot", {})
        return {
            name: boot[name]
            for name, one in demand.constraints.items()
            if name in boot and _judged(demand, name) and not one.holds(boot[name])
        }

    def _bad(self, demand: Demand, evidence: Evidence) -> dict[str, list[str]]:
        files = evidence["file"][demand.key]
        return {path: wrong for path, facts in files.items() if (wrong := self._wrong(demand, facts))}

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        files = evidence["file"][demand.key]
        expected = ", ".join(f"{name} {one.describe()}" for name, one in demand.constraints.items())
        if not files:
            return Ruling("pass" if demand.rule.spec.get("optional") else "fail", "no such file", expected)
        if bad := self._bad(demand, evidence):
            more = sum(files[path].get("more", 0) for path in bad)
            return offenders([f"{path} {', '.join(wrong)}" for path, wrong in bad.items()], expected, more=more)
        one = next(iter(files.values()))
        count = sum(1 + facts.get("more", 0) for facts in files.values())
        shown = " ".join(one[name] for name in demand.constraints) if count == 1 else f"{count} files, all safe"
        return ruling(True, shown, expected)

    def _changes(self, demand: Demand, path: str, facts: Facts) -> dict[str, str]:
        """Attributes that make the rule hold for one file, as far as they may be changed."""
        if facts["type"] not in CHANGED or not plain(path) or facts.get("target"):
            return {}
        names = ["mode"] if demand.rule.spec.get("services") else list(demand.constraints)
        return {
            name: text(demand.constraints[name].target(facts[name]))
            for name in names
            if name in demand.constraints and not demand.constraints[name].holds(facts[name])
        }

    def obstacle(self, demand: Demand, evidence: Evidence) -> str:
        files = evidence["file"][demand.key]
        if not files:
            return f"there is no {demand.key}, and only a package or the operator can make it"
        bad = self._bad(demand, evidence)
        if any(self._changes(demand, path, files[path]) or self._keeps(demand, path, files[path]) for path in bad):
            return ""
        path, wrong = next(iter(bad.items()))
        return f"{path}: {', '.join(wrong)}: {_why_not(demand, path, files[path])}"

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        for path, facts in evidence["file"][demand.key].items():
            if changes := self._changes(demand, path, facts):
                desired.attributes.setdefault(path, {"path": path}).update(changes)
            if line := self._keeps(demand, path, facts):
                pattern = re.escape(" ".join(line.split()[:2])) + r"\s"
                desired.file(TMPFILES, put_line(desired.text(TMPFILES, evidence), pattern, line))

    def winner(self, demand: Demand, evidence: Evidence) -> str:
        files = evidence["file"][demand.key].values()
        return next((str(facts["boot"]["source"]) for facts in files if self._lost(demand, facts)), "")

    def _keeps(self, demand: Demand, path: str, facts: Facts) -> str:
        """A line of tmpfiles.d(5) that keeps a file as the rule wants it; empty where none is needed, or where none can."""
        lost = self._lost(demand, facts)
        if not lost or facts["type"] not in CHANGED or facts.get("target") or not NAMEABLE.fullmatch(path):
            return ""
        kept = {**facts["boot"], **{name: text(demand.constraints[name].target(lost[name])) for name in lost}}
        # With a wildcard it is a line of its own, applied in the order of files; without one it is taken together with others on the path.
        return f"z {path[:-1]}[{path[-1]}] {' '.join(kept.get(name, '-') for name in self.constrained)}"

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        files = evidence["file"][demand.key]
        if not files:
            exists = not demand.rule.spec.get("optional")
            return [Check("file", {"path": demand.key, "exists": exists}, decides=_one(demand.key))]
        checks = []
        for path, facts in files.items():
            if "unsafe" in facts and not demand.rule.spec.get("services"):
                unsafe = lookup("file", demand.key, path, "unsafe")
                checks.append(matching(Template(f"{{{{ {unsafe} | toJson }}}}"), ""))
            for name, constraint in demand.constraints.items():
                if name not in facts.get("boot", {}) or not _judged(demand, name):
                    continue
                later = Template(f"{{{{ {lookup('file', demand.key, path, 'boot', name)} | toJson }}}}")
                checks.append(matching(later, {"match-regexp": pattern(constraint)}))
            place = facts.get("target") or path
            if plain(place):
                patterns = {name: _pattern(demand, name, one, facts) for name, one in demand.constraints.items()}
                attributes = {name: {"match-regexp": pattern} for name, pattern in patterns.items()}
                kinds = {"filetype": {"match-regexp": f"^({'|'.join(CHANGED)})$"}}
                decides = _one(demand.key) and not _entries(demand, facts)
                checks.append(Check("file", {"path": place, "exists": True, **attributes, **kinds}, decides=decides))
            else:
                # Goss cannot be given bytes that are no UTF-8.
                fields = {name: lookup("file", demand.key, path, name) for name in demand.constraints}
                checks += [
                    matching(
                        Template(f"{{{{ {field} | toJson }}}}"),
                        {"match-regexp": _pattern(demand, name, demand.constraints[name], facts)},
                    )
                    for name, field in fields.items()
                ]
            if _entries(demand, facts):
                checks.append(_no_grants(demand, path))
        return checks


def _one(key: str) -> bool:
    """Whether a rule's key is the path of one file. What a pattern matches, Goss has from the evidence."""
    return not set(key) & set("*?[")


def _judged(demand: Demand, name: str) -> bool:
    """Whether the rule says for sure what an attribute must be: whose file it is, a service may say."""
    return name == "mode" or not demand.rule.spec.get("services")


def _entries(demand: Demand, facts: Facts) -> t.Sequence[str]:
    return () if demand.rule.spec.get("access_lists") else facts.get("acl", ())


def _allowed(demand: Demand, entry: str) -> bool:
    """Whether an entry of an access list gives no more than the mode may: a named owner or group its own bits, others theirs."""
    kind, name, letters = entry.split(":")
    granted = sum(bit for letter, bit in zip(letters, (4, 2, 1)) if letter != "-")
    constraint = demand.constraints.get("owner" if kind == "user" else "group")
    mode = demand.constraints.get("mode")
    most = mode.at_most if mode is not None and mode.at_most is not None else "0000"
    named = constraint is not None and constraint.holds(name)
    return not granted & ~bits(most, (0 if kind == "user" else 1) if named else 2)


def _no_grants(demand: Demand, path: str) -> Check:
    """The same for Goss, which sees no access lists for itself, as patterns of entries."""
    mode = demand.constraints.get("mode")
    most = mode.at_most if mode is not None and mode.at_most is not None else "0000"

    def letters(place: int) -> str:
        return "".join(f"[{letter}-]" if bits(most, place) & bit else "-" for letter, bit in zip("rwx", (4, 2, 1)))

    entries = [f"(user|group):[^: ]*:{letters(2)}"]
    for place, kind, name in ((0, "user", "owner"), (1, "group", "group")):
        if name in demand.constraints:
            entries.append(f"{kind}:({_names(demand.constraints[name])}):{letters(place)}")
    content = Template(f'"{{{{ join " " {lookup("file", demand.key, path, "acl")} }}}}"')
    return matching(content, {"match-regexp": f"^(({'|'.join(entries)})( |$))*$"})


def _names(constraint: Constraint) -> str:
    allowed = constraint.in_ if constraint.in_ is not None else (constraint.eq,)
    return "|".join(literal(one) for one in allowed)


def pattern(constraint: Constraint) -> str:
    """What Goss must find for a mode, an owner or a group."""
    return mode_pattern(constraint.at_most) if constraint.at_most is not None else f"^({_names(constraint)})$"


def _pattern(demand: Demand, name: str, constraint: Constraint, facts: Facts) -> str:
    """The same for one file: who owns a service's is for the service to say."""
    if name == "mode" or not demand.rule.spec.get("services") or "service_group" not in facts:
        return pattern(constraint)
    return f"^({_names(constraint)}|{literal(facts['owner'] if name == 'owner' else facts['service_group'])})$"


def _why_not(demand: Demand, path: str, facts: Facts) -> str:
    if facts.get("target"):
        return "mend what the link leads to, or put a file in the place of the link"
    if facts["type"] not in CHANGED:
        return "replace it by a file"
    if not plain(path):
        return "its name has characters that cannot be printed: mend it by hand"
    if facts.get("unsafe"):
        return "nobody but root may change a directory above it"
    if demand.rule.spec.get("services") and any(
        not one.holds(facts[name]) for name, one in demand.constraints.items() if name != "mode"
    ):
        return "whose file it is only the operator knows: give it to root or to its service"
    return f"remove the access list (setfacl -b {path})"


KINDS = (File(),)
