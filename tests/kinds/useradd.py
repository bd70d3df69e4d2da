"""Defaults of new accounts."""

from __future__ import annotations

from .scenario import Scenario

RULE = "useradd/INACTIVE"
SCENARIOS = (
    Scenario(RULE, "missing", "sed -i '/^INACTIVE/d' /etc/default/useradd"),
    Scenario(RULE, "commented", "sed -i 's/^INACTIVE/# INACTIVE/' /etc/default/useradd"),
    Scenario(RULE, "never", "useradd -D -f -1"),
    Scenario(
        RULE, "quotes_that_useradd_does_not_know", "sed -i 's/^INACTIVE=.*/INACTIVE=\"45\"/' /etc/default/useradd"
    ),
    Scenario(RULE, "stricter", "useradd -D -f 30", "pass"),
)
WITHOUT: dict[str, str] = {}
OBSERVERS = {RULE: 'n=$(useradd -D | sed -n \'s/^INACTIVE=//p\'); [ "$n" -ge 1 ] && [ "$n" -le 45 ]'}
