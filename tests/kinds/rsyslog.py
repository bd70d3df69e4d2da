"""Scenarios of kind `rsyslog`."""

from __future__ import annotations

from .scenario import Scenario

SCENARIOS: tuple[Scenario, ...] = ()
# The unit tests judge configurations of every form; `rsyslogd -N1` takes each of them.
_REASON = "the test hosts keep their logs in the journal: rsyslog is another site's choice (purpose log_rsyslog)"
WITHOUT = {"rsyslog/FileCreateMode": _REASON, "rsyslog/listen": _REASON}
OBSERVERS = {
    "rsyslog/FileCreateMode": "grep -rhoiE 'FileCreateMode[ =\"]+[0-7]+' /etc/rsyslog.conf /etc/rsyslog.d | grep -oE '[0-7]+$' > /run/modes.seen; "
    "[ -s /run/modes.seen ]; while read -r m; do [ $(( 0$m & ~0640 )) = 0 ]; done < /run/modes.seen",
    "rsyslog/listen": "if ss -Hlntup | grep rsyslogd; then exit 1; fi",
}
