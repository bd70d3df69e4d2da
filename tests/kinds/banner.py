"""Scenarios of kind `banner`."""

from __future__ import annotations

from .scenario import Scenario

SCENARIOS = (
    *(
        Scenario(f"banner/{path}", "names_the_system", f"echo 'Welcome to DEBIAN' > {path}")
        for path in ("/etc/issue", "/etc/issue.net", "/etc/motd")
    ),
    Scenario("banner//etc/issue", "escapes", "echo 'Kernel \\r on \\m' > /etc/issue"),
    Scenario("banner//etc/issue", "empty", ": > /etc/issue"),
    Scenario("banner//etc/issue", "own_text", "echo 'Go away, \\n' > /etc/issue", "pass"),
    Scenario(
        "banner//etc/issue",
        "file_beside_it",
        "mkdir -p /etc/issue.d; echo '\\S \\v' > /etc/issue.d/x.issue",
        held="/etc/issue.d/x.issue",
    ),
    Scenario(
        "banner//etc/issue", "file_that_is_not_shown", "mkdir -p /etc/issue.d; echo '\\v' > /etc/issue.d/x.txt", "pass"
    ),
    Scenario(
        "banner//etc/motd",
        "file_beside_it",
        "mkdir -p /etc/motd.d; echo Debian > /etc/motd.d/site",
        held="/etc/motd.d/site",
    ),
    Scenario(
        "banner//etc/motd",
        "script_that_tells_the_kernel",
        "chmod 0755 /etc/update-motd.d/10-uname; uname -snrvm > /run/motd.dynamic",
    ),
    Scenario(
        "banner//etc/motd",
        "another_file_by_pam",
        "uname -a > /srv/motd; sed -i 's#pam_motd.so.*#pam_motd.so motd=/srv/motd#' /etc/pam.d/sshd",
        held="/srv/motd",
    ),
    Scenario(
        "banner//etc/issue",
        "another_file_by_getty",
        "d=/etc/systemd/system/getty@.service.d; mkdir -p $d; echo '\\s \\r' > /srv/issue; "
        "printf '[Service]\\nExecStart=\\nExecStart=-/sbin/agetty --issue-file /srv/issue - linux\\n' > $d/x.conf",
        held="/srv/issue",
    ),
    Scenario("banner//etc/motd", "absent", "rm -f /etc/motd", "pass"),
    Scenario("banner//etc/issue.net", "absent", "rm -f /etc/issue.net"),
)
WITHOUT: dict[str, str] = {}


def _tells(*paths: str) -> str:
    return f'if cat {" ".join(paths)} 2>/dev/null | grep -qiE "\\\\\\\\[mrsv]|\\\\bdebian\\\\b|$(uname -r)"; then exit 1; fi'


OBSERVERS = {
    "banner//etc/issue": "grep -q '[^[:space:]]' /etc/issue; "
    + _tells(
        "/etc/issue",
        *(f"{place}/issue.d/*.issue" for place in ("/etc", "/run", "/usr/lib")),
        "$(sed -nE 's/.*--issue-file[ =]([^ ]+).*/\\1/p' /etc/systemd/system/getty@.service.d/*.conf)",
    ),
    "banner//etc/motd": _tells(
        "/etc/motd",
        "/run/motd.dynamic",
        *(f"{place}/motd.d/*" for place in ("/etc", "/run", "/usr/lib")),
        "$(sed -nE 's/^[^#]*pam_motd.so.*motd=([^ ]+).*/\\1/p' /etc/pam.d/*)",
    ),
}
