# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan: selection and evidence become verdicts, and the desired state of what drifts. Pure: no host, no Ansible."""

from __future__ import annotations

import base64
import binascii
import datetime
import json
import typing as t
import zlib
from dataclasses import dataclass, field

from ...module_utils._collect.collector import SCHEMA
from .._errors import EvidenceError
from .kinds.base import Demand, Desired, Evidence, Ruling
from .kinds.registry import KINDS
from .selection import Selection, purpose_allows

ARCHITECTURES = ("x86_64", "aarch64", "riscv64")


@dataclass(frozen=True)
class Connection:
    """How the controller reaches the host: what a change must not cut."""

    user: str = ""


@dataclass
class Verdict:
    """What is known of one rule on one host.

    Attributes:
        verdict: pass, fail, error, not_applicable, not_checked, waived or attested.
        held: why a failing rule is not changed; empty when it is.
        waits_for: packages that the plan installs and without which the rule cannot be judged yet.
    """

    demand: Demand
    verdict: str
    actual: str = ""
    expected: str = ""
    held: str = ""
    waits_for: tuple[str, ...] = ()


@dataclass
class Plan:
    verdicts: dict[str, Verdict]
    desired: Desired
    changes: list[str] = field(default_factory=list)
    """Rules that apply brings to their desired state."""


def unpack(packed: str) -> Evidence:
    """Evidence from the collector's result.

    Raises:
        EvidenceError: truncated, damaged, or not evidence.
    """
    try:
        evidence = json.loads(zlib.decompress(base64.b64decode(packed, validate=True)))
    except (binascii.Error, zlib.error, ValueError) as exc:
        raise EvidenceError(f"evidence is damaged or truncated ({exc})", fix="Collect it again") from exc
    check(evidence)
    return t.cast("Evidence", evidence)


def check(evidence: t.Any) -> None:
    """Raise EvidenceError unless EVIDENCE is whole and of this schema version."""
    if not isinstance(evidence, dict) or "schema" not in evidence:
        raise EvidenceError("this is not evidence", fix="Give the JSON that the evidence module collected")
    if evidence["schema"] != SCHEMA:
        fix = "Collect it again with this version of the collection"
        raise EvidenceError(
            f"evidence has schema version {evidence['schema']}, this collection reads {SCHEMA}", fix=fix
        )
    if not evidence.get("complete") or "host" not in evidence:
        raise EvidenceError("evidence is truncated", fix="Collect it again")
    if evidence["host"]["architecture"] not in ARCHITECTURES:
        raise EvidenceError(
            f"architecture '{evidence['host']['architecture']}' is not supported",
            fix=f"Supported are {', '.join(ARCHITECTURES)}",
        )
    if evidence["host"]["uid"] != 0:
        raise EvidenceError(
            "evidence was collected without root rights",
            fix="Connect as root, or set 'become: true' for a user with sudo",
        )


def judge(selection: Selection, evidence: Evidence) -> dict[str, Verdict]:
    """The verdict of every selected rule."""
    verdicts = {}
    coming = _packages_to_come(selection, evidence)
    for identifier, demand in selection.demands.items():
        ruling = _rule(demand, evidence, selection.overlay.purposes)
        verdict = Verdict(demand, ruling.verdict, ruling.actual, ruling.expected)
        packages = tuple(sorted(set(demand.rule.when.get("package", ())) & coming))
        if packages and verdict.verdict == "not_applicable":
            verdict.verdict, verdict.waits_for = "fail", packages
            verdict.expected = f"judged once {', '.join(packages)} is installed"
        _apply_overlay(verdict, selection)
        verdicts[identifier] = verdict
    return verdicts


def _packages_to_come(selection: Selection, evidence: Evidence) -> set[str]:
    """Packages that the plan installs: rules that depend on them are planned in the same run."""
    coming = set()
    for demand in selection.demands.values():
        if (
            demand.rule.kind == "package"
            and demand.rule.spec["state"] == "present"
            and demand.rule.remediate == "automatic"
        ):
            coming |= set(demand.rule.spec.get("names", [demand.key]))
    return coming - set(evidence.get("packages", ()))


def _rule(demand: Demand, evidence: Evidence, purposes: frozenset[str]) -> Ruling:
    rule, kind = demand.rule, KINDS[demand.rule.kind]
    conditional = ("packages",) if "package" in rule.when or "package" in rule.unless else ()
    for section in (*kind.sections, *conditional):
        if section not in evidence:
            return Ruling("error", evidence["errors"].get(section, f"evidence has no section '{section}'"), "readable")
    reason = _not_applicable(rule.when, rule.unless, evidence, purposes)
    if reason:
        return Ruling("not_applicable", reason)
    try:
        return kind.judge(demand, evidence)
    except (KeyError, IndexError) as exc:
        # Evidence of an older catalogue does not hold what a newer rule asks about.
        return Ruling("not_checked", f"evidence holds nothing about it ({exc})", "collect again")
    except (TypeError, ValueError, AttributeError) as exc:
        return Ruling("error", f"evidence cannot be read: {exc}", "readable")


def _not_applicable(
    when: t.Mapping[str, t.Any], unless: t.Mapping[str, t.Any], evidence: Evidence, purposes: frozenset[str]
) -> str:
    """Why a rule does not apply to this host; empty when it does."""
    if not purpose_allows(when, unless, purposes):
        return f"purpose {', '.join(sorted(purposes & set(unless.get('purpose', ()))) or when.get('purpose', ()))}"
    facts: dict[str, t.Callable[[t.Any], bool]] = {
        "package": lambda names: any(name in evidence["packages"] for name in names),
        "architecture": lambda names: evidence["host"]["architecture"] in names,
        "family": lambda names: evidence["host"]["family"] in names,
        "container": lambda wanted: evidence["host"]["container"] is wanted,
    }
    for name, holds in facts.items():
        if name in when and not holds(when[name]):
            return (
                f"{name} is not {_names(when[name])}" if name != "package" else f"{_names(when[name])} is not installed"
            )
        if name in unless and holds(unless[name]):
            return f"{name} is {_names(unless[name])}"
    return ""


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
            verdict.verdict = "waived"
            verdict.held = f"waived by {waiver.owner} until {waiver.until}: {waiver.reason}"
    elif verdict.verdict == "not_checked":
        answer = next((overlay.attestations[name] for name in names if name in overlay.attestations), None)
        if answer:
            verdict.verdict = {"pass": "attested", "fail": "fail", "not_applicable": "not_applicable"}[answer.answer]
            verdict.actual = f"{answer.answer}, attested by {answer.by} until {answer.until}" + (
                f": {answer.note}" if answer.note else ""
            )
            if answer.answer == "fail":
                verdict.held = "people found it failing: people must mend it"


def plan(selection: Selection, evidence: Evidence, connection: Connection) -> Plan:
    """Verdicts, and the desired state that makes the failing rules hold, except what must not be changed."""
    verdicts = judge(selection, evidence)
    desired = Desired(banner=selection.overlay.banner or Desired.banner)
    made = Plan(verdicts, desired)
    for identifier, verdict in verdicts.items():
        if verdict.verdict != "fail" or verdict.held:
            continue
        rule = verdict.demand.rule
        verdict.held = hold(verdict, evidence, connection)
        if not verdict.held and not verdict.waits_for:
            verdict.held = KINDS[rule.kind].pending(verdict.demand, evidence)
            desired.reboot += [verdict.held] if verdict.held else []
        if verdict.held:
            continue
        made.changes.append(identifier)
        if not verdict.waits_for:
            KINDS[rule.kind].want(verdict.demand, evidence, desired)
    _drop_unchanged(desired, evidence)
    return made


def hold(verdict: Verdict, evidence: Evidence, connection: Connection) -> str:
    """Why a failing rule is not changed; empty when it is."""
    rule = verdict.demand.rule
    if rule.remediate == "manual":
        return rule.reason
    if verdict.waits_for:
        return ""
    return KINDS[rule.kind].obstacle(verdict.demand, evidence) or would_lock_out(verdict.demand, evidence, connection)


def would_lock_out(demand: Demand, evidence: Evidence, connection: Connection) -> str:
    """Why a change would cut the operator off, as far as it can be foreseen; empty when it would not."""
    identifier, user = demand.rule.id, connection.user
    if demand.rule.kind == "sshd" and demand.key == "PermitRootLogin" and user == "root":
        return "the run is connected as root: it would lock itself out; connect as another user with sudo"
    if demand.rule.kind == "sshd" and demand.key == "AllowGroups" and user:
        allowed = set(t.cast("list[str]", demand.value.target(None)))
        if user != "root" and not allowed & groups_of(user, evidence):
            return f"{user} is in none of the groups {', '.join(sorted(allowed))}: it would lock itself out"
    if demand.rule.kind == "sshd" and demand.key == "UsePAM" and demand.value.eq == "no":
        return "without PAM, accounts with locked passwords cannot log in"
    if demand.rule.kind == "account" and demand.rule.risk == "lockout" and user:
        people = [one for one in evidence["accounts"]["users"] if one["name"] == user]
        if any(_expired_by(demand, one, evidence) for one in people):
            return (
                f"{identifier} would lock or expire {user}, which this run is connected as; change its password first"
            )
    return ""


def groups_of(user: str, evidence: Evidence) -> set[str]:
    groups = evidence["accounts"]["groups"]
    own = {one["gid"] for one in evidence["accounts"]["users"] if one["name"] == user}
    return {group["name"] for group in groups if user in group["members"] or group["gid"] in own}


def _expired_by(demand: Demand, user: dict[str, t.Any], evidence: Evidence) -> bool:
    if demand.key in ("system_shells", "invalid_shell_locked"):
        return user["system"] if demand.key == "system_shells" else not user["valid_shell"]
    today = (datetime.date.fromisoformat(evidence["collected"][:10]) - datetime.date(1970, 1, 1)).days
    if demand.key == "password_max_days" and user["last_change"] is not None:
        limit = int(str(demand.value.target(user["max"])))
        return bool(user["password"] == "set" and user["last_change"] + limit <= today)
    return False


def _drop_unchanged(desired: Desired, evidence: Evidence) -> None:
    """A file whose planned text is what it already has needs no task."""
    texts = evidence["texts"]
    desired.files = {
        path: file for path, file in desired.files.items() if path not in texts or texts[path] != file["content"]
    }
