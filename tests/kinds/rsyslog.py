"""Scenarios of kind `rsyslog`."""

from __future__ import annotations

from .scenario import Scenario

SCENARIOS: tuple[Scenario, ...] = ()
# The unit tests judge configurations of every form; `rsyslogd -N1` takes each of them.
_REASON = "the test hosts keep their logs in the journal: rsyslog is another site's choice (purpose log_rsyslog)"
WITHOUT = {"rsyslog/FileCreateMode": _REASON, "rsyslog/listen": _REASON}
OBSERVERS: dict[str, str] = {}
