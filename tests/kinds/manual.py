"""Questions that only people answer."""

from __future__ import annotations

from .scenario import Scenario

_PEOPLE = "only people can answer it"
SCENARIOS: tuple[Scenario, ...] = ()
WITHOUT = {
    f"manual/{key}": _PEOPLE
    for key in (
        "approved_services", "gdm", "ipv6", "journal_access", "journal_rotation",
        "journal_upload", "logrotate", "repositories", "rsyslog_rules", "suid_review", "unused_filesystems", "updates", "wireless",
    )
}  # fmt: skip
OBSERVERS: dict[str, str] = {}
