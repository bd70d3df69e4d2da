"""What a scenario is. Each kind lists its own in `tests/kinds/<kind>.py`; tests/integration/test_scenarios.py runs them all."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scenario:
    """One change made by hand to a hardened host, and what both judges must say of a rule after it.

    Attributes:
        rule: the rule's id.
        name: what is special about it, as words joined by underscores.
        script: bash, run as root with ``set -eu`` on a host that was hardened and judged green.
        verdict: what the planner and Goss must both come to: pass, fail, or error where it cannot be told.
        held: empty where the next hardening run must mend it; else a text that the reason for leaving it must contain.
        host: ``container``, ``debian12`` (a container of that release), or ``uml`` where it needs a kernel of its own.
        alone: that it breaks more than its own rule, so that nothing else of its kind can be judged beside it.
        also: other kinds of which nothing can be judged beside it.
    """

    rule: str
    name: str
    script: str
    verdict: str = "fail"
    held: str = ""
    host: str = "container"
    alone: bool = False
    also: tuple[str, ...] = ()
