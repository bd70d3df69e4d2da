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
    "banner": {path: f"echo 'Debian \\v' > {path}" for path in ("/etc/issue", "/etc/issue.net", "/etc/motd")},
    "cron": {"cron": "rm -f /etc/cron.allow; touch /etc/cron.deny"},
    "firewall": {"default_incoming": "ufw default allow incoming", "enabled": "ufw --force disable"},
    "sudo": {
        "logfile": "sed -i '/logfile/d' /etc/sudoers.d/zz-unified",
        "timestamp_timeout": "printf '\\nDefaults timestamp_timeout=60\\n' >> /etc/sudoers.d/zz-unified",
        "use_pty": "sed -i '/use_pty/d' /etc/sudoers.d/zz-unified; sed -i '1i Defaults !use_pty' /etc/sudoers.d/zz-unified",
    },
}
SCRIPTS: dict[str, t.Callable[[str, Rule], str]] = {
    "pam": _pam,
    "sshd": _sshd,
}


def script(identifier: str, rule: Rule) -> str:
    """Shell that breaks a rule; empty where a hardened host cannot be broken in this way."""
    kind, key = identifier.split("/", 1)
    if kind in TABLES:
        return TABLES[kind].get(key, "")
    return SCRIPTS[kind](key, rule) if kind in SCRIPTS else ""
