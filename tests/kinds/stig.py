"""Scenarios of the rules that came with the STIG, whichever kind they are of."""

from __future__ import annotations

from .scenario import Scenario
from .sshd import LOADED

_QUALITY = "/etc/security/pwquality.conf"
_FAILLOCK = "/etc/security/faillock.conf"
_AUDITD = "/etc/audit/auditd.conf"
_SSHD = "/etc/ssh/sshd_config.d/00-unified.conf"
_OURS = "/etc/security/limits.d/zz-unified.conf"


def _set(path: str, key: str, value: str) -> str:
    return f"sed -i '/^{key}\\b/d' {path}; echo '{key} = {value}' >>{path}"


SCENARIOS = (
    Scenario("auditd/action_mail_acct", "somebody_else", _set(_AUDITD, "action_mail_acct", "nobody"), host="uml"),
    Scenario("auditd/log_group", "world", _set(_AUDITD, "log_group", "users"), host="uml"),
    Scenario("auditd/space_left", "megabytes", _set(_AUDITD, "space_left", "75"), host="uml"),
    Scenario("faillock/audit", "commented_out", f"sed -i 's/^audit/# audit/' {_FAILLOCK}"),
    Scenario("faillock/fail_interval", "a_second", _set(_FAILLOCK, "fail_interval", "1")),
    Scenario("faillock/silent", "removed", f"sed -i '/^silent/d' {_FAILLOCK}"),
    Scenario("file//etc/audit/audit.rules", "readable", "touch /etc/audit/audit.rules; chmod 0644 /etc/audit/audit.rules"),
    Scenario("file//run/log/journal", "open", "mkdir -p /run/log/journal; chgrp systemd-journal /run/log/journal; chmod 0777 /run/log/journal"),
    Scenario("file//run/log/journal/*", "other_group", "mkdir -p /run/log/journal/x; chgrp users /run/log/journal/x"),
    Scenario("file//run/log/journal/*/*", "open", "mkdir -p /run/log/journal/y; touch /run/log/journal/y/z.journal; chmod 0666 /run/log/journal/y/z.journal"),
    Scenario("file//sbin/aureport", "writable", "chmod 0777 /usr/sbin/aureport"),
    Scenario("file//usr/bin", "writable", "chmod 0775 /usr/bin", alone=True),
    Scenario("file//usr/bin/journalctl", "for_all", "chmod 0755 /usr/bin/journalctl"),
    Scenario("file//usr/local/bin", "of_a_group", "chgrp users /usr/local/bin"),
    Scenario("file//usr/local/sbin", "of_a_user", "chown ansible /usr/local/sbin"),
    Scenario("file//usr/sbin", "sticky_is_no_cure", "chmod 1777 /usr/sbin"),
    Scenario("file//var/log", "of_a_group", "chgrp users /var/log"),
    Scenario("file//var/log/journal", "open", "mkdir -p /var/log/journal; chmod 0777 /var/log/journal", host="uml"),
    Scenario("file//var/log/journal/*", "of_a_user", "mkdir -p /var/log/journal/x; chown ansible /var/log/journal/x"),
    Scenario("file//var/log/journal/*/*", "open", "mkdir -p /var/log/journal/y; touch /var/log/journal/y/z.journal; chmod 0666 /var/log/journal/y/z.journal"),
    Scenario("file//var/log/syslog", "readable", "touch /var/log/syslog; chgrp adm /var/log/syslog; chmod 0644 /var/log/syslog"),
    Scenario("limits/maxlogins", "removed", f"[ ! -e {_OURS} ] || sed -i '/maxlogins/d' {_OURS}"),
    Scenario("package/vlock", "removed", "DEBIAN_FRONTEND=noninteractive apt-get -qqy remove vlock >/dev/null"),
    Scenario("package/opensc", "removed", "DEBIAN_FRONTEND=noninteractive apt-get -qqy remove opensc >/dev/null"),
    *(
        Scenario(f"pwquality/{key}", "credit_for_one", _set(_QUALITY, key, "1"))
        for key in ("dcredit", "lcredit", "ocredit", "ucredit")
    ),
    Scenario("pwquality/retry", "argument_wins", "sed -i 's/retry=3/retry=9/' /etc/pam.d/common-password", held="retry=9", alone=True),
    Scenario("pwquality/retry", "argument_wins_over_the_file", _set(_QUALITY, "retry", "9"), "pass"),
    Scenario("service/ctrl_alt_del", "unmasked", "systemctl unmask -q ctrl-alt-del.target"),
    Scenario(
        "service/ctrl_alt_del", "masked_until_the_reboot",
        "systemctl unmask -q ctrl-alt-del.target; systemctl mask -q --runtime ctrl-alt-del.target", held="unmask --runtime",
    ),
    Scenario("sshd/PubkeyAuthentication", "default_holds", f"sed -i 's/^PubkeyAuthentication .*/#/' {_SSHD}; {LOADED}", "pass", alone=True),
    Scenario("sshd/X11Forwarding", "on", f"sed -i 's/^X11Forwarding .*/x11forwarding YES/' {_SSHD}"),
    Scenario("sshd/X11UseLocalhost", "off", f"sed -i '1i X11UseLocalhost no' {_SSHD}"),
)  # fmt: skip
_NOT_HERE = "the test's archive has no such package, or it would change how the test logs in"
WITHOUT: dict[str, str] = {
    **dict.fromkeys(
        (
            "manual/audit_offload",
            "manual/certificate_authorities",
            "manual/consent_banner",
            "manual/emergency_accounts",
            "manual/encryption_at_rest",
            "manual/fips",
            "manual/needed_packages",
            "manual/nx",
            "manual/smartcards",
            "manual/sudo_group",
            "manual/supported_release",
            "manual/time_servers",
            "manual/unused_accounts",
        ),
        "only people answer it",
    ),
    **dict.fromkeys(
        (
            "package/chrony",
            "package/smartcard",
            "package/sssd",
        ),
        _NOT_HERE,
    ),
    "package/ssh_server": "without it nobody reaches the test host",
    "package/timesyncd": "the test hosts keep the time by it (purpose time_chrony)",
    "service/apparmor": "test hosts have no AppArmor of their own",
    "service/ssh_server": "without it nobody reaches the test host",
    "service/sssd": _NOT_HERE,
}


def _installed(package: str) -> str:
    return f"dpkg-query -W -f '${{db:Status-Status}}' {package} | grep -qx installed"


OBSERVERS = {
    **{f"package/{name}": _installed(name) for name in ("chrony", "opensc", "sssd", "vlock")},
    "package/nfs_server": f"! {_installed('nfs-kernel-server')}",
    "package/ntp": f"! {_installed('ntp')} && ! {_installed('ntpsec')}",
    "package/rsh_server": f"! {_installed('rsh-server')} && ! {_installed('rsh-redone-server')}",
    "package/smartcard": _installed("libpam-pkcs11"),
    "service/ctrl_alt_del": '[ "$(systemctl is-enabled ctrl-alt-del.target)" = masked ]',
    "package/ssh_server": _installed("openssh-server"),
    "package/timesyncd": f"! {_installed('systemd-timesyncd')}",
    "service/apparmor": "systemctl is-enabled --quiet apparmor && systemctl is-active --quiet apparmor",
    "service/kdump": "! systemctl is-active --quiet kdump-tools && ! systemctl is-enabled --quiet kdump-tools",
    "service/ssh_server": "systemctl is-enabled --quiet ssh && systemctl is-active --quiet ssh",
    "service/sssd": "systemctl is-enabled --quiet sssd && systemctl is-active --quiet sssd",
    "sshd/PubkeyAuthentication": "sshd -T | grep -qx 'pubkeyauthentication yes'",
    "sshd/X11Forwarding": "sshd -T | grep -qx 'x11forwarding no'",
    "sshd/X11UseLocalhost": "sshd -T | grep -qx 'x11uselocalhost yes'",
}
