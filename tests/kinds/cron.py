"""Scenarios of kind `cron`."""

from __future__ import annotations

from .scenario import Scenario

SCENARIOS = (
    Scenario("cron/cron", "no_list", "rm -f /etc/cron.allow", alone=True),
    Scenario("cron/cron", "list_of_the_refused", "touch /etc/cron.deny"),
    Scenario(
        "cron/cron",
        "directory_in_its_place",
        "rm -f /etc/cron.allow; mkdir /etc/cron.allow",
        held="is a directory: remove it",
        alone=True,
    ),
)
WITHOUT = {"cron/at": "at is on no test host: installing it brings its list's rule with it"}
OBSERVERS: dict[str, str] = {}
