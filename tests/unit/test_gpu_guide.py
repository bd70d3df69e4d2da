"""docs/gpu.md says what the tables decide."""

from __future__ import annotations

import csv

from ansible_collections.unified.deploy.plugins.plugin_utils._gpu.tables import tables

from tests.unit.gpu_machines import FIXTURES
from tools import gpu_guide


def test_guide_is_what_the_tables_decide() -> None:
    """`make golden` rewrites it."""
    assert gpu_guide.guide(tables()) == gpu_guide.GUIDE.read_text()


def test_guide_counts_what_was_argued_with() -> None:
    counts = {}
    for name in ("argued_decisions", "expected_decisions"):
        with (FIXTURES / f"{name}.csv").open(newline="") as handle:
            counts[name] = len(list(csv.DictReader(handle)))
    argued, first = counts["argued_decisions"], counts["expected_decisions"]
    text = gpu_guide.GUIDE.read_text()
    assert (
        f"of {first} first decisions made by simpler rules {first - argued} are the same; each of the other {argued} has"
        in text
    )
