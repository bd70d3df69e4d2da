"""How to break each rule on a host, by kind: shell that makes a rule fail that holds on a hardened host."""

from __future__ import annotations

import typing as t

Rule = dict[str, t.Any]


def bad(expected: str) -> str:
    """A value that breaks what the report says is expected."""
    first = expected.split(",")[0].split(" or ")[0]
    if first.startswith(">="):
        return str(int(first[3:]) - 1)
    if first.startswith("<="):
        return "10:30:61" if ":" in first else str(int(first[3:]) + 1)
    return {"yes": "no", "no": "yes", "0": "1", "1": "0", "none": "external", "deny": "allow"}.get(first, "0")


def _sshd(key: str, rule: Rule) -> str:
    values = {
        "Banner": "none",
        "Ciphers": "+3des-cbc",
        "KexAlgorithms": "diffie-hellman-group14-sha1",
        "MACs": "+hmac-sha1",
        "LogLevel": "QUIET",
        "AllowGroups": "",
    }
    value = values.get(key, bad(rule["expected"]))
    line = f"sed -i '1i {key} {value}' /etc/ssh/sshd_config.d/00-unified.conf" if value else ""
    # In place of the right line where sshd would refuse or ignore a second one.
    return f"sed -i -E '/^{key} /d' /etc/ssh/sshd_config.d/00-unified.conf; {line}"


def _file(key: str, rule: Rule) -> str:
    # The allow list goes as a whole, with its kind `cron`.
    if rule["actual"] == "no such file" or key == "/etc/cron.allow":
        return ""
    # One file is enough; a list of allowed groups is broken by a group that is in none of them.
    return f"for path in $(ls -d {key.replace('/**', '/auth.log')} | head -1); do chgrp games $path; chmod g+w,o+w $path; done"


def _mount(key: str, _rule: Rule) -> str:
    point, option = key.rsplit(":", 1)
    return f"sed -i 's#,{option}##' /etc/fstab; mount -o remount,{option[2:]} {point}"


def _pam(key: str, _rule: Rule) -> str:
    if key == "pam_wheel":
        return "sed -i '/pam_wheel.so.*group=/d' /etc/pam.d/su"
    if key.startswith("pam_unix"):
        # Debian's own profile hashes strongly and keeps no history too.
        shipped = key in ("pam_unix.nullok", "pam_unix.use_authtok")
        return "pam-auth-update --disable unified_unix --enable unix" if shipped else ""
    profile = {"pam_faillock": "unified_faillock", "pam_pwquality": "pwquality"}.get(key, "unified_pwhistory")
    return f"pam-auth-update --disable {profile}"


TABLES: dict[str, dict[str, str]] = {
    "account": {
        "dot_files": "touch /home/ansible/.rhosts; chmod 666 /home/ansible/.bashrc",
        "empty_password": "useradd -M nopass; sed -i 's/^nopass:[^:]*:/nopass::/' /etc/shadow",
        "home_directories": "chmod 0777 /home/ansible",
        "inactive_days": "chage -I -1 ansible",
        "invalid_shell_locked": "useradd -M -s /usr/sbin/nologin noshell; usermod -p '$6$x$yyyyyyyyyyyyyyyyyyyyy' noshell",
        "password_max_days": "chage -M 99999 ansible",
        "password_min_days": "chage -m 0 ansible",
        "password_warn_days": "chage -W 0 ansible",
        "root_umask": "sed -i '/^umask/d' /etc/profile.d/zz-unified.sh",
        "system_shells": "usermod -s /bin/bash games",
        "useradd_inactive": "sed -i '/^INACTIVE/d' /etc/default/useradd",
    },
    "banner": {path: f"echo 'Debian \\v' > {path}" for path in ("/etc/issue", "/etc/issue.net", "/etc/motd")},
    "cron": {"cron": "rm -f /etc/cron.allow; touch /etc/cron.deny"},
    "firewall": {"default_incoming": "ufw default allow incoming", "enabled": "ufw --force disable"},
    "scan": {
        "world_writable_directories": "mkdir -m 0777 /opt/open",
        "world_writable_files": "touch /opt/written; chmod 0666 /opt/written",
    },
    "sudo": {
        "logfile": "sed -i '/logfile/d' /etc/sudoers.d/zz-unified",
        "timestamp_timeout": "sed -i '1i Defaults timestamp_timeout=60' /etc/sudoers.d/zz-unified",
        "use_pty": "sed -i '/use_pty/d' /etc/sudoers.d/zz-unified; sed -i '1i Defaults !use_pty' /etc/sudoers.d/zz-unified",
    },
}
# Failures that people must mend: what breaks them, and what undoes it.
MANUAL: dict[str, tuple[str, str]] = {
    "account/gid_zero_accounts": ("useradd -M -g 0 -N zerogroup", "userdel zerogroup"),
    "account/gid_zero_groups": ("groupadd -o -g 0 zero", "sed -i '/^zero:/d' /etc/group /etc/gshadow"),
    "account/password_change_past": ("chage -d 2050-01-01 ansible", "chage -d 2026-11-20 ansible"),
    "account/shadow_group_empty": ("usermod -aG shadow games", "gpasswd -d games shadow"),
    "account/shadowed": (
        "sed -i 's/^games:x:/games:abc:/' /etc/passwd",
        "sed -i 's/^games:abc:/games:x:/' /etc/passwd",
    ),
    "account/uid_zero": (
        "useradd -o -u 0 -M toor",
        "sed -i '/^toor:/d' /etc/passwd /etc/shadow; sed -i '/^toor:/d' /etc/group /etc/gshadow",
    ),
    "account/unique_gid": ("groupadd -o -g 1000 twin", "sed -i '/^twin:/d' /etc/group /etc/gshadow"),
    "account/unique_uid": (
        "useradd -o -u 1 -M -s /usr/sbin/nologin twinuser",
        "sed -i '/^twinuser:/d' /etc/passwd /etc/shadow; sed -i '/^twinuser:/d' /etc/group /etc/gshadow",
    ),
    "account/unique_user_name": (
        "twin=$(grep '^games:' /etc/passwd); echo \"$twin\" >> /etc/passwd",
        "awk '!seen[$0]++' /etc/passwd > /root/p; cat /root/p > /etc/passwd",
    ),
    "account/unique_group_name": (
        "twin=$(grep '^games:' /etc/group); echo \"$twin\" >> /etc/group",
        "awk '!seen[$0]++' /etc/group > /root/g; cat /root/g > /etc/group",
    ),
    # Last of the accounts: the number of the group that is gone would be given to the next one that is made.
    "account/groups_exist": (
        "useradd -M lost; groupadd keep; usermod -g keep lost; sed -i '/^keep:/d' /etc/group",
        "sed -i '/^lost:/d' /etc/passwd /etc/shadow; sed -i '/^lost:/d' /etc/group /etc/gshadow; sed -i '/^keep:/d' /etc/gshadow",
    ),
    "scan/unowned": ("touch /opt/nobodys; chown 4242:4242 /opt/nobodys", "rm /opt/nobodys"),
}
SCRIPTS: dict[str, t.Callable[[str, Rule], str]] = {
    "file": _file,
    "mount": _mount,
    "pam": _pam,
    "sshd": _sshd,
}


def script(identifier: str, rule: Rule) -> str:
    """Shell that breaks a rule; empty where a hardened host cannot be broken in this way."""
    kind, key = identifier.split("/", 1)
    if kind in TABLES:
        return TABLES[kind].get(key, "")
    return SCRIPTS[kind](key, rule) if kind in SCRIPTS else ""
