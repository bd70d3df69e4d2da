"""Scenarios of kind `sudo`."""

from __future__ import annotations

from .scenario import Scenario

ZZ = "/etc/sudoers.d/zz-unified"


def put(path: str, text: str) -> str:
    """Add to a file of sudoers, and show that sudo takes it."""
    return f"printf '%b' '{text}' >> {path}; chmod 0440 {path}; visudo -cq"


def local(text: str) -> str:
    """In a file that is included by a relative name, after all others."""
    return f"grep -q sudoers.local /etc/sudoers || echo '@include sudoers.local' >> /etc/sudoers; {put('/etc/sudoers.local', text)}"


TAB = put("/etc/sudoers.d/a", "Defaults\\t!use_pty\\n")
ALICE = put("/etc/sudoers.d/a", "Defaults:alice logfile=/var/log/sudo.log\\n")
CONTINUED = put("/etc/sudoers.d/zzz", "Defaults \\\\\\n  timestamp_timeout=99\\n")
NUMBER = put("/etc/sudoers.d/a", "#4321 ALL=(ALL) NOPASSWD: ALL\\n")
SCENARIOS = (
    Scenario("sudo/logfile", "missing", f"sed -i '/logfile/d' {ZZ}"),
    Scenario("sudo/logfile", "for_one_user_only", f"sed -i '/logfile/d' {ZZ}; {ALICE}"),
    Scenario("sudo/logfile", "commented_line", f"sed -i 's/^\\(.*logfile\\)/#\\1/' {ZZ}"),
    Scenario("sudo/logfile", "negated_later", put("/etc/sudoers.d/zzz", "Defaults !logfile\\n"), held="/etc/sudoers.d/zzz"),
    Scenario("sudo/logfile", "what_was_allowed_is_left_out", put("/etc/sudoers.d/a", "Defaults !log_allowed\\n")),
    Scenario("sudo/timestamp_timeout", "missing", f"sed -i '/timestamp_timeout/d' {ZZ}"),
    Scenario("sudo/timestamp_timeout", "wrong_before_right", put("/etc/sudoers.d/a", "Defaults timestamp_timeout=60\\n"), "pass"),
    Scenario("sudo/timestamp_timeout", "for_ever", f"sed -i 's/timestamp_timeout=.*/timestamp_timeout=-1/' {ZZ}"),
    Scenario("sudo/timestamp_timeout", "switched_off_is_no_time", put(ZZ, "Defaults !timestamp_timeout\\n"), "pass"),
    Scenario("sudo/timestamp_timeout", "continued_line", CONTINUED, held="/etc/sudoers.d/zzz"),
    Scenario("sudo/use_pty", "tab_and_negation", f"sed -i '/use_pty/d' /etc/sudoers {ZZ}; {TAB}"),
    Scenario("sudo/use_pty", "default_of_the_program_only", f"sed -i '/use_pty/d' /etc/sudoers {ZZ}"),
    Scenario("sudo/use_pty", "for_a_command", put("/etc/sudoers.d/a", "Defaults!/bin/sh !use_pty\\n"), held="!/bin/sh !use_pty"),
    Scenario("sudo/use_pty", "for_a_user_in_a_file_of_a_relative_name", local("Defaults:bob !use_pty\\n"), held="/etc/sudoers.local"),
    Scenario("sudo/use_pty", "in_a_file_that_is_skipped", "echo 'Defaults !use_pty' > /etc/sudoers.d/a.bak; chmod 0440 /etc/sudoers.d/a.bak", "pass"),
    Scenario("sudo/authenticate", "for_a_user", local("Defaults:ansible !authenticate\\n"), held="could break its automation"),
    Scenario("sudo/authenticate", "exempt_group", put("/etc/sudoers.d/a", "Defaults exempt_group=games\\n"), held="could break its automation"),
    Scenario("sudo/use_pty", "policy_of_another_file",
             "cp -p /etc/sudoers /etc/other; echo 'Plugin sudoers_policy sudoers.so sudoers_file=/etc/other' >> /etc/sudo.conf", "error", alone=True),
    Scenario("sudo/use_pty", "policy_of_another_file_in_lower_case_and_on_two_lines",
             "cp -p /etc/sudoers /etc/other; printf 'plugin sudoers_policy \\\\\\n sudoers.so sudoers_file=/etc/other\\n' >> /etc/sudo.conf",
             "error", alone=True),
    Scenario("sudo/logfile", "link_to_a_device", "ln -sf /dev/null /var/log/sudo.log", held="is no regular file"),
    Scenario("sudo/use_pty", "for_a_user_where_the_converter_is_missing",
             put("/etc/sudoers.d/a", "Defaults:ansible !use_pty\\n") + "; mv /usr/bin/cvtsudoers /usr/bin/cvtsudoers.away", alone=True),
    Scenario("sudo/use_pty", "as_asked_where_the_converter_is_missing", "mv /usr/bin/cvtsudoers /usr/bin/cvtsudoers.away", "pass", alone=True),
    Scenario("sudo/nopasswd", "by_number", f"id bob >/dev/null 2>&1 || useradd -u 4321 bob; {NUMBER}", held="may depend on such a rule"),
)  # fmt: skip
WITHOUT: dict[str, str] = {}


def _set(option: str, right: str, weaker: str) -> str:
    """What sudo's own parser makes of all files: the last line for everybody is right, and none is weaker that counts after it:
    for some users or hosts those behind it, for some commands or whom they run as all (sudoers(5)).
    """
    return f"""convert=$(ls /usr/bin/cvtsudoers*)
all=$($convert -f sudoers /etc/sudoers | grep '^Defaults' | sed 's/, /\\n/g')
echo "$all" | grep -E '(^|^Defaults )!?{option}\\b' | tail -1 | grep -xE '(Defaults )?({right})'
last=$(echo "$all" | grep -nE '^(Defaults )?({right})$' | tail -1 | cut -d: -f1)
later=$(echo "$all" | grep -E '^Defaults[>!]\\S+ '; echo "$all" | tail -n "+$last" | grep -E '^Defaults[:@]\\S+ ') || :
if echo "$later" | grep -E '({weaker})' | grep -vE ' ({right})$'; then exit 1; fi
"""


OBSERVERS = {
    "sudo/logfile": _set("logfile", 'logfile="?/var/log/sudo.log"?', "logfile|!log_")
    + "case $(echo \"$all\" | grep -E '!?log_allowed' | tail -1) in *!log_allowed*) exit 1;; esac\n"
    + "[ ! -e /var/log/sudo.log ] || [ -f /var/log/sudo.log ]",
    "sudo/timestamp_timeout": _set(
        "timestamp_timeout", "!timestamp_timeout|timestamp_timeout=([0-9]|1[0-5])", "timestamp_timeout"
    ),
    "sudo/use_pty": _set("use_pty", "use_pty", "!use_pty"),
    "sudo/authenticate": """
if cvtsudoers -f sudoers /etc/sudoers | grep -E '^Defaults.*(!authenticate|exempt_group)'; then exit 1; fi
for user in $(cut -d: -f1 /etc/passwd); do if sudo -l -U $user | grep -E '!authenticate|exempt_group' >/dev/null; then exit 1; fi; done
""",
    "sudo/nopasswd": """
for user in $(cut -d: -f1 /etc/passwd); do if sudo -l -U $user | grep NOPASSWD >/dev/null; then exit 1; fi; done
""",
}
