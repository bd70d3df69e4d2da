"""Scenarios of kind `audit`. Only a host with a kernel of its own records anything."""

from __future__ import annotations

from pathlib import Path

import yaml

from .scenario import Scenario

OURS, FINAL = "/etc/audit/rules.d/50-unified.rules", "/etc/audit/rules.d/zz-unified-final.rules"
CATALOGUE = Path(__file__).resolve().parents[2] / "roles/compliance/files/catalogue/rules/audit.yml"
RULES = yaml.safe_load(CATALOGUE.read_text())["rules"]
GROUP, DELETE = "audit/group", "audit/delete"
# On a hardened host the loaded rules are immutable: what is stored waits for the next boot.
LOAD = "augenrules --load >/dev/null"


def _key(rule: str) -> str:
    return str(RULES[rule]["rules"][0]).rsplit(" ", 1)[1]


def _pattern(rule: str) -> str:
    """What the lines of a rule have in common with no other: the path, or the first call."""
    line = str(RULES[rule]["rules"][0])
    words = line.split()
    return (
        next(word for before, word in zip(words, words[1:]) if before in ("-w", "-S"))
        if "path=" not in line
        else line.split("path=")[1].split()[0]
    )


SCENARIOS = (
    *(
        Scenario(f"audit/{rule}", "lines_removed_and_rules_loaded_anew", f"sed -i '\\#{_pattern(rule)}#d' /etc/audit/rules.d/*.rules; {LOAD}", host="uml")
        for rule, fields in RULES.items()
        if "rules" in fields and rule != "networkmanager"
    ),
    Scenario("audit/continue", "line_removed", f"sed -i '/^-c$/d' {OURS}", host="uml"),
    Scenario(GROUP, "line_commented", f"sed -i 's#^-w /etc/group#\\# &#' {OURS}; {LOAD}", host="uml"),
    Scenario(GROUP, "other_key_and_wider_permissions", f"sed -i 's#^-w /etc/group .*#-w /etc/group -p rwa -k accounts#' {OURS}; {LOAD}", "pass", host="uml"),
    Scenario(
        GROUP, "written_as_a_path_rule",
        f"sed -i 's#^-w /etc/group .*#-a always,exit -F path=/etc/group -F perm=wa -F key=identity#' {OURS}; {LOAD}",
        "pass", host="uml",
    ),
    Scenario(GROUP, "narrower_permissions", f"sed -i 's#^-w /etc/group .*#-w /etc/group -p a -k identity#' {OURS}; {LOAD}", host="uml"),
    Scenario(
        GROUP, "in_another_file",
        f"sed -i '\\#^-w /etc/group#d' {OURS};"
        f" echo '-w /etc/group -p wa -k identity' > /etc/audit/rules.d/10-site.rules; {LOAD}",
        "pass", host="uml",
    ),
    Scenario(
        DELETE, "never_rule_comes_first",
        f"echo '-a never,exit -F auid=1000' > /etc/audit/rules.d/00-site.rules; {LOAD}",
        held="-a never,exit", host="uml", alone=True,
    ),
    Scenario(
        DELETE, "records_of_an_account_left_out",
        f"echo '-a never,exclude -F auid=1000' > /etc/audit/rules.d/zzz-site.rules; {LOAD}", held="-a never,exclude", host="uml", alone=True,
    ),
    Scenario(
        GROUP, "taken_away_again",
        f"echo '-W /etc/group -p wa -k identity' > /etc/audit/rules.d/zzz-site.rules; {LOAD}", held="takes it away again", host="uml", alone=True,
    ),
    Scenario(GROUP, "nothing_loads_it_at_boot", "systemctl mask -q audit-rules.service", held="audit-rules.service is masked", host="uml", alone=True),
    Scenario(
        DELETE, "never_rule_on_another_call",
        f"echo '-a never,exit -F arch=b64 -S adjtimex -F auid=unset' > /etc/audit/rules.d/zzz-site.rules; {LOAD}",
        "pass", host="uml",
    ),
    Scenario(
        DELETE, "calls_in_two_lines",
        f"sed -i 's/unlink,unlinkat/unlink/' {OURS}; sed 's/-S unlink /-S unlinkat /;/unlinkat/!d' {OURS} > /root/second;"
        f" cat /root/second >> {OURS}; rm /root/second; {LOAD}",
        "pass", host="uml",
    ),
)  # fmt: skip
WITHOUT = {
    "audit/immutable": "tests/integration/test_kernel.py makes the rules immutable and reboots: nothing else can be broken after it",
    "audit/networkmanager": "NetworkManager is not on the test hosts",
}
_LINES = "auditctl -l | grep -E -- '{pattern}' && cat /etc/audit/rules.d/*.rules | grep -E -- '^{pattern}'"


def _observed(rule: str) -> str:
    line = str(RULES[rule]["rules"][0])
    if " -S " in line:
        pattern = f"-a always,exit .*-S .*{_pattern(rule).split(',')[-1]}"
    else:
        pattern = f"(-a .*path=|-w ){_pattern(rule).rstrip('/')}( |/|$)"
    return _LINES.format(pattern=pattern)


OBSERVERS = {f"audit/{rule}": _observed(rule) for rule, fields in RULES.items() if "rules" in fields}
OBSERVERS["audit/continue"] = "grep -rx -- -c /etc/audit/rules.d"
OBSERVERS["audit/immutable"] = "auditctl -s | grep -x 'enabled 2'"
_LISTS = "for list in 'auditctl -l' 'cat /etc/audit/rules.d/*.rules'; do {test}; done"
# Permissions decide the one, an order and every call the other.
OBSERVERS[GROUP] = _LISTS.format(
    test="if eval $list | grep '^-W /etc/group'; then exit 1; fi; "
    "eval $list | grep -E '^(-w /etc/group -p r?wx?a|-a always,exit .*path=/etc/group .*perm=r?wx?a)'"
)
OBSERVERS[GROUP] += '; [ "$(systemctl is-enabled audit-rules.service)" != masked ]'
OBSERVERS[DELETE] = _LISTS.format(
    test="lines=$(eval $list | awk '/^-a never,exit/ {exit} /arch=b64 .*-S /'); "
    "if eval $list | grep -E '^-a (never|always),exclude .*auid'; then exit 1; fi; "
    'for call in unlink unlinkat; do echo "$lines" | grep -E -- "-S ([a-z0-9_,]*,)?$call[, ]"; done'
)
