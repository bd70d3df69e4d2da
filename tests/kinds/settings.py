"""Scenarios of the kinds that are settings of programs."""

from __future__ import annotations

from . import ask
from .scenario import Scenario

JOURNALD = "/etc/systemd/journald.conf.d/zz-unified.conf"
TIMESYNCD = "/etc/systemd/timesyncd.conf.d/zz-unified.conf"
COREDUMP = "/etc/systemd/coredump.conf.d/zz-unified.conf"
QUALITY, FAILLOCK, HISTORY = (f"/etc/security/{name}.conf" for name in ("pwquality", "faillock", "pwhistory"))
DEFS, AUDITD = "/etc/login.defs", "/etc/audit/auditd.conf"
# Several restarts in a row would be refused.
RESTART = "systemctl reset-failed systemd-journald; systemctl restart systemd-journald"
STORAGE, MINLEN, DENY = "journald/Storage", "pwquality/minlen", "faillock/deny"
BAD = {
    JOURNALD: {"journald/Compress": "no", "journald/ForwardToSyslog": "yes", STORAGE: "volatile"},
    COREDUMP: {"coredump/ProcessSizeMax": "1G", "coredump/Storage": "external"},
    QUALITY: {
        "pwquality/dictcheck": "0",
        "pwquality/difok": "1",
        "pwquality/enforcing": "0",
        "pwquality/maxrepeat": "4",
        "pwquality/maxsequence": "0",
        "pwquality/minclass": "3",
        MINLEN: "8",
    },
    FAILLOCK: {DENY: "6", "faillock/unlock_time": "60"},
    HISTORY: {"pwhistory/remember": "3"},
    DEFS: {
        "login_defs/ENCRYPT_METHOD": "MD5",
        "login_defs/PASS_MAX_DAYS": "99999",
        "login_defs/PASS_MIN_DAYS": "0",
        "login_defs/PASS_WARN_AGE": "0",
        "login_defs/UMASK": "022",
    },
}
FLAGS = {
    "faillock/even_deny_root": FAILLOCK,
    "pwhistory/enforce_for_root": HISTORY,
    "pwquality/enforce_for_root": QUALITY,
}
AUDIT = {
    "auditd/admin_space_left_action": "ignore",
    "auditd/disk_error_action": "ignore",
    "auditd/disk_full_action": "suspend",
    "auditd/max_log_file": "1",
    "auditd/max_log_file_action": "rotate",
    "auditd/space_left_action": "ignore",
}


def _read_anew(path: str) -> str:
    return f"; {RESTART}" if path == JOURNALD else ""


def _replaced(rule: str, path: str, value: str) -> str:
    key = rule.partition("/")[2]
    separator = " " if path == DEFS else "="
    return f"sed -i -E 's/^{key}\\b.*/{key}{separator}{value}/' {path}{_read_anew(path)}"


def _removed(rule: str, path: str) -> str:
    return f"sed -i -E '/^{rule.partition('/')[2]}\\b/d' {path}{_read_anew(path)}"


_PAM = "sed -i -E 's/^(password.*pam_pwquality\\.so.*)$/\\1 {}/' /etc/pam.d/common-password"
SCENARIOS = (
    *(
        Scenario(rule, "value_replaced", _replaced(rule, path, value))
        for path, rules in BAD.items()
        for rule, value in rules.items()
    ),
    # The program's default would do, but is no setting: it changes with the program.
    *(
        Scenario(rule, "line_removed", _removed(rule, path))
        for path, rules in BAD.items()
        for rule in rules
    ),
    *(Scenario(rule, "flag_removed", _removed(rule, path)) for rule, path in FLAGS.items()),
    *(Scenario(rule, "flag_commented", f"sed -i 's/^{rule.partition('/')[2]}/# &/' {path}") for rule, path in FLAGS.items()),
    *(
        Scenario(rule, "value_replaced", f"sed -i -E 's/^{rule[7:]} *=.*/{rule[7:]} = {value}/' {AUDITD}", host="uml")
        for rule, value in AUDIT.items()
    ),
    Scenario(
        "auditd/max_log_file", "key_in_upper_case",
        f"sed -i 's/^max_log_file =/MAX_LOG_FILE =/' {AUDITD}; systemctl restart auditd", "pass", host="uml", alone=True,
    ),
    Scenario("auditd/max_log_file_action", "nothing_is_written", f"sed -i 's/^write_logs.*/write_logs = no/' {AUDITD}", host="uml", alone=True),
    Scenario("auditd/max_log_file_action", "daemon_with_another_directory",
             "cp -r /etc/audit /etc/audit2; d=/etc/systemd/system/auditd.service.d; mkdir -p $d;"
             " printf '[Service]\\nExecStart=\\nExecStart=/usr/sbin/auditd -c /etc/audit2\\n' > $d/x.conf; systemctl daemon-reload",
             "error", host="uml", alone=True),
    Scenario("auditd/max_log_file", "daemon_that_writes_to_its_standard_output",
             "d=/etc/systemd/system/auditd.service.d; mkdir -p $d;"
             " printf '[Service]\\nType=simple\\nExecStart=\\nExecStart=/usr/sbin/auditd -n -f\\n' > $d/x.conf; systemctl daemon-reload",
             "error", host="uml", alone=True),
    Scenario("auditd/max_log_file", "daemon_is_older_than_its_file", f"touch {AUDITD}", host="uml", alone=True),
    *(
        Scenario(rule, "value_replaced", f"sed -i 's/^{rule[10:]}=.*/{rule[10:]}=203.0.113.1/' {TIMESYNCD}", host="uml")
        for rule in ("timesyncd/NTP", "timesyncd/FallbackNTP")
    ),
    Scenario("timesyncd/NTP", "list_reset_and_begun_anew", f"printf 'NTP=\\nNTP=203.0.113.1\\n' >> {TIMESYNCD}", host="uml"),
    Scenario(
        "timesyncd/NTP", "second_line_adds_to_the_list",
        f"echo 'NTP=203.0.113.1' >> {TIMESYNCD}; systemctl restart systemd-timesyncd", "pass", host="uml", alone=True,
    ),
    Scenario(STORAGE, "line_commented", f"sed -i 's/^Storage/;&/' {JOURNALD}; {RESTART}"),
    Scenario(STORAGE, "section_header_missing", f"sed -i '/^\\[Journal\\]/d' {JOURNALD}; {RESTART}", alone=True),
    Scenario(STORAGE, "key_in_lower_case", f"sed -i 's/^Storage/storage/' {JOURNALD}; {RESTART}"),
    Scenario(STORAGE, "reset_by_an_empty_line", f"echo 'Storage=' >> {JOURNALD}; {RESTART}"),
    Scenario(STORAGE, "wrong_value_before_the_right_one", f"sed -i 's/^Storage/Storage=none\\n&/' {JOURNALD}; {RESTART}", "pass"),
    Scenario(
        STORAGE, "later_drop_in_below_usr_wins",
        "mkdir -p /usr/lib/systemd/journald.conf.d; printf '[Journal]\\nStorage=none\\n' > /usr/lib/systemd/journald.conf.d/zzz.conf; " + RESTART,
        held="/usr/lib/systemd/journald.conf.d/zzz.conf",
    ),
    Scenario(
        STORAGE, "vendors_drop_in_masked",
        "mkdir -p /usr/lib/systemd/journald.conf.d; printf '[Journal]\\nStorage=none\\n' > /usr/lib/systemd/journald.conf.d/zzz.conf;"
        f" ln -s /dev/null /etc/systemd/journald.conf.d/zzz.conf; {RESTART}", "pass",
    ),
    Scenario(STORAGE, "daemon_is_older_than_a_file_with_an_old_date", f"touch -d 2020-01-01 {JOURNALD}", alone=True),
    Scenario("journald/ForwardToSyslog", "another_word_for_no", f"sed -i 's/^ForwardToSyslog=no/ForwardToSyslog=off/' {JOURNALD}; {RESTART}", "pass"),
    Scenario("journald/Compress", "a_size_switches_it_on", f"sed -i 's/^Compress=.*/Compress=1M/' {JOURNALD}; {RESTART}", "pass"),
    Scenario(MINLEN, "wrong_value_after_the_right_one", f"echo 'minlen = 6' >> {QUALITY}"),
    Scenario(MINLEN, "value_after_a_blank_only", f"echo 'minlen 6' >> {QUALITY}"),
    Scenario(MINLEN, "comment_behind_the_value", f"sed -i 's/^minlen.*/minlen = 16 # long/' {QUALITY}", "pass"),
    Scenario(MINLEN, "credits_that_shorten_it", f"sed -i 's/^dcredit.*/dcredit = 4/' {QUALITY}"),
    Scenario("faillock/even_deny_root", "own_time_of_a_second", f"echo 'root_unlock_time = 1' >> {FAILLOCK}"),
    Scenario("faillock/even_deny_root", "own_time_only", f"sed -i '/^even_deny_root/d' {FAILLOCK}; echo 'root_unlock_time = 60' >> {FAILLOCK}", "pass"),
    Scenario("pwhistory/remember", "kept_nowhere", f"echo 'file = /dev/null' >> {HISTORY}"),
    Scenario("faillock/unlock_time", "never", f"sed -i 's/^unlock_time.*/unlock_time = never/' {FAILLOCK}", "pass"),
    Scenario("faillock/unlock_time", "longer_than_it_takes", f"sed -i 's/^unlock_time.*/unlock_time = 700000/' {FAILLOCK}"),
    Scenario(STORAGE, "only_the_worst", "printf '[Journal]\\nMaxLevelStore=crit\\n' > /etc/systemd/journald.conf.d/a.conf; systemctl restart systemd-journald"),
    Scenario(MINLEN, "wrong_value_in_a_drop_in", "mkdir -p /etc/security/pwquality.conf.d; echo 'minlen = 6' > /etc/security/pwquality.conf.d/zz.conf", "pass"),
    Scenario("pwquality/minclass", "argument_wins", _PAM.format("minclass=0"), held="minclass=0"),
    Scenario("pwquality/minclass", "stricter_argument", _PAM.format("minclass=4"), "pass"),
    Scenario(DENY, "argument_wins", "sed -i -E 's/pam_faillock\\.so (preauth|authfail)/& deny=1000/' /etc/pam.d/common-auth", held="deny=1000"),
    Scenario(DENY, "argument_in_brackets", "sed -i -E 's/pam_faillock\\.so (preauth|authfail)/& [deny=1000]/' /etc/pam.d/common-auth", held="deny=1000"),
    Scenario(DENY, "counted_nowhere", f"echo 'dir = /proc/none' >> {FAILLOCK}"),
    Scenario("pwhistory/remember", "argument_keeps_it_nowhere",
             "sed -i 's/pam_pwhistory.so/& file=\\/dev\\/null/' /etc/pam.d/common-password", held="pam_pwhistory.so"),
    Scenario(
        DENY, "argument_names_another_file",
        "echo 'deny = 1000' > /etc/security/other.conf;"
        " sed -i 's/pam_faillock.so preauth/& conf=\\/etc\\/security\\/other.conf/' /etc/pam.d/common-auth", held="conf=/etc/security/other.conf", alone=True,
    ),
    Scenario(
        "pwhistory/remember", "argument_wins",
        "sed -i -E 's/pam_pwhistory\\.so/& remember=1/' /etc/pam.d/common-password", held="remember=1",
    ),
    Scenario("login_defs/UMASK", "equals_sign_is_no_separator", f"sed -i 's/^UMASK.*/UMASK=027/' {DEFS}"),
    Scenario("login_defs/UMASK", "last_line_counts", f"echo 'UMASK 022' >> {DEFS}"),
    Scenario("login_defs/UMASK", "tabs_and_quotes", f"sed -i 's/^UMASK.*/\\tUMASK\\t\\t\"077\"/' {DEFS}", "pass"),
    Scenario("login_defs/UMASK", "number_without_a_zero_is_decimal", f"sed -i 's/^UMASK.*/UMASK 27/' {DEFS}"),
    Scenario("login_defs/UMASK", "mode_of_homes_is_wider", f"echo 'HOME_MODE 0777' >> {DEFS}"),
    Scenario("login_defs/UMASK", "mode_of_homes_as_wide_as_a_wide_umask", f"sed -i 's/^UMASK.*/UMASK 022\\nHOME_MODE 0755/' {DEFS}"),
    Scenario("login_defs/UMASK", "mode_of_homes_is_narrower", f"echo 'HOME_MODE 0700' >> {DEFS}", "pass"),
)  # fmt: skip
WITHOUT: dict[str, str] = {}
_NO, _YES = "no|n|false|f|off|0", "yes|y|true|t|on|1|[0-9]+[KMGT]"
_LEAST, _MOST = '[ "$v" -ge {} ]', '[ "$v" -ge 1 ]; [ "$v" -le {} ]'
_PWQUALITY = {
    **{f"{kind}credit": '[ "$v" -le -1 ]' for kind in "dlou"},
    "dictcheck": '[ "$v" = 1 ]',
    "difok": _LEAST.format(2),
    "enforce_for_root": "true",
    "enforcing": '[ "$v" = 1 ]',
    "maxrepeat": _MOST.format(3),
    "maxsequence": _MOST.format(3),
    "minclass": _LEAST.format(4),
    "minlen": '[ $(( v - $(awk "/^[dulo]credit/ && \\$NF > 0 {n += \\$NF} END {print n + 0}" /etc/security/pwquality.conf) )) -ge 14 ]',
    "retry": _MOST.format(3),
}
_LOCKS = {
    "audit": "true",
    "deny": _MOST.format(5) + f"; if grep -E '^dir *= */(dev|proc|sys)/' {FAILLOCK}; then exit 1; fi",
    "fail_interval": _LEAST.format(900),
    "silent": "true",
    "unlock_time": 'case "$v" in 0|never) v=604800;; esac; [ "$v" -ge 900 ]; [ "$v" -le 604800 ]',
}
_DEFS = {
    "ENCRYPT_METHOD": 'echo "$v" | grep -qxE "YESCRYPT|SHA512"',
    "PASS_MAX_DAYS": _MOST.format(365),
    "PASS_MIN_DAYS": _LEAST.format(1),
    "PASS_WARN_AGE": _LEAST.format(7),
    "UMASK": 'echo "$v" | grep -qxE "0?(027|077)"',
}
_AUDITD = {
    "action_mail_acct": "root",
    "admin_space_left_action": "single|halt",
    "disk_error_action": "syslog|single|halt",
    "disk_full_action": "single|halt",
    "log_group": "root|adm",
    "max_log_file": "[6-9]|[1-9][0-9]+",
    "max_log_file_action": "keep_logs",
    "space_left": "25%",
    "space_left_action": "email|exec|single|halt",
}
_STORED = "case $(systemd-analyze cat-config systemd/journald.conf | sed -n 's/^MaxLevelStore=//p' | tail -1) in ''|debug|info) ;; *) exit 1;; esac\n"
OBSERVERS = {
    **{f"pwquality/{key}": ask.pam(key, "pam_pwquality.so", QUALITY, test) for key, test in _PWQUALITY.items()},
    **{f"faillock/{key}": ask.pam(key, "pam_faillock.so", FAILLOCK, test) for key, test in _LOCKS.items()},
    "faillock/even_deny_root": f"""v=$(sed -nE 's/^root_unlock_time\\s*=?\\s*//p' {FAILLOCK} | tail -1)
if [ -n "$v" ]; then [ "$v" -ge 60 ]; else grep -x even_deny_root {FAILLOCK}; fi
""",
    "pwhistory/enforce_for_root": ask.pam("enforce_for_root", "pam_pwhistory.so", HISTORY),
    "pwhistory/remember": ask.pam("remember", "pam_pwhistory.so", HISTORY, _LEAST.format(24))
    + f"if grep -E '^file *= */dev/' {HISTORY} || grep 'pam_pwhistory.* file=/dev/' /etc/pam.d/common-password; then exit 1; fi",
    **{f"login_defs/{key}": ask.login_defs(key, test) for key, test in _DEFS.items()},
    "login_defs/UMASK": "\n".join(
        [ask.login_defs("UMASK", _DEFS["UMASK"]), ask.login_defs("HOME_MODE", "[ $((${v:-0} & 027)) = 0 ]")]
    ),
    **{f"auditd/{key}": ask.auditd(key, pattern) for key, pattern in _AUDITD.items()},
    "auditd/max_log_file_action": ask.auditd("max_log_file_action", _AUDITD["max_log_file_action"])
    + f"if grep -iE '^ *write_logs *= *no' {AUDITD}; then exit 1; fi",
    **{
        f"journald/{key}": ask.systemd(
            "journald.conf", "Journal", key, f'echo "$v" | grep -qxE "{value}"', unit="systemd-journald.service"
        )
        + (_STORED if key == "Storage" else "")
        for key, value in {"Compress": _YES, "ForwardToSyslog": _NO, "Storage": "persistent"}.items()
    },
    **{
        f"coredump/{key}": ask.systemd("coredump.conf", "Coredump", key, f'[ "$v" = {value} ]')
        for key, value in {"ProcessSizeMax": "0", "Storage": "none"}.items()
    },
    **{
        f"timesyncd/{key}": ask.systemd(
            "timesyncd.conf", "Time", key, 'echo "$v" | grep -qwE "[0-2].debian.pool.ntp.org|time.nist.gov"',
            unit="systemd-timesyncd.service", every=True,
        )
        for key in ("NTP", "FallbackNTP")
    },
}  # fmt: skip
