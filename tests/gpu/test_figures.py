"""Figures that need no host: what is read of recorded machines, and what the tables decide."""

from __future__ import annotations

import time
import typing as t
from pathlib import Path

from tests.unit.conftest import INSTALLED  # finds the collection
from tests.unit.gpu_machines import MACHINES, build

assert INSTALLED
Record = t.Callable[[str, object], None]


def test_recorded_machines_are_read(tmp_path: Path, record_property: Record) -> None:
    from ansible_collections.unified.deploy.plugins.module_utils._gpu import facts

    took = []
    for name, machine in MACHINES.items():
        root = str(build(tmp_path / name, machine))
        begun = time.process_time()
        facts.gather(root, machine=machine["arch"])
        took.append(time.process_time() - begun)
    record_property(
        "figure", f"facts: {len(took)} of 91 recorded machines, at most {max(took) * 1000:.1f} ms each (goal 50)"
    )
    assert len(took) == 91 and max(took) < 0.05


def test_every_id_is_decided(record_property: Record) -> None:
    from tests.unit.test_gpu_decisions import ARCHITECTURES, PURPOSES, TABLES, every_device, read

    for purpose in PURPOSES:
        begun = time.process_time()
        decided = [
            decision
            for system in TABLES.systems
            for architecture in ARCHITECTURES.values()
            for _identity, decision in every_device(system, architecture, purpose)
        ]
        took, through = time.process_time() - begun, sum(not (one.reason and one.row) for one in decided)
        record_property(
            "figure",
            f"decisions for {purpose}: {len(decided)} (goal 25000) in {took:.2f} s (goal 2), {through} by fall-through",
        )
        assert len(decided) > 25_000 and not through
    expected, argued = len(read("expected_decisions")), len(read("argued_decisions"))
    record_property(
        "figure", f"expected decisions: {expected - argued} of {expected} agreed, {argued} argued with a reason"
    )
    moving = sum(bool(row["moves_to"]) for row in TABLES.nvidia_branches)
    claimed = sum(row["claim"] == "both" for row in TABLES.amd.values())
    record_property(
        "figure", f"tables: {moving} names that move on, {claimed} devices that two drivers list; none decided blindly"
    )
