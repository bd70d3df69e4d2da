"""Scenarios of kind `limits`."""

from __future__ import annotations

from .scenario import Scenario

OURS = "/etc/security/limits.d/zz-unified.conf"
CORE = "limits/core"

SCENARIOS = (
    Scenario(CORE, "file_removed", f"rm {OURS}"),
    Scenario(CORE, "line_commented", f"sed -i 's/^\\*/#&/' {OURS}"),
    Scenario(CORE, "soft_limit_only", f"sed -i 's/hard/soft/' {OURS}"),
    Scenario(CORE, "both_limits", f"sed -i 's/hard/-/' {OURS}", "pass"),
    Scenario(CORE, "tabs", f"sed -i 's/ /\\t/g' {OURS}", "pass"),
    Scenario(
        CORE, "wrong_value_in_an_earlier_file", "echo '* hard core 9' > /etc/security/limits.d/10-site.conf", "pass"
    ),
    Scenario(
        CORE, "later_file_wins", "echo '* hard core unlimited' > /etc/security/limits.d/zzz.conf", held="zzz.conf"
    ),
    Scenario(
        CORE, "user_wins", "echo 'bob hard core unlimited' > /etc/security/limits.d/10-bob.conf", held="bob unlimited"
    ),
    Scenario(
        CORE,
        "group_wins",
        "echo '@sudo - core unlimited' > /etc/security/limits.d/10-sudo.conf",
        held="@sudo unlimited",
    ),
    Scenario(CORE, "stricter_group", "echo '@sudo hard core 0' > /etc/security/limits.d/10-sudo.conf", "pass"),
    Scenario(
        CORE,
        "login_that_sets_none",
        "sed -i '/pam_limits/d' /etc/pam.d/sshd",
        held="session without pam_limits.so",
        alone=True,
    ),
    Scenario(
        CORE,
        "login_that_reads_another_file",
        "sed -i 's/pam_limits.so/& conf=\\/etc\\/x/' /etc/pam.d/su",
        held="conf=/etc/x",
        alone=True,
    ),
    Scenario(CORE, "user_exempt", "echo 'bob -' > /etc/security/limits.d/10-bob.conf", held="bob is exempt"),
    Scenario(
        CORE,
        "root_is_never_limited_by_all",
        "echo 'root hard core unlimited' > /etc/security/limits.d/10-root.conf",
        "pass",
    ),
)
WITHOUT: dict[str, str] = {}
# Goss reads the files itself; a login tells nothing where the container's own limit is 0 already.
OBSERVERS: dict[str, str] = {}
