# SPDX-License-Identifier: GPL-3.0-or-later
"""What every format says in the same words. Pure."""

from __future__ import annotations

import collections
import typing as t

from ..gpus import PURPOSE, WORST_FIRST
from .model import Report, percent, score


def judges(host: Report) -> str:
    """Who judged a host, in one sentence."""
    if not host["goss"]:
        return "judged by the planner only"
    seen, judged = host["summary"]["independent"], host["summary"]["judged"]
    if not judged:
        return "judged by no program: none of what was selected can be"
    return (
        f"judged by planner and Goss ({host['goss']['checks']} checks, {host['goss']['seconds']:.2f} s): of {judged} rules Goss "
        f"saw for itself what decides {seen}, and relied on the evidence for {judged - seen}"
    )


def ends(host: Report) -> str:
    """How a host that has no result ended: where, and why."""
    at = f" at '{host['task']}'" if host["task"] else ""
    reason = f": {host['reason']}" if host["reason"] else ""
    return f"{host['state']}{at}{reason}"


def score_of(host: Report) -> str:
    """A host's score, and whether it is one of a part only."""
    return percent(score(host["summary"]["controls"])) + (" of what was selected" if host["narrowed"] else "")


def narrowing(host: Report) -> str:
    """What the run was narrowed to and what it did not look at, in one sentence; empty where it was not narrowed."""
    narrowed = host["narrowed"]
    if not narrowed:
        return ""
    chosen = " and ".join(
        f"{name} {', '.join(narrowed[name])}" for name in ("sections", "kinds", "rules") if narrowed[name]
    )
    return (
        f"narrowed to {chosen}: {_count(narrowed['rules_left_out'], 'rule')} and "
        f"{_count(narrowed['controls_left_out'], 'whole control')} of {', '.join(b['id'] for b in host['benchmarks'])} "
        "were not looked at"
    )


def gpus(host: Report) -> str:
    """How a host's GPUs are, in one sentence; empty where it has none and nobody says that it has."""
    health = host["gpus"]
    if not health["shown"]:
        return ""
    counts = collections.Counter(check["state"] for check in health["checks"])
    said = ", ".join(f"{counts[state]} {state}" for state in WORST_FIRST if counts[state]) or "nothing was checked"
    how = "" if health["healthy"] else ", not healthy"
    seen = f"{_count(len(health['gpus']), 'GPU')}{how}: {said}" if health["gpus"] else "no GPU is seen"
    if health["expected"] and not health["gpus"]:
        seen += f", and the overlay names the purpose {PURPOSE}"
    return seen + (f"; not looked at: {health['unseen']}" if health["unseen"] else "")


def gpu_checks(host: Report) -> list[tuple[str, str, str]]:
    """Each check of a host's GPUs, the worst first: its state, what was checked of which GPU, and what was said."""
    return [
        (check["state"], f"{check['name']} {check['where']}".strip(), check["said"]) for check in host["gpus"]["checks"]
    ]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def loosened(host: Report) -> dict[str, str]:
    """By rule, the values of the site's that the benchmark would not accept, beside the benchmark's."""
    return {rule: text for rule, facts in host["rules"].items() if (text := site_values(facts, loosened_only=True))}


def site_values(facts: Report, *, loosened_only: bool = False) -> str:
    """A rule's values of the overlay, each beside the benchmark's; empty where it has none."""
    return "; ".join(
        f"{'' if value['field'] == 'value' else value['field'] + ' '}{value['site']} instead of the benchmark's "
        f"{value['benchmark'] or 'none'}"
        for value in facts["site"]
        if value["loosened"] or not loosened_only
    )


def remarks(facts: Report) -> list[tuple[str, str]]:
    """What is to be said of a rule besides its verdict: who accepts or attests it, why it is not changed, whose value it has."""
    made = []
    if waiver := facts["waiver"]:
        made.append(("waived", f"by {waiver['owner']} until {waiver['until']}: {waiver['reason']}"))
    if answer := facts["attestation"]:
        note = f": {answer['note']}" if answer["note"] else ""
        made.append(("attested", f"by {answer['by']} until {answer['until']}{note}"))
    if facts["held"]:
        made.append(("not changed", facts["held"]))
    if facts["site"]:
        loose = any(value["loosened"] for value in facts["site"])
        made.append(("loosened" if loose else "overlay", site_values(facts)))
    if facts["changed"]:
        made.append(("changed", "in this run"))
    return made


def note(facts: Report) -> str:
    """The remarks on one line."""
    return "; ".join(
        f"{label} {text}" if label in ("waived", "attested", "changed") else f"{label}: {text}"
        for label, text in remarks(facts)
    )


def unmatched(entry: t.Mapping[str, str]) -> str:
    """An entry of the overlay that matches nothing, with what to look at."""
    return f"{entry['where']}: {entry['entry']} ({entry['name']}): {entry['why']}"
