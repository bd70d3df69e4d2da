"""Figures in the README are those of the catalogue."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import goss, plan, selection

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()
ROWS = re.findall(r"^\|[^|]+\| `(\w+)` \| (\d+) \| (\d+) \| (\d+) \|$", README, re.MULTILINE)


def test_every_benchmark_is_listed(catalogue: t.Any) -> None:
    assert sorted(row[0] for row in ROWS) == sorted(catalogue.benchmarks)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_controls_are_counted_by_who_judges_them(catalogue: t.Any, row: tuple[str, ...]) -> None:
    controls = catalogue.benchmarks[row[0]].controls.values()
    kinds = [{catalogue.rules[rule].kind for rule in control.rules} for control in controls]
    counted = (len(kinds), sum(bool(each - {"manual"}) for each in kinds), sum(each == {"manual"} for each in kinds))
    assert counted == tuple(map(int, row[1:]))


def test_both_numbers_of_judged_rules_are_told(catalogue: t.Any, hardened: t.Any) -> None:
    selected = selection.select(catalogue, [("cis", "l2_server")], selection.Overlay(), hardened["host"])
    checks = goss.checks_of(plan.judge(selected, hardened), hardened)
    told = re.search(
        r"Of the (\d+) rules that\s+CIS level 2 has .* Goss looks at the host itself for (\d+);", README, re.DOTALL
    )
    assert told and (int(told[1]), int(told[2])) == (len(checks), len(goss.independent(checks)))
