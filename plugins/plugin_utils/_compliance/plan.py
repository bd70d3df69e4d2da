# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan: selection and evidence become verdicts, and the desired state of what drifts. Pure: no host, no Ansible."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ...module_utils._collect.section import WHOLE
from .evidence import Evidence
from .kinds.base import Connection, Demand, Desired, Ruling, UnreadTextError, unread
from .kinds.registry import KINDS
from .logins import logins
from .results import ANSWERS
from .selection import Attestation, Selection, Waiver, purpose_allows

NOT_INSTALLED = " is not installed"
NO_LOGIN = (
    "it could lock people out, and over a local connection no new login can prove that it does not: reach this host over SSH, "
    "be it on 127.0.0.1, or set hardening_confirm_seconds to 0 where nobody logs in, as in an image"
)


@dataclass
class Verdict:
    """What is known of one rule on one host.

    Attributes:
        verdict: pass, fail, error, not_applicable, not_checked, waived or attested.
        held: why a failing rule is not changed; empty when it is.
        waits_for: packages that the plan installs and without which the rule cannot be judged yet.
        waiver: by which the failure is accepted.
        attestation: by which people gave the verdict.
    """

    demand: Demand
    verdict: str
    actual: str = ""
    expected: str = ""
    held: str = ""
    waits_for: tuple[str, ...] = ()
    waiver: Waiver | None = None
    attestation: Attestation | None = None

    @property
    def attested(self) -> bool:
        return self.attestation is not None


@dataclass
class Plan:
    verdicts: dict[str, Verdict]
    desired: Desired
    changes: list[str] = field(default_factory=list)
    """Rules that apply brings to their desired state."""


# Each is made alone and kept by a new login before the next, so that what shuts people out, or leaves a host that does not boot,
# is undone without the rest.
RISKS = {
    "sshd": "sshd",
    "pam": "pam", "faillock": "pam", "pwhistory": "pam", "pwquality": "pam", "sudo": "pam",
    "firewall": "firewall",
    "account": "accounts",
    "sysctl": "network",
    "mount": "mounts", "partition": "mounts",
}  # fmt: skip
OTHERS = "settings"
BOOT = "boot"
"""What the next boot depends on: last and by itself, so that where it fails (a full /boot) all else is made."""


@dataclass
class Batch:
    """Rules that are changed together.

    Attributes:
        logins: who must still get in by sshd's new files, each with user and address.
    """

    name: str
    rules: list[str]
    desired: Desired
    logins: list[dict[str, str]] = field(default_factory=list)


def judge(selection: Selection, evidence: Evidence) -> dict[str, Verdict]:
    """The verdict of every selected rule."""
    verdicts = {}
    for identifier, demand in selection.demands.items():
        ruling = _rule(demand, evidence, selection.overlay.purposes)
        verdicts[identifier] = Verdict(demand, ruling.verdict, ruling.actual, ruling.expected)
        _apply_overlay(verdicts[identifier], selection)
    _wait_for_packages(verdicts, selection)
    return verdicts


def _wait_for_packages(verdicts: dict[str, Verdict], selection: Selection) -> None:
    """Rules that depend on packages which this run installs fail until those are there: they are planned with them."""
    coming = {
        verdict.demand.key
        for verdict in verdicts.values()
        if verdict.demand.rule.kind == "package" and verdict.verdict == "fail" and not verdict.held
        and verdict.demand.rule.remediate == "automatic" and verdict.demand.rule.spec["state"] == "present"
    }  # fmt: skip
    for verdict in verdicts.values():
        packages = tuple(sorted(set(verdict.demand.rule.when.get("package", ())) & coming))
        if packages and verdict.verdict == "not_applicable" and verdict.actual.endswith(NOT_INSTALLED):
            verdict.verdict, verdict.waits_for = "fail", packages
            verdict.expected = f"judged once {', '.join(packages)} is installed"
            _apply_overlay(verdict, selection)


def _rule(demand: Demand, evidence: Evidence, purposes: frozenset[str]) -> Ruling:
    rule, kind = demand.rule, KINDS[demand.rule.kind]
    conditional = ("package",) if "package" in rule.when or "package" in rule.unless else ()
    sections = (*kind.sections, *conditional)
    for section in sections:
        if section not in evidence:
            return Ruling("not_checked", f"{section} was not collected", "collect it")
        if reason := evidence.unreadable(section):
            return Ruling("error", reason, "readable")
    if not kind.resolve(rule, evidence.platform):
        return Ruling("not_applicable", f"{evidence.platform.id} has nothing of the kind")
    reason = _not_applicable(rule.when, rule.unless, evidence, purposes)
    if reason:
        return Ruling("not_applicable", reason)
    try:
        ruling = kind.judge(demand, evidence)
    except (KeyError, IndexError) as exc:
        if unseen := _unseen(demand, evidence, sections):
            return Ruling("error", f"not seen: {unseen}", "readable")
        # Evidence of an older catalogue does not hold what a newer rule asks about.
        return Ruling("not_checked", f"evidence holds nothing about it ({exc})", "collect again")
    except (TypeError, ValueError, AttributeError) as exc:
        return Ruling("error", f"evidence cannot be read: {exc}", "readable")
    # A pass is none where something that the rule speaks of was not seen.
    unseen = _unseen(demand, evidence, sections) if ruling.verdict == "pass" else ""
    return Ruling("error", f"{ruling.actual}, but not seen: {unseen}", ruling.expected) if unseen else ruling


def _unseen(demand: Demand, evidence: Evidence, sections: tuple[str, ...]) -> str:
    """What the sections left out of what the rule speaks of, with the reasons; empty when that is nothing."""
    kind = KINDS[demand.rule.kind]
    unseen = [
        f"{item}: {reason}" if item else reason
        for section in sections
        for item, reason in evidence.left_out(section).items()
        if item == WHOLE or kind.concerns(demand, section, item)
    ]
    return "; ".join(unseen[:3]) + (f"; and {len(unseen) - 3} more" if len(unseen) > 3 else "")


def _not_applicable(
    when: t.Mapping[str, t.Any], unless: t.Mapping[str, t.Any], evidence: Evidence, purposes: frozenset[str]
) -> str:
    """Why a rule does not apply to this host; empty when it does."""
    if not purpose_allows(when, unless, purposes):
        return f"purpose {', '.join(sorted(purposes & set(unless.get('purpose', ()))) or when.get('purpose', ()))}"
    facts: dict[str, t.Callable[[t.Any], bool]] = {
        "architecture": lambda names: evidence["host"]["architecture"] in names,
        "family": lambda names: evidence.platform.family in names,
        "platform": lambda names: evidence.platform.id in names,
        "container": lambda one: evidence["host"]["container"] is one,
        # Last: what a package brings does not make a rule apply that another condition rules out.
        "package": lambda names: installed(names, evidence),
    }
    for name, holds in facts.items():
        if name in when and not holds(when[name]):
            if name == "container":
                return "a container cannot have it" if evidence["host"]["container"] else "the host is no container"
            return (
                f"{_names(when[name])}{NOT_INSTALLED}" if name == "package" else f"{name} is not {_names(when[name])}"
            )
        if name in unless and holds(unless[name]):
            return f"{name} is {_names(unless[name])}"
    return ""


def installed(names: t.Iterable[str], evidence: Evidence) -> bool:
    """Whether one of the packages that the platform calls NAMES is there."""
    return any(
        package in evidence["package"] for name in names for package in evidence.platform.package_names(name)[:1]
    )


def _names(value: t.Any) -> str:
    return " or ".join(value) if isinstance(value, list) else str(value)


def _apply_overlay(verdict: Verdict, selection: Selection) -> None:
    """Waivers cover failures, attestations answer what could not be checked; neither hides an error."""
    demand, overlay = verdict.demand, selection.overlay
    names = (demand.rule.id, *demand.controls)
    if verdict.verdict == "fail":
        waiver = overlay.waivers.get(demand.rule.id)
        if waiver is None and demand.controls and all(control in overlay.waivers for control in demand.controls):
            waiver = overlay.waivers[demand.controls[0]]
        if waiver:
            verdict.verdict, verdict.waiver = "waived", waiver
    elif verdict.verdict == "not_checked":
        answer = next((overlay.attestations[name] for name in names if name in overlay.attestations), None)
        if answer:
            verdict.attestation = answer
            verdict.verdict = {"pass": "attested", "fail": "fail", "not_applicable": "not_applicable"}[answer.answer]
            verdict.actual = ANSWERS[answer.answer]
            if answer.answer == "fail":
                verdict.held = "nobody but people can mend it"


def plan(selection: Selection, evidence: Evidence, connection: Connection) -> Plan:
    """Verdicts, and the desired state that makes the failing rules hold, except what must not be changed."""
    verdicts = judge(selection, evidence)
    desired = Desired(banner=selection.overlay.banner or Desired.banner)
    made = Plan(verdicts, desired)
    for identifier, verdict in verdicts.items():
        if verdict.verdict != "fail" or verdict.held:
            continue
        verdict.held = hold(verdict, evidence, connection, desired)
        if verdict.held:
            continue
        made.changes.append(identifier)
        if not verdict.waits_for:
            KINDS[verdict.demand.rule.kind].want(verdict.demand, evidence, desired)
    desired.drop_unchanged(evidence)
    return made


def batches(made: Plan, evidence: Evidence, connection: Connection) -> list[Batch]:
    """The changes of a plan besides packages, by what can shut people out; all that cannot comes last, in one.

    Where none of a batch's rules can, nor bears upon the next boot, they are with the others. Rules that change the same file stay together.
    """
    rules = [made.verdicts[name].demand.rule for name in made.changes if not made.verdicts[name].waits_for]
    risky = {RISKS.get(rule.kind) for rule in rules if rule.risk in ("lockout", BOOT)}
    groups: dict[str, list[str]] = {name: [] for name in (*RISKS.values(), OTHERS, BOOT)}
    for rule in rules:
        name = RISKS.get(rule.kind)
        others = BOOT if rule.risk == BOOT else OTHERS
        groups[name if name and name in risky else others].append(rule.id)
    parts: list[Batch] = []
    for name, identifiers in groups.items():
        part = _batch(name, identifiers, made, evidence)
        if sharing := [other for other in parts if other.desired.files.keys() & part.desired.files.keys()]:
            together = [rule for other in (*sharing, part) for rule in other.rules]
            part, place = _batch(sharing[0].name, together, made, evidence), parts.index(sharing[0])
            parts = [other for other in parts if other not in sharing]
            parts.insert(place, part)
        else:
            parts.append(part)
    _read_again(parts, evidence)
    for part in parts:
        if any(made.verdicts[name].demand.rule.kind == "sshd" for name in part.rules):
            part.logins = logins(evidence, connection)
    return [part for part in parts if part.rules]


def _read_again(parts: t.Sequence[Batch], evidence: Evidence) -> None:
    """Let daemons read files again whose attributes a batch changes: nothing else tells that change from one of the content.

    One that is stale and that no batch restarts stays as it is: what it would load has a rule against it.
    """
    daemons = [daemon for kind in KINDS.values() if (daemon := kind.running_daemon(evidence))]
    restarted: set[str] = set()
    for part in parts:
        restarted |= {*part.desired.units_restarted, *part.desired.units_reloaded}
        for daemon in daemons:
            if daemon.files & part.desired.attributes.keys() and (daemon.fresh or daemon.unit in restarted):
                part.desired.add("stale", [daemon.unit])
                part.desired.add("reloadable", [daemon.unit] if daemon.reloads else [])


def _batch(name: str, rules: list[str], made: Plan, evidence: Evidence) -> Batch:
    desired = Desired(banner=made.desired.banner)
    for identifier in rules:
        demand = made.verdicts[identifier].demand
        KINDS[demand.rule.kind].want(demand, evidence, desired)
    desired.drop_unchanged(evidence)
    return Batch(name, rules, desired)


def hold(verdict: Verdict, evidence: Evidence, connection: Connection, desired: Desired) -> str:
    """Why a failing rule is not changed; empty when it is. What the next boot brings is noted in DESIRED."""
    demand, kind = verdict.demand, KINDS[verdict.demand.rule.kind]
    if demand.rule.remediate == "manual":
        return demand.rule.reason
    if demand.rule.risk == "lockout" and not connection.proves:
        return NO_LOGIN
    if verdict.waits_for:
        return ""
    held = kind.obstacle(demand, evidence) or kind.would_lock_out(demand, evidence, connection)
    if held:
        return held
    if pending := kind.pending(demand, evidence):
        desired.reboot.append(pending)
        return pending
    # Tried alone: another rule's change of the same file must not be taken for this one's.
    trial = Desired(banner=desired.banner)
    try:
        kind.want(demand, evidence, trial)
    except UnreadTextError as exc:
        return str(exc)
    for path in trial.files:
        if unread(path, evidence):
            return str(UnreadTextError(path, evidence))
    trial.drop_unchanged(evidence)
    if not trial.empty():
        return ""
    winner = kind.winner(demand, evidence)
    return (
        f"{winner} overrides what this collection writes: mend it there"
        if winner
        else "nothing this collection writes mends it"
    )
