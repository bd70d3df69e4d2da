"""Scenarios of kind `privileged`. Only a host with a kernel of its own records anything."""

from __future__ import annotations

from .scenario import Scenario

RULE, OURS = "privileged/programs", "/etc/audit/rules.d/60-unified-privileged.rules"
LOAD = "augenrules --load >/dev/null"
SCENARIOS = (
    Scenario(RULE, "new_program", "install -m 4755 /bin/true /usr/local/bin/lends-root", held="immutable until the next boot", host="uml"),
    Scenario(RULE, "new_program_of_a_group", "install -g games -m 2755 /bin/true /opt/lends-a-group", held="immutable until the next boot", host="uml"),
    # One that no other rule of audit names.
    Scenario(RULE, "line_removed", f"grep unix_chkpwd {OURS}; sed -i '/unix_chkpwd/d' {OURS}; {LOAD}", host="uml"),
    Scenario(RULE, "line_commented", f"sed -i 's/^-a/# &/' {OURS}; {LOAD}", host="uml"),
    Scenario(RULE, "recorded_by_another_key", f"sed -i 's/-k privileged/-k site/' {OURS}; {LOAD}", "pass", host="uml"),
    Scenario(RULE, "other_permission", f"sed -i 's/perm=x/perm=w/' {OURS}; {LOAD}", host="uml"),
    Scenario(
        RULE, "without_power",
        "mkdir -p /srv/none; mount -t tmpfs -o nosuid tmpfs /srv/none; install -m 4755 /bin/true /srv/none/x", "pass", host="uml",
    ),
    Scenario(
        RULE, "name_that_no_rule_can_hold", "install -m 4755 /bin/true '/opt/a b'", held="cannot be named", host="uml", alone=True
    ),
)  # fmt: skip
WITHOUT: dict[str, str] = {}
OBSERVERS = {
    RULE: """loaded=$(auditctl -l) stored=$(cat /etc/audit/rules.d/*.rules | grep -v '^ *#')
findmnt -nrvo TARGET,OPTIONS -t ext4,xfs,tmpfs | grep -Ev '(^| |,)(nosuid|noexec)(,|$)' | while read -r tree _; do
  find "$tree" -xdev -type f -perm /6000
done | while read -r program; do
  for rules in "$loaded" "$stored"; do
    grep -Eq -- "path=$program .*perm=r?w?xa? |-w $program -p r?w?xa?( |$)|path=$program -F perm=x" <<<"$rules" || exit 1
  done
done
""",
}
