# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `home`."""

from __future__ import annotations

import typing as t

from ....module_utils._collect.filesystems import below
from ..constraint import Constraint, text
from .base import (
    TEXTS,
    Check,
    Demand,
    Desired,
    Evidence,
    Kind,
    Ruling,
    offenders,
)
from .file import bits, pattern, plain
from .matchers import as_json, as_text, literal, matching

Home = dict[str, t.Any]
NO_LIST = "remove the access list (setfacl -b)"


class Finding(t.NamedTuple):
    """Something that breaks the rule.

    Attributes:
        change: the mode that mends it; empty where people must.
        reason: why they must.
    """

    path: str
    problem: str
    change: str = ""
    reason: str = ""


class Homes(Kind):
    """Home directories of people (``directory``) and the dot files at their top (``dot_files``).

    Only modes are changed, and only below the directory in which this host makes homes, of what belongs to the account alone:
    a home can be a service's directory, a package's, another account's, or the root directory.
    """

    name = "home"
    sections = ("home",)
    constrained = ("mode", "private")
    fields: t.ClassVar = {"private_names": TEXTS, "forbidden": TEXTS}

    def findings(self, demand: Demand, evidence: Evidence) -> list[Finding]:
        search = self._directory if demand.key == "directory" else self._dot_files
        return [finding for home in evidence["home"]["homes"].values() for finding in search(demand, home, evidence)]

    @staticmethod
    def _directory(demand: Demand, home: Home, evidence: Evidence) -> list[Finding]:
        path = home["path"]
        if home["type"] != "directory":
            problem = {"missing": "is missing", "link": "is a link that others could change"}.get(
                home["type"], "is none"
            )
            return [Finding(path, problem, reason="make it, or remove the account")]
        if home["owner"] != home["account"]:
            return [Finding(path, f"belongs to {home['owner']}", reason="whose it is only the operator knows")]
        if demand.constraints["mode"].holds(home["mode"]):
            return [Finding(path, grant, reason=NO_LIST) for grant in _grants(demand.constraints["mode"], home)]
        target = text(demand.constraints["mode"].target(home["mode"]))
        reason = _not_the_accounts_alone(home, evidence)
        return [Finding(path, f"has mode {home['mode']}", "" if reason else target, reason)]

    @staticmethod
    def _dot_files(demand: Demand, home: Home, evidence: Evidence) -> list[Finding]:
        reason = _not_the_accounts_alone(home, evidence)
        spec, findings = demand.rule.spec, []
        for file, facts in home["dot_files"].items():
            path = f"{home['path']}/{file}"
            constraint = demand.constraints["private" if file in spec["private_names"] else "mode"]
            if file in spec["forbidden"]:
                # Its user can exchange it at any moment, and a way back that a user can write to is none.
                findings.append(
                    Finding(path, "must not exist", reason="it may be the only copy: let its user remove it")
                )
            elif facts["owner"] != home["account"]:
                why = "whose it is only the operator knows"
                findings.append(Finding(path, f"belongs to {facts['owner']}", reason=why))
            elif not constraint.holds(facts["mode"]):
                why = reason or ("it has another name (hard link)" if facts["links"] > 1 else "")
                why = why or ("" if plain(file) else "its name has characters that cannot be printed")
                target = text(constraint.target(facts["mode"]))
                findings.append(Finding(path, f"has mode {facts['mode']}", "" if why else target, why))
            else:
                findings += [Finding(path, grant, reason=NO_LIST) for grant in _grants(constraint, facts)]
        return findings

    def concerns(self, demand: Demand, section: str, item: str) -> bool:
        return section == "home"

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        mode = demand.constraints["mode"].describe()
        expected = {"directory": f"there, the account's own, mode {mode}"}.get(
            demand.key, f"the account's own, mode {mode}"
        )
        return offenders([f"{one.path} {one.problem}" for one in self.findings(demand, evidence)], expected)

    def obstacle(self, demand: Demand, evidence: Evidence) -> str:
        findings = self.findings(demand, evidence)
        if any(one.change for one in findings):
            return ""
        return offenders([f"{one.path} {one.problem}: {one.reason}" for one in findings], "").actual

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        for one in self.findings(demand, evidence):
            if one.change:
                desired.attributes[one.path] = {"path": one.path, "mode": one.change}

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        checks = [matching(as_json("home", "base"), {"match-regexp": "^/"})]
        for name, home in evidence["home"]["homes"].items():
            path, evident = _real(home), ("home", "homes", name)
            if demand.key == "directory":
                checks += _owned(path, evident, home["account"], demand.constraints["mode"], "directory")
                checks += _ungranted(demand.constraints["mode"], home, evident)
                continue
            for file in demand.rule.spec["forbidden"] if plain(path) and home["type"] == "directory" else ():
                checks.append(Check("file", {"path": f"{path}/{file}", "exists": False}))
            for file, facts in home["dot_files"].items():
                if file not in demand.rule.spec["forbidden"]:
                    constraint = demand.constraints["private" if file in demand.rule.spec["private_names"] else "mode"]
                    place = (*evident, "dot_files", file)
                    checks += _owned(f"{path}/{file}", place, home["account"], constraint, "file")
                    checks += _ungranted(constraint, facts, place)
                elif not plain(path):
                    checks.append(matching(as_json("home", "homes", name, "dot_files"), {"not": {"have-key": file}}))
        return checks


def _owned(path: str, evident: tuple[str, ...], owner: str, mode: Constraint, kind: str) -> list[Check]:
    """Goss' look at something that must be of its owner; at the evidence where Goss cannot be told the name."""
    attributes = {"owner": {"match-regexp": f"^{literal(owner)}$"}, "mode": {"match-regexp": pattern(mode)}}
    if plain(path):
        return [Check("file", {"path": path, "exists": True, "filetype": kind, **attributes})]
    return [matching(as_text(*evident, name), matcher) for name, matcher in attributes.items()]


def _beyond(mode: Constraint) -> str:
    """Letters of an access list's entry that give more than a mode gives to all others."""
    others = bits(mode.at_most or "0000", 2)
    return "".join(letter for letter, bit in zip("rwx", (4, 2, 1)) if not others & bit)


def _grants(mode: Constraint, facts: Home) -> list[str]:
    """What somebody may do by name that the mode keeps from all others."""
    entries = [one for one in facts.get("acl", ()) if set(one.rpartition(":")[2]) & set(_beyond(mode))]
    return [f"has the access list {entry}" for entry in entries]


def _ungranted(mode: Constraint, facts: Home, evident: tuple[str, ...]) -> list[Check]:
    """The same for Goss, which sees no access lists for itself."""
    if "acl" not in facts:
        return []
    grant = {"match-regexp": f":[^:]*[{_beyond(mode)}][^:]*$"}
    return [matching(as_json(*evident, "acl"), {"not": {"contain-element": grant}})]


def _real(home: Home) -> str:
    """Where a home really is; where nothing is there, its path."""
    return str(home.get("real", home["path"]))


def _not_the_accounts_alone(home: Home, evidence: Evidence) -> str:
    """Why nothing below a home may be changed; empty where it is one account's, at the place for homes."""
    base, path = evidence["home"]["base"], _real(home)
    if not plain(path):
        return "its name has characters that cannot be printed"
    if path == base or not below(path, base):
        return f"it does not lie below {base}, where this host makes homes"
    others = [one for one in evidence["home"]["homes"].values() if one is not home]
    shared = [one["account"] for one in others if below(path, _real(one)) or below(_real(one), path)]
    return f"it is also the home of {', '.join(shared)}" if shared else ""


KINDS = (Homes(),)
