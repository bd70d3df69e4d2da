"""Scenarios of kind `sshd`."""

from __future__ import annotations

from .scenario import Scenario

DROP_IN = "/etc/ssh/sshd_config.d/00-unified.conf"
SITE = "/etc/ssh/sshd_config.d/zz-site.conf"
# What holds for everybody stands before the Match blocks of other scenarios.
BEFORE = "/etc/ssh/sshd_config.d/zy-site.conf"
# systemd refuses to start a unit again and again.
LOADED = "systemctl reset-failed ssh.service; systemctl restart ssh.service"
WRONG = {
    "Banner": "none",
    "Ciphers": "+3des-cbc",
    "ClientAliveCountMax": "9",
    "ClientAliveInterval": "0",
    "DisableForwarding": "no",
    "GSSAPIAuthentication": "yes",
    "HostbasedAuthentication": "yes",
    "IgnoreRhosts": "no",
    "KexAlgorithms": "diffie-hellman-group14-sha1",
    "LogLevel": "QUIET",
    "LoginGraceTime": "61",
    "MACs": "+hmac-sha1",
    "MaxAuthTries": "5",
    "MaxSessions": "11",
    "MaxStartups": "10:30:61",
    "PermitEmptyPasswords": "yes",
    "PermitRootLogin": "yes",
    "PermitUserEnvironment": "yes",
    "UsePAM": "no",
}


def first(key: str, value: str) -> str:
    """The wrong value where sshd reads it first, the right one gone."""
    return f"sed -i -E '/^{key} /Id' {DROP_IN}; sed -i '1i {key} {value}' {DROP_IN}"


def site(text: str, path: str = SITE) -> str:
    return f"printf '%b' '{text}' >> {path}; sshd -t; {LOADED}"


def scenario(
    key: str, name: str, script: str, verdict: str = "fail", held: str = "", *, alone: bool = False
) -> Scenario:
    return Scenario(f"sshd/{key}", name, script, verdict, held, alone=alone)


SCENARIOS = (
    # With a key exchange on disk that this client does not know, every other change of sshd has to wait.
    *(scenario(key, "wrong_value", first(key, value), alone=key == "KexAlgorithms") for key, value in WRONG.items()),
    scenario("AllowGroups", "everybody", first("AllowGroups", "sudo *")),
    scenario("AllowGroups", "everybody_by_another_pattern", first("AllowGroups", "sudo ?*")),
    scenario("AllowGroups", "missing", f"sed -i '/^AllowGroups /d' {DROP_IN}"),
    # What only looks like a setting.
    scenario("MaxSessions", "commented_line", site("#MaxSessions 99\\n # MaxSessions 99\\n"), "pass"),
    scenario("MaxAuthTries", "later_file_does_not_win", site("MaxAuthTries 99\\n", BEFORE), "pass"),
    scenario("LogLevel", "upper_and_lower_case_tabs_and_quotes", site('lOgLeVeL\\t"info"\\n', BEFORE), "pass"),
    scenario("MaxStartups", "equals_sign", f"{first('MaxStartups', '=10:30:99')}"),
    scenario("PermitEmptyPasswords", "quoted_wrong_value", first("PermitEmptyPasswords", '"yes"')),
    scenario("PermitUserEnvironment", "wrong_before_right", f"sed -i '1i permituserenvironment\\tyes' {DROP_IN}"),
    # Files beside the usual ones.
    scenario(
        "IgnoreRhosts",
        "nested_relative_include",
        "echo 'Include conf.local/*.inc' > /etc/ssh/sshd_config.d/00-a.conf; mkdir -p /etc/ssh/conf.local; "
        f"echo 'IgnoreRhosts no' > /etc/ssh/conf.local/x.inc; {LOADED}",
        held="/etc/ssh/conf.local/x.inc:1 overrides",
    ),
    scenario(
        "HostbasedAuthentication",
        "earlier_file_wins",
        f"echo 'HostbasedAuthentication yes' > /etc/ssh/sshd_config.d/00-b.conf; {LOADED}",
        held="/etc/ssh/sshd_config.d/00-b.conf:1 overrides",
    ),
    scenario(
        "GSSAPIAuthentication",
        "match_in_an_included_file_of_another_directory",
        "mkdir -p /etc/ssh/site; printf 'Match User root,bo?\\n  GSSAPIAuthentication yes\\n' > /etc/ssh/site/x; "
        f"echo 'Include site/x' >> /etc/ssh/sshd_config; {LOADED}",
        held="Match User root,bo?' in /etc/ssh/site/x:1",
    ),
    # Match blocks.
    scenario("MaxSessions", "match_user", site("Match User bob\\n\\tMaxSessions=500\\n"), held="Match User bob"),
    scenario("MaxAuthTries", "match_group", site("Match Group sudo\\nMaxAuthTries 99\\n"), held="Match Group sudo"),
    scenario(
        "Banner", "match_address", site("Match Address 10.0.0.0/8,!10.0.0.1\\nBanner none\\n"), held="Match Address"
    ),
    scenario("PermitRootLogin", "match_all", site("Match all\\nPermitRootLogin yes\\n"), held="Match all"),
    scenario(
        "PermitRootLogin", "match_that_strengthens", site("Match Address 10.0.0.0/8\\nPermitRootLogin no\\n"), "pass"
    ),
    scenario(
        "PermitEmptyPasswords",
        "match_of_an_unknown_group",
        site("Match Group nobodys-group\\nPermitEmptyPasswords yes\\n"),
        held="Match Group nobodys-group",
    ),
    # The daemon that runs.
    scenario(
        "PermitRootLogin",
        "arguments",
        f"echo 'SSHD_OPTS=-o PermitRootLogin=yes' > /etc/default/ssh; {LOADED}",
        held="with the arguments '-o PermitRootLogin=yes'",
        alone=True,
    ),
    scenario(
        "Banner",
        "arguments_of_the_next_start",
        "echo 'SSHD_OPTS=\"-oBanner=none\"' > /etc/default/ssh",
        held="the next start of ssh.service",
        alone=True,
    ),
    scenario(
        "LogLevel",
        "log_that_goes_nowhere",
        f"echo 'SSHD_OPTS=-E /dev/null' > /etc/default/ssh; {LOADED}",
        held="with the arguments '-E /dev/null'",
        alone=True,
    ),
    scenario(
        "LogLevel",
        "log_that_goes_to_a_file_from_the_next_start_on",
        "echo 'SSHD_OPTS=-E/var/log/sshd' > /etc/default/ssh",
        held="the next start of ssh.service",
        alone=True,
    ),
    scenario(
        "PermitRootLogin",
        "another_program_at_the_next_start",
        "d=/etc/systemd/system/ssh.service.d; mkdir -p $d; "
        "printf '[Service]\\nExecStart=\\nExecStart=/usr/bin/env sshd -D -o PermitRootLogin=yes\\n' > $d/x.conf; systemctl daemon-reload",
        "error",
        alone=True,
    ),
    scenario(
        "PermitRootLogin",
        "other_files_at_the_next_start",
        "d=/etc/systemd/system/ssh.service.d; mkdir -p $d; cp -a /etc/ssh /srv/ssh; "
        "printf '[Service]\\nBindPaths=/srv/ssh:/etc/ssh\\n' > $d/x.conf; systemctl daemon-reload",
        "error",
        alone=True,
    ),
    scenario(
        "PermitRootLogin",
        "daemon_of_another_name",
        "cp /usr/sbin/sshd /usr/local/sbin/sshd2; "
        "printf 'PermitRootLogin yes\\nListenAddress 127.0.0.1:2224\\n' > /etc/ssh/other; /usr/local/sbin/sshd2 -f /etc/ssh/other",
        held="reads /etc/ssh/other",
        alone=True,
    ),
    scenario(
        "MaxSessions",
        "socket_with_a_daemon_of_its_own",
        "mkdir -p /etc/systemd/system/ssh.socket.d; "
        "printf '[Socket]\\nAccept=yes\\nListenStream=\\nListenStream=2225\\n' > /etc/systemd/system/ssh.socket.d/x.conf; "
        "printf '[Service]\\nExecStart=-/usr/sbin/sshd -i -o MaxSessions=99\\nStandardInput=socket\\n' > /etc/systemd/system/ssh@.service; "
        "systemctl daemon-reload; systemctl enable -q ssh.socket",
        held="each connection to ssh.socket",
        alone=True,
    ),
    scenario("LoginGraceTime", "older_than_its_configuration", f"sleep 1; touch {DROP_IN}", alone=True),
    scenario(
        "LoginGraceTime",
        "older_than_its_configuration_with_an_old_time",
        f"cp -p {DROP_IN} /root/right; sed -i '/^LoginGraceTime/d' {DROP_IN}; echo 'LoginGraceTime 99' >> {DROP_IN}; "
        f"systemctl reload ssh.service; sleep 1; cp -p /root/right {DROP_IN}; rm /root/right; [ $(stat -c %Y {DROP_IN}) -lt $(date +%s) ]",
        alone=True,
    ),
    scenario(
        "LoginGraceTime",
        "closed_by_hardening_itself",
        f"chmod 0644 {DROP_IN} /etc/ssh/sshd_config; sleep 1; systemctl reload ssh.service; sleep 1",
        "pass",
        alone=True,
    ),
    scenario(
        "LoginGraceTime",
        "reloaded",
        f"sleep 1; touch {DROP_IN}; systemctl reload ssh.service; sleep 1",
        "pass",
        alone=True,
    ),
    scenario(
        "LoginGraceTime",
        "reload_that_failed",
        f"sleep 2; cp {DROP_IN} /root/right; echo 'No Such' >> {DROP_IN}; systemctl reload ssh.service || :; sleep 1; "
        f"cp /root/right {DROP_IN}; touch -d '-2 seconds' {DROP_IN}; rm /root/right",
        alone=True,
    ),
    scenario("ClientAliveInterval", "file_that_is_gone", f"touch {SITE}; {LOADED}; sleep 1; rm {SITE}", alone=True),
    scenario(
        "DisableForwarding",
        "include_behind_a_match_block",
        f"sed -i '/^Include/d' /etc/ssh/sshd_config; rm {DROP_IN}; "
        f"printf 'Match User nobody\\nInclude /etc/ssh/sshd_config.d/*.conf\\n' >> /etc/ssh/sshd_config; {LOADED}",
        alone=True,
    ),
    scenario(
        "MACs",
        "list_on_disk_that_shuts_this_login_out",
        f"{first('MACs', '+hmac-sha1')}; echo 'AllowUsers carol' > /etc/ssh/sshd_config.d/99-users.conf",
        held="AllowUsers does not name ansible",
        alone=True,
    ),
)
WITHOUT: dict[str, str] = {}
# What sshd writes to the journal when it has read its configuration, or its unit's start where it writes nothing (LogLevel).
_FRESH = """
said=$(journalctl -q -b -u ssh.service -o short-unix -g 'Server listening' -n 1 | cut -d. -f1)
started=$(date -d "$(systemctl show -P ActiveEnterTimestamp ssh.service)" +%s)
changed=$(stat -c %Z /etc/ssh/sshd_config /etc/ssh/sshd_config.d /etc/ssh/sshd_config.d/*.conf 2>/dev/null | sort -n | tail -1)
[ "${said:-0}" -ge "$changed" ] || [ "$started" -ge "$changed" ]
"""
_ARGUMENTS = """
# Every daemon that listens, the next start, and what a socket starts for each connection.
{
  for pid in $(pgrep -f ' \\[listener\\] '); do
    echo "$(tr '\\0' ' ' < /proc/$pid/cmdline | sed -E 's/^[^ ]+: [^ ]+(.*) \\[listener\\].*/\\1/; s/ -D//')"
  done
  (. /etc/default/ssh; echo "$SSHD_OPTS")
  if systemctl -q is-enabled ssh.socket || systemctl -q is-active ssh.socket; then
    systemctl show -P ExecStart ssh@observer.service | sed -nE 's/.*argv\\[\\]=[^ ]*sshd(.*) ; ignore_errors.*/\\1/p' | sed 's/ -i//'
  fi
} > /run/observed.arguments
"""
_ASKED = """
while read -r arguments; do
for user in root bob ansible; do for address in 10.1.2.3 203.0.113.9; do
  value=$(sshd -T $arguments -C user=$user,host=h,addr=$address,laddr=127.0.0.1,lport=22,rdomain=r </dev/null | sed -n 's/^%s //p')
  echo "$value" | grep -ixE '%s' >/dev/null || exit 1
done; done; done < /run/observed.arguments
# Blocks for users or groups that there are not cannot be asked for: what stands in them counts.
for file in /etc/ssh/sshd_config /etc/ssh/sshd_config.d/*.conf; do
  awk -v key=%s 'tolower($1) == "match" {inside = 1} inside && tolower($1) == key {print $2}' "$file" | while read -r value; do
    echo "$value" | grep -ixE '%s' >/dev/null || exit 1
  done
done
"""
_BOUNDS = {
    "Banner": "/etc/issue.net",
    "ClientAliveCountMax": "[1-3]",
    "ClientAliveInterval": "[1-9][0-9]?|[12][0-9][0-9]|300",
    "DisableForwarding": "yes",
    "GSSAPIAuthentication": "no",
    "HostbasedAuthentication": "no",
    "IgnoreRhosts": "yes",
    "LogLevel": "VERBOSE|INFO",
    "LoginGraceTime": "[1-9]|[1-5][0-9]|60",
    "MaxAuthTries": "[1-4]",
    "MaxSessions": "[1-9]|10",
    "MaxStartups": "([1-9]|10):([1-9]|[12][0-9]|30):([1-9]|[1-5][0-9]|60)",
    "PermitEmptyPasswords": "no",
    "PermitRootLogin": "no",
    "PermitUserEnvironment": "no",
    "UsePAM": "yes",
}
_WEAK = {
    "Ciphers": "3des-cbc|aes(128|192|256)-cbc|rijndael.*",
    "KexAlgorithms": "diffie-hellman-group(1|14|-exchange)-sha1",
    "MACs": "(hmac-(md5|ripemd160|sha1)|umac-64)(-96)?(@openssh.com|-etm@openssh.com)?",
}
_LOG = """if grep -E -- '(^| )-[46Deqt]*E' /run/observed.arguments; then exit 1; fi
"""
OBSERVERS = {
    **{
        f"sshd/{key}": _ARGUMENTS
        + (_LOG if key == "LogLevel" else "")
        + _ASKED % (key.lower(), value, key.lower(), value)
        + _FRESH
        for key, value in _BOUNDS.items()
    },
    **{
        f"sshd/{key}": f"""if sshd -T | sed -n 's/^{key.lower()} //p' | tr , '\\n' | grep -xE '{weak}'; then exit 1; fi
{_FRESH}"""
        for key, weak in _WEAK.items()
    },
    "sshd/AllowGroups": "sshd -T | grep -iE '^(allow|deny)(users|groups) ' >/dev/null; "
    "! sshd -T | grep -iE '^allow(users|groups) (.* )?[*?]+( |$)' >/dev/null",
}
