"""Every rule is broken on a real host and is judged by recorded evidence, or a reason says why not."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import goss
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import plan as _plan
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import selection as _selection

from tests import kinds
from tests.integration.conftest import BENCHMARKS
from tests.kinds import OBSERVERS, SCENARIOS, WITHOUT, rounds


def test_every_rule_is_broken_on_a_host_or_a_reason_says_why_not(
    catalogue: t.Any, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = {scenario.rule for scenario in SCENARIOS}
    with capsys.disabled():
        print(f"\n{len(broken)} rules are broken on hosts by {len(SCENARIOS)} scenarios; {len(WITHOUT)} are not:")
        for rule, reason in sorted(WITHOUT.items()):
            print(f"  {rule:44} {reason}")
    assert sorted(set(catalogue.rules) - broken - set(WITHOUT)) == []
    assert sorted((broken | set(WITHOUT)) - set(catalogue.rules)) == []
    assert sorted(broken & set(WITHOUT)) == []


def test_scenarios_have_names_of_their_own() -> None:
    names = [(scenario.rule, scenario.name) for scenario in SCENARIOS]
    assert len(names) == len(set(names))
    assert all(scenario.held == "" or scenario.verdict == "fail" for scenario in SCENARIOS)


def test_no_round_breaks_a_rule_twice() -> None:
    for scenarios in rounds(list(SCENARIOS)):
        assert len({scenario.rule for scenario in scenarios}) == len(scenarios)


def test_a_round_mounts_at_a_directory_once_and_before_what_lies_below_it() -> None:
    made = [[kinds._mount_point(one) for one in scenarios if one.alone] for scenarios in rounds(list(SCENARIOS))]
    for points in ([one for one in points if one] for points in made):
        assert len(set(points)) == len(points)
        assert points == sorted(points, key=lambda one: one.count("/"))
    assert max(map(len, made)) > 3


def test_every_rule_that_goss_cannot_see_has_a_third_observer(catalogue: t.Any, hardened: t.Any) -> None:
    selection = _selection.select(catalogue, BENCHMARKS, _selection.Overlay(), hardened["host"])
    verdicts = _plan.judge(selection, hardened)
    checks = goss.checks_of(verdicts, hardened)
    seen = goss.independent(checks)
    # What does not apply to the recorded host is seen as its kind is.
    kinds = {rule.split("/")[0] for rule in seen} | {"manual"}
    elsewhere = {rule for rule in set(catalogue.rules) - set(checks) if rule.split("/")[0] not in kinds}
    assert sorted((set(checks) | elsewhere) - seen - set(OBSERVERS)) == []


@pytest.mark.parametrize("state", ["fresh", "hardened"])
def test_every_rule_is_judged_by_recorded_evidence(
    catalogue: t.Any, state: str, request: pytest.FixtureRequest
) -> None:
    evidence = request.getfixturevalue(state)
    selection = _selection.select(catalogue, BENCHMARKS, _selection.Overlay(), evidence["host"])
    verdicts = _plan.judge(selection, evidence)
    unjudged = {i: v.actual for i, v in verdicts.items() if v.verdict in ("not_checked", "error")}
    assert {i: why for i, why in unjudged.items() if not i.startswith("manual/")} == {}
