# SPDX-License-Identifier: GPL-3.0-or-later
"""One NVIDIA branch a host: what the devices have in common, and what the operator asks for."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from .model import Branch, Decision, Request, Target
from .nvidia import VENDOR_REPOSITORY, packages
from .tables import Tables

Decided = dict[str, Decision]


def agree(
    tables: Tables, decisions: t.Mapping[str, Decision], names: t.Mapping[str, str], request: Request, target: Target
) -> Decided:
    """The decisions with one branch for all devices of NVIDIA's driver, or the refusal of all of them.

    Args:
        decisions: by where the device is.
        names: what people call the device, by where it is.
    """
    driven = {where: decision for where, decision in decisions.items() if decision.branches}
    if not driven:
        return dict(decisions)
    allowed = {where: [one for one in decision.branches if asked(one, request)] for where, decision in driven.items()}
    common = [one for one in next(iter(allowed.values())) if all(one in branches for branches in allowed.values())]
    if not common:
        why = refusal(tables, driven, allowed, names, request, target)
        refused = {
            where: Decision(action="refuse", reason=why, row=decision.row, offer=decision.offer)
            for where, decision in driven.items()
        }
        return {**decisions, **refused}
    # The place in each device's own order of preference; the sum so that no device alone decides.
    best = min(common, key=lambda one: sum(decision.branches.index(one) for decision in driven.values()))
    return {**decisions, **{where: take(tables, target, decision, best) for where, decision in driven.items()}}


def take(tables: Tables, target: Target, decision: Decision, branch: Branch) -> Decision:
    """The same decision with another of its branches."""
    if decision.branch is None or decision.branch == branch:
        return decision
    return replace(
        decision,
        action="install" if branch.repository == "distribution" else "vendor",
        branch=branch,
        packages=packages(tables, target, branch),
        repository=branch.repository,
        reason=decision.reason.replace(decision.branch.row, branch.row),
    )


def asked(branch: Branch, request: Request) -> bool:
    """Whether a branch is what the operator asks for."""
    return (
        request.driver in ("auto", branch.number)
        and request.flavour in ("auto", branch.flavour)
        and request.repository in ("auto", "vendor" if branch.repository == VENDOR_REPOSITORY else "distribution")
    )


def refusal(
    tables: Tables,
    driven: t.Mapping[str, Decision],
    allowed: t.Mapping[str, list[Branch]],
    names: t.Mapping[str, str],
    request: Request,
    target: Target,
) -> str:
    """Why no branch is left: what the request excludes, or two devices that have none in common."""
    if moved := moves_to(tables, request, target):
        return moved
    for where, branches in allowed.items():
        if not branches:
            able = ", ".join(dict.fromkeys(str(one) for one in driven[where].branches))
            wish = f"driver {request.driver}, flavour {request.flavour}, repository {request.repository}"
            return f"nothing drives {names[where]} at {where} with {wish}; what does: {able}"
    places = list(allowed)
    for number, first in enumerate(places):
        for second in places[number + 1 :]:
            if not set(allowed[first]) & set(allowed[second]):
                parts = [
                    f"{names[where]} at {where} is driven by {', '.join(dict.fromkeys(one.number for one in allowed[where]))}"
                    for where in (first, second)
                ]
                return f"no branch of NVIDIA's driver drives both: {'; '.join(parts)}"
    return "no branch of NVIDIA's driver drives all of " + ", ".join(f"{names[where]} at {where}" for where in places)


def moves_to(tables: Tables, request: Request, target: Target) -> str:
    """What is wrong with a branch whose package is empty and installs another; empty where nothing is."""
    rows = [
        row
        for row in tables.nvidia_branches
        if (row["distribution"], row["branch"]) == (target.system, request.driver)
        and request.flavour in ("auto", row["flavour"])
    ]
    if not rows or not all(row["moves_to"] for row in rows):
        return ""
    return f"{rows[0]['package']} is an empty package here, which installs {rows[0]['moves_to']} ({rows[0].where})"
