"""Evidence and plans for the kinds that guard access."""

from __future__ import annotations

import typing as t

from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import goss as _goss
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import plan as _plan
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import selection as _selection
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.kinds.base import Connection

SITE: dict[str, t.Any] = {
    "values": {"sshd/AllowGroups": {"some_of": ["sudo"]}},
    "purposes": frozenset({"container_host"}),
}


def planned(
    catalogue: t.Any, evidence: t.Any, connection: Connection | None = None, level: str = "l2_server", **overlay: t.Any
) -> _plan.Plan:
    selection = _selection.select(
        catalogue, [("cis", level)], _selection.Overlay(**{**SITE, **overlay}), evidence["host"]
    )
    return _plan.plan(selection, evidence, connection or Connection(user="ansible"))


def checks(plan: _plan.Plan, evidence: t.Any, rule: str) -> list[t.Any]:
    return _goss.checks(plan.verdicts[rule], evidence)
