"""Units that must be masked, whatever asks for them."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import plan as _plan
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import selection as _selection
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.kinds.base import Connection

RULE, UNIT = "service/ctrl_alt_del", "ctrl-alt-del.target"


@pytest.mark.parametrize(
    ("load", "file", "verdict"),
    [("masked", "masked", "pass"), ("loaded", "disabled", "fail"), ("masked", "masked-runtime", "fail")],
)
def test_only_a_unit_that_stays_masked_passes(
    catalogue: t.Any, hardened: t.Any, load: str, file: str, verdict: str
) -> None:
    hardened["service"][UNIT].update(load=load, file=file, active="inactive")
    selection = _selection.select(
        catalogue, [("stig_ready", "cat_3")], _selection.Overlay(), hardened["host"], _selection.Filters(rules=(RULE,))
    )
    made = _plan.plan(selection, hardened, Connection(user="ansible"))
    assert made.verdicts[RULE].verdict == verdict
    assert made.desired.units_masked == ([UNIT] if (verdict, load) == ("fail", "loaded") else [])
    assert ("unmask --runtime" in made.verdicts[RULE].held) == (file == "masked-runtime")
