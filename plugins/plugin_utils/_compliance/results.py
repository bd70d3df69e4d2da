# SPDX-License-Identifier: GPL-3.0-or-later
"""One host's results: both judges' verdicts on rules, folded into controls, sections and a summary."""

from __future__ import annotations

import collections
import typing as t

# Ansible's loader compiles what a collection imports anew in every task: only the planning task needs all of it.
if t.TYPE_CHECKING:
    from .catalogue import Catalogue
    from .evidence import Evidence
    from .kinds.base import Demand
    from .plan import Plan, Verdict
    from .selection import Attestation, SelectedControl, Selection, Waiver

SCHEMA = 3
VERDICTS = ("error", "fail", "waived", "not_checked", "attested", "pass", "not_applicable")
"""Worst first: a control is as bad as its worst rule."""
ANSWERS = {
    "pass": "people say that it holds",
    "fail": "people say that it does not hold",
    "not_applicable": "people say that it does not apply",
}
STATES = ("planned", "applied", "verified", "failed", "unreachable")
"""How far a run has come with a host; the last two are ends, and say at which task."""
Model = dict[str, t.Any]


def host_model(
    name: str,
    catalogue: Catalogue,
    selection: Selection,
    plan: Plan,
    evidence: Evidence,
    *,
    run: str = "",
    state: str = "planned",
    stored: bool = False,
    independent: t.Collection[str] = (),
    changed: t.Sequence[str] = (),
) -> Model:
    """Everything a report needs to know of a host, before Goss has spoken.

    Args:
        run: which run this is a result of.
        state: one of STATES.
        stored: the evidence was not collected in this run, so that there is no host to verify.
        independent: rules of which Goss sees for itself what the verdict is about, without the evidence.
        changed: rules that this run has changed.
    """
    from . import gpus
    from .unmatched import unmatched

    host = evidence["host"]
    rules = {
        identifier: _rule(catalogue, verdict, changed=identifier in changed, independent=identifier in independent)
        for identifier, verdict in plan.verdicts.items()
    }
    controls = [_control(control, rules, selection) for control in selection.controls]
    by_id = {f"{one['benchmark']}:{one['id']}": {**one, "verdict": control_verdict(one, rules)} for one in controls}
    return {
        **ended(name, run, state),
        "stored": stored,
        "system": host["name"],
        "architecture": host["architecture"],
        "kernel": host["kernel"],
        "collected": evidence.document["collected"],
        "seconds": evidence.document["seconds"]["total"],
        "inodes": inodes(evidence),
        "benchmarks": [
            {
                "id": b,
                "title": catalogue.benchmarks[b].title,
                "version": catalogue.benchmarks[b].version,
                "level": level,
            }
            for b, level in selection.benchmarks
        ],
        "narrowed": _narrowed(selection),
        "purposes": sorted(selection.overlay.purposes),
        "overlay": selection.overlay.path,
        "unmatched": unmatched(selection, rules, by_id),
        "reboot_required": list(dict.fromkeys(plan.desired.reboot)),
        "changed": list(changed),
        "gpus": gpus.health(evidence, selection.overlay.purposes),
        "goss": None,
        "rules": rules,
        "controls": controls,
    }


def _narrowed(selection: Selection) -> Model | None:
    """What a run was narrowed to, and how much of its benchmarks it therefore leaves out; None where it was not."""
    filters = selection.filters
    if not filters:
        return None
    return {
        "sections": list(filters.sections),
        "kinds": list(filters.kinds),
        "rules": list(filters.rules),
        "rules_left_out": len(selection.left_out.rules),
        "controls_left_out": len(selection.left_out.controls),
    }


def ended(name: str, run: str, state: str, task: str = "", reason: str = "") -> Model:
    """A result without verdicts: how far RUN came with the host NAME, and at which task and why it ended there."""
    return {"schema": SCHEMA, "run": run, "state": state, "task": task, "reason": reason, "name": name}


def not_run(name: str, model: Model | None, run: str, *, active: bool, dry: bool = False) -> Model | None:
    """Why a report of RUN has no verdicts of the host NAME; None when MODEL holds them.

    Args:
        model: what lies in the results directory, of whichever run; None where nothing does.
        active: the run goes on with this host.
        dry: nothing is verified in this run, so that what the planner saw is a result, as it is for stored evidence.
    """
    if model is None or model["run"] != run:
        if active:
            return ended(name, run, "waiting", reason="its turn comes later in this run")
        return ended(
            name,
            run,
            "unreachable",
            reason="nothing is known of it from this run: it was not reached, or failed before it was planned",
        )
    if model["state"] in ("failed", "unreachable"):
        return ended(name, run, model["state"], model["task"], model["reason"])
    if model["state"] != "verified" and not (dry or model["stored"]):
        if active:
            return ended(name, run, "waiting", reason=f"{model['state']}, not verified yet")
        return ended(name, run, "failed", reason=f"unreachable or failed after it was {model['state']}")
    return None


def inodes(evidence: Evidence) -> int | None:
    """How many inodes the walk saw; None when nothing was walked."""
    walked = evidence.get("scan")
    return walked["inodes"] if walked else None


def _rule(catalogue: Catalogue, verdict: Verdict, *, changed: bool, independent: bool) -> Model:
    rule = verdict.demand.rule
    nist = sorted({catalogue.nist[cci].split(" ")[0] for cci in rule.cci if cci in catalogue.nist})
    return {
        "title": rule.title,
        "why": rule.why,
        "kind": rule.kind,
        "severity": rule.severity,
        "verdict": verdict.verdict,
        "actual": verdict.actual,
        "expected": verdict.expected,
        "held": verdict.held,
        "waiver": _waiver(verdict.waiver),
        "attestation": _attestation(verdict.attestation),
        "site": _site(verdict.demand),
        "changed": changed,
        "goss": "none",
        "independent": independent,
        "controls": list(verdict.demand.controls),
        "cci": list(rule.cci),
        "nist_800_53": nist,
    }


def _site(demand: Demand) -> list[Model]:
    """The values that the overlay puts in the place of the benchmarks' own, where it does not say the same."""
    values = []
    for name, asked in demand.replaced.items():
        own, benchmark = demand.constraints[name], " and ".join(one.describe() for one in asked)
        loosened = not all(own.implies(one) for one in asked)
        if own.describe() != benchmark:
            values.append({"field": name, "benchmark": benchmark, "site": own.describe(), "loosened": loosened})
    return values


def _waiver(waiver: Waiver | None) -> Model | None:
    return {"owner": waiver.owner, "until": str(waiver.until), "reason": waiver.reason} if waiver else None


def _attestation(answer: Attestation | None) -> Model | None:
    return (
        {"answer": answer.answer, "by": answer.by, "until": str(answer.until), "note": answer.note} if answer else None
    )


def _control(selected: SelectedControl, rules: Model, selection: Selection) -> Model:
    control = selected.control
    return {
        "id": control.id,
        "benchmark": selected.benchmark,
        "title": control.title,
        "section": selected.section,
        "levels": list(control.levels),
        "assess": control.assess,
        "applicable": selected.applicable,
        "rules": [rule for rule in control.rules if rule in rules],
        "unselected": [rule for rule in control.rules if rule not in rules],
        "reason": control.reason,
        "waiver": _waiver(selection.overlay.waivers.get(selected.id)),
        "attestation": _attestation(selection.overlay.attestations.get(selected.id)),
    }


def add_goss(model: Model, results: Model) -> None:
    """Let the second judge speak: where the two disagree, the verdict is an error, never a pass."""
    model["state"] = "verified"
    model["goss"] = {"checks": results["count"], "seconds": results["seconds"]}
    for identifier, rule in model["rules"].items():
        rule["goss"], why = outcome(results, identifier)
        if rule["goss"] == "fail" and rule["verdict"] == "pass":
            rule["verdict"] = "error"
            rule["actual"] = f"the judges disagree: {rule['actual']}; Goss: {why}"
        elif rule["goss"] == "pass" and rule["verdict"] == "fail":
            rule["verdict"] = "error"
            rule["actual"] = f"the judges disagree: {rule['actual']}; Goss passes it"
        elif rule["goss"] == "none" and rule["verdict"] in ("pass", "fail") and not rule["attestation"]:
            rule["verdict"] = "error"
            rule["actual"] = "Goss returned no result for it"


def outcome(results: t.Mapping[str, t.Any], identifier: str) -> tuple[str, str]:
    """What Goss says of a rule: pass, fail or none (it has no check for it), and why."""
    if identifier in results["failing"]:
        return "fail", "; ".join(results["failing"][identifier][:3])
    return ("pass", "") if identifier in results["passed"] else ("none", "")


def summarise(model: Model) -> Model:
    """Fill in verdicts of controls, counts of sections and totals; returns MODEL.

    ``judged`` counts the rules that Goss judged too, ``independent`` those of which it saw for itself what decides, and
    ``loosened`` those with a value of the site's that the benchmark would not accept.
    """
    for control in model["controls"]:
        control["verdict"] = control_verdict(control, model["rules"])
    judged = [rule for rule in model["rules"].values() if rule["goss"] != "none"]
    sections: dict[tuple[str, str], collections.Counter[str]] = {}
    for control in model["controls"]:
        key = (control["benchmark"], control["section"])
        sections.setdefault(key, collections.Counter())[control["verdict"]] += 1
    model["sections"] = [{"benchmark": b, "title": s, "counts": dict(counts)} for (b, s), counts in sections.items()]
    model["summary"] = {
        "controls": dict(collections.Counter(control["verdict"] for control in model["controls"])),
        "rules": dict(collections.Counter(rule["verdict"] for rule in model["rules"].values())),
        "judged": len(judged),
        "independent": sum(rule["independent"] for rule in judged),
        "loosened": sum(any(value["loosened"] for value in rule["site"]) for rule in model["rules"].values()),
    }
    return model


def control_verdict(control: Model, rules: Model) -> str:
    if not control["applicable"]:
        return "not_applicable"
    verdicts = {rules[rule]["verdict"] for rule in control["rules"]}
    # A rule that does not apply says nothing about a control that has others.
    worst = next((verdict for verdict in VERDICTS if verdict in verdicts), "not_checked")
    if worst == "fail" and control["waiver"]:
        return "waived"
    if control["unselected"] and worst not in ("error", "fail"):
        # Filters left some of its rules out: nothing is known of the whole control.
        return "not_checked"
    if worst == "not_checked" and control["attestation"]:
        answer = str(control["attestation"]["answer"])
        return "attested" if answer == "pass" else answer
    return worst


def failing(model: Model) -> list[str]:
    """Rules that fail or could not be judged."""
    return [identifier for identifier, rule in model["rules"].items() if rule["verdict"] in ("fail", "error")]
