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
        "login_that_can_pass_by_it",
        "sed -i '/pam_limits.so/i session [success=1 default=ignore] pam_permit.so' /etc/pam.d/su",
        held="can pass by pam_limits.so",
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


def _last(item: str, test: str) -> str:
    """Lines as pam_limits reads them: of one domain the last counts. A login of a test host tells nothing: its own limit is 0."""
    return f"""export LC_ALL=C
sed 's/#.*//' /etc/security/limits.conf /etc/security/limits.d/*.conf | awk '
  $1 ~ /^(root|0)$/ {{ next }}
  NF == 2 && $2 == "-" {{ bad = 1 }}
  ($2 == "hard" || $2 == "-") && $3 == "{item}" {{ last[$1] = $4 }}
  END {{ for (d in last) {{ v = last[d]; if (!({test})) bad = 1 }} exit bad || !("*" in last) }}'
cd /etc/pam.d
for service in $(ls login sshd su 2>/dev/null); do
  grep -E '^session\\s.*pam_limits.so' $service | grep -v conf=
  if grep -B1 pam_limits.so $service | grep success=1; then exit 1; fi
done
"""


OBSERVERS = {
    CORE: _last("core", 'v == "0"'),
    "limits/maxlogins": _last("maxlogins", "v ~ /^[0-9]+$/ && v >= 1 && v <= 10"),
}
