# SPDX-License-Identifier: GPL-3.0-or-later
"""How a host's GPUs are."""

from __future__ import annotations

import typing as t

from .. import health, report

SPEC: dict[str, t.Any] = {}


def act(_asked: t.Mapping[str, t.Any], _dry: bool) -> dict[str, t.Any]:
    """What gpu_health_info returns."""
    findings, samples = health.look()
    return {
        "changed": False,
        "healthy": report.healthy(findings),
        "findings": [one._asdict() for one in findings],
        "lines": [one.line() for one in findings if one.state in ("bad", "unread")],
        "samples": [one._asdict() for one in samples],
    }
