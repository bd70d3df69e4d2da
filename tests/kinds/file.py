"""Files' attributes, broken on a host."""

from __future__ import annotations

from . import ask
from .scenario import Scenario

# A file or directory for every rule; it is made where the host has none.
FILES = {
    "/boot/grub/grub.cfg": "/boot/grub/grub.cfg",
    "/etc/apt/auth.conf.d/*": "/etc/apt/auth.conf.d/site.conf",
    "/etc/apt/sources.list.d/*": "/etc/apt/sources.list.d/site.sources",
    "/etc/apt/trusted.gpg.d/*": "/etc/apt/trusted.gpg.d/site.asc",
    "/etc/audit/*.conf": "/etc/audit/site.conf",
    "/etc/audit/rules.d/*.rules": "/etc/audit/rules.d/site.rules",
    "/etc/cron.allow": "/etc/cron.allow",
    "/etc/crontab": "/etc/crontab",
    "/etc/group": "/etc/group",
    "/etc/group-": "/etc/group-",
    "/etc/gshadow": "/etc/gshadow",
    "/etc/gshadow-": "/etc/gshadow-",
    "/etc/issue": "/etc/issue",
    "/etc/issue.net": "/etc/issue.net",
    "/etc/motd": "/etc/motd",
    "/etc/passwd": "/etc/passwd",
    "/etc/passwd-": "/etc/passwd-",
    "/etc/security/opasswd": "/etc/security/opasswd",
    "/etc/security/opasswd.old": "/etc/security/opasswd.old",
    "/etc/shadow": "/etc/shadow",
    "/etc/shadow-": "/etc/shadow-",
    "/etc/shells": "/etc/shells",
    "/etc/ssh/ssh_host_*_key": "/etc/ssh/ssh_host_site_key",
    "/etc/ssh/ssh_host_*_key.pub": "/etc/ssh/ssh_host_site_key.pub",
    "/etc/ssh/sshd_config": "/etc/ssh/sshd_config",
    "/etc/ssh/sshd_config.d/*.conf": "/etc/ssh/sshd_config.d/site.conf",
    "/sbin/auditctl": "/sbin/auditctl",
    "/sbin/auditd": "/sbin/auditd",
    "/sbin/augenrules": "/sbin/augenrules",
    "/sbin/ausearch": "/sbin/ausearch",
    "/usr/share/keyrings/*": "/usr/share/keyrings/site.gpg",
    "/var/log/**": "/var/log/site/deep/site.log",
    "/var/log/[bw]tmp*": "/var/log/wtmp",
    "/var/log/audit/*": "/var/log/audit/site.log",
    "/var/log/lastlog*": "/var/log/lastlog",
}
DIRECTORIES = (
    "/etc/apt/auth.conf.d",
    "/etc/apt/sources.list.d",
    "/etc/apt/trusted.gpg.d",
    "/etc/cron.d",
    "/etc/cron.daily",
    "/etc/cron.hourly",
    "/etc/cron.monthly",
    "/etc/cron.weekly",
    "/etc/cron.yearly",
    "/usr/share/keyrings",
    "/var/log/audit",
)
# Programs that make accounts, as other scenarios run them, write these anew.
_REWRITTEN = tuple(f"/etc/{name}{suffix}" for name in ("passwd", "group", "shadow", "gshadow") for suffix in ("", "-"))
_GRANT = """python3 - <<'EOF'
import os, struct
entries = [(1, 6, 2**32 - 1), (2, 4, 65534), (4, 4, 2**32 - 1), (16, 4, 2**32 - 1), (32, %d, 2**32 - 1)]
value = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
os.setxattr("%s", "system.posix_acl_access", value)
EOF"""


def _made(path: str) -> str:
    directory = path.rpartition("/")[0]
    return f"[ -d {directory} ] || install -d -m 0700 {directory}; [ -e {path} ] || install -m 0600 /dev/null {path}"


SCENARIOS = (
    *(Scenario(f"file/{key}", "open_to_all", f"{_made(path)}; chmod a+w {path}") for key, path in FILES.items()),
    *(
        Scenario(f"file/{key}", "owner_is_another", f"{_made(path)}; chown games {path}")
        for key, path in FILES.items()
        if key != "/var/log/**" and key not in _REWRITTEN
    ),
    *(Scenario(f"file/{path}", "open_to_all", f"install -d {path}; chmod a+w {path}") for path in DIRECTORIES),
    Scenario(
        "file//etc/at.allow",
        "open_to_all",
        "DEBIAN_FRONTEND=noninteractive apt-get -qqy install at; touch /etc/at.allow; chmod 0666 /etc/at.allow",
        alone=True,
    ),
    Scenario("file//etc/shadow", "access_list", _GRANT % (0, "/etc/shadow"), held="setfacl -b /etc/shadow", alone=True),
    Scenario(
        "file//etc/security/opasswd",
        "directory_above_belongs_to_somebody",
        "[ -e /etc/security/opasswd ] || install -m 0600 /dev/null /etc/security/opasswd; chown games /etc/security",
        held="nobody but root may change a directory",
        alone=True,
        also=("pam",),
    ),
    Scenario(
        "file//etc/crontab",
        "open_from_the_next_boot_on",
        "printf 'z /etc/crontab 0644 root root\\n' > /etc/tmpfiles.d/site.conf",
    ),
    Scenario(
        "file//etc/cron.d",
        "open_from_the_next_boot_on_by_a_later_file",
        "printf 'z /etc/cron.[d] 0755 root root\\n' > /etc/tmpfiles.d/zzz.conf",
        held="/etc/tmpfiles.d/zzz.conf",
    ),
    Scenario(
        "file//etc/shells",
        "line_for_what_is_made_only",
        "printf 'f /etc/shells :0666 :games :games\\n' > /etc/tmpfiles.d/shells.conf",
        "pass",
    ),
    Scenario("file//etc/passwd", "access_list_that_gives_nothing_more", _GRANT % (4, "/etc/passwd"), "pass"),
    Scenario("file//etc/gshadow", "group_of_the_platform", "chgrp root /etc/gshadow", "pass"),
    Scenario("file//etc/shells", "stricter", "chmod 0600 /etc/shells", "pass"),
    Scenario(
        "file//etc/motd",
        "link_to_the_null_device",
        "rm -f /etc/motd; ln -s /dev/null /etc/motd",
        held="replace it",
        alone=True,
    ),
    Scenario("file//etc/apt/sources.list.d/*", "link", "ln -s /dev/null /etc/apt/sources.list.d/masked.list", "pass"),
    Scenario(
        "file//var/log/**",
        "logs_of_services",
        "useradd -r logger; for m in 0600 0640; do install -o logger -g logger -m $m /dev/null /var/log/logger$m.log; done",
        "pass",
    ),
    Scenario(
        "file//var/log/**",
        "open_log_of_a_service",
        "useradd -r logger; install -o logger -g logger -m 0666 /dev/null /var/log/logger.log",
    ),
    Scenario(
        "file//var/log/**",
        "log_of_a_person",
        "install -o ansible -g ansible -m 0640 /dev/null /var/log/mine.log",
        held="only the operator knows",
    ),
    Scenario(
        "file//var/log/**",
        "name_that_is_no_text",
        "touch /var/log/$'caf\\xe9.log'; chmod 0666 /var/log/caf*.log",
        held="cannot be printed",
    ),
    Scenario(
        "file//var/log/**",
        "last_of_many",
        "mkdir /var/log/many; cd /var/log/many; seq -f '%05.0f.log' 2100 | xargs touch; chmod 0640 *; chmod 0666 02100.log",
    ),
    Scenario(
        "file//var/log/**",
        "links_and_pipes",
        "install -m 0640 /dev/null /srv/a.log; ln -s /srv/a.log /var/log/link.log; ln -s /usr/lib/os-release /var/log/about; "
        "mkfifo -m 0666 /var/log/pipe.log",
        "pass",
    ),
    Scenario(
        "file//var/log/**",
        "link_to_an_open_file",
        "install -m 0644 /dev/null /srv/open.log; ln -s /srv/open.log /var/log/link.log",
        held="what the link leads to",
    ),
    Scenario(
        "file//etc/ssh/sshd_config.d/*.conf",
        "link_to_an_open_file",
        "echo '# site' > /srv/site.conf; chmod 0644 /srv/site.conf; ln -s /srv/site.conf /etc/ssh/sshd_config.d/zz-site.conf",
        held="what the link leads to",
    ),
    Scenario(
        "file//var/log/**",
        "what_the_package_manager_writes",
        "touch /var/log/apt/history.log /var/log/dpkg.log; chmod 0644 /var/log/apt/history.log /var/log/dpkg.log",
        "pass",
    ),
)
WITHOUT: dict[str, str] = {}
# What a pattern matches, Goss has from the evidence.
_PATTERNS = {
    "/etc/apt/auth.conf.d/*": ("0640", "root"),
    "/etc/apt/sources.list.d/*": ("0644", "root"),
    "/etc/apt/trusted.gpg.d/*": ("0644", "root"),
    "/etc/audit/*.conf": ("0640", "root"),
    "/etc/audit/rules.d/*.rules": ("0640", "root"),
    "/etc/ssh/ssh_host_*_key": ("0600", "root"),
    "/etc/ssh/ssh_host_*_key.pub": ("0644", "root"),
    "/etc/ssh/sshd_config.d/*.conf": ("0600", "root"),
    "/run/log/journal/*": ("2750", "systemd-journal"),
    "/run/log/journal/*/*": ("0640", "systemd-journal"),
    "/usr/share/keyrings/*": ("0644", "root"),
    "/var/log/[bw]tmp*": ("0664", "root|utmp"),
    "/var/log/audit/*": ("0640", "root|adm"),
    "/var/log/journal/*": ("2750", "systemd-journal"),
    "/var/log/journal/*/*": ("0640", "systemd-journal"),
    "/var/log/lastlog*": ("0664", "root|utmp"),
}
_LOGS = """
{ find /var/log -xdev -type f ! -path '/var/log/audit/*' ! -path '/var/log/journal/*/user-*' ! -path '/var/log/apt/history.log*' \\
  ! -path '/var/log/apt/eipp.log*' ! -regex '/var/log/\\([bw]tmp\\|lastlog\\|faillog\\|dpkg.log\\|alternatives.log\\).*' \\
  -printf '%m %u %U %g\\n'
  find /var/log -xdev -type l ! -lname '*/usr/*' -exec find -L {} -maxdepth 0 -type f -printf '%m %u %U %g\\n' \\;
} | sort -u > /run/logs.seen
while read -r mode owner uid group; do
  [ $(( 0$mode & ~0640 )) = 0 ]
  # Its owner is root or a service, whose first group it has then.
  [ "$uid" -lt 1000 ]
  case "$group" in root|adm|systemd-journal) ;; *) [ "$group" = "$(id -gn "$owner")" ];; esac
done < /run/logs.seen
rm /run/logs.seen
"""
OBSERVERS = {
    **{f"file/{key}": ask.files(key, mode, groups=groups) for key, (mode, groups) in _PATTERNS.items()},
    "file//var/log/**": _LOGS,
}
