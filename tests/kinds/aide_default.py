"""The environment of AIDE's daily run."""

from __future__ import annotations

from .scenario import Scenario

RULE, FILE = "aide_default/SILENTREPORTS", "/etc/default/aide"
SCENARIOS = (
    Scenario(RULE, "removed", f"sed -i '/^SILENTREPORTS/d' {FILE}"),
    Scenario(RULE, "commented", f"sed -i 's/^SILENTREPORTS/# &/' {FILE}"),
    Scenario(RULE, "a_later_line", f"echo 'SILENTREPORTS=yes' >> {FILE}"),
    Scenario(RULE, "quoted", f"sed -i 's/^SILENTREPORTS=.*/SILENTREPORTS=\"no\"/' {FILE}", "pass"),
)
WITHOUT: dict[str, str] = {}
OBSERVERS = {RULE: f'. {FILE}; [ "$SILENTREPORTS" = no ]'}
