# SPDX-License-Identifier: GPL-3.0-or-later
"""How a host's GPUs are, as its report has it. No control asks for it: it counts in no score. Pure."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from .evidence import Evidence

PURPOSE = "gpu_host"
WORST_FIRST = ("bad", "unread", "absent", "ok")
"""States of a check, as `_gpu.report` names them."""


def health(evidence: Evidence, purposes: t.Collection[str]) -> dict[str, t.Any]:
    """The GPUs of a host, and every check of them.

    Returns:
        ``expected``: the overlay says that the host has GPUs. ``gpus`` and ``checks``: as the collector's reader has them, the worst
        first; a state that is not known is ``unread``. ``unseen``: what could not be looked at, with the reason. ``healthy``: GPUs are
        seen, something of them is well, nothing is bad and nothing is not known. ``shown``: whether people are told: nobody who has
        no GPUs and says so wants to read of them.
    """
    section, unseen = evidence.get("gpu") or {"gpus": [], "checks": []}, "gpu was not collected"
    collected = "gpu" in evidence
    if collected:
        unseen = "; ".join(f"{path}: {why}" if path else why for path, why in evidence.left_out("gpu").items())
    checks = [{**one, "state": one["state"] if one["state"] in WORST_FIRST else "unread"} for one in section["checks"]]
    checks.sort(key=lambda one: WORST_FIRST.index(one["state"]))
    states, expected = {one["state"] for one in checks}, PURPOSE in purposes
    return {
        "expected": expected,
        "shown": bool(expected or section["gpus"] or (collected and unseen)),
        "gpus": section["gpus"],
        "checks": checks,
        "unseen": unseen,
        "healthy": bool(section["gpus"]) and "ok" in states and not states & {"bad", "unread"} and not unseen,
    }
