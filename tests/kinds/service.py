"""Scenarios of kind `service`. What must not run is put there as a unit of that name, where packages put theirs."""

from __future__ import annotations

from pathlib import Path

import yaml

from .scenario import Scenario

CATALOGUE = Path(__file__).resolve().parents[2] / "roles/compliance/files/catalogue"
DOCUMENT = yaml.safe_load((CATALOGUE / "rules/service.yml").read_text())
PLATFORM = yaml.safe_load((CATALOGUE / "platforms/debian.yml").read_text())
UNITS, PROGRAMS = PLATFORM["units"], PLATFORM["programs"]
STATES = {rule: fields.get("state", DOCUMENT["defaults"]["state"]) for rule, fields in DOCUMENT["rules"].items()}
UNUSED = tuple(rule for rule, state in STATES.items() if state == "unused")
DIRECTORY = "/usr/local/lib/systemd/system"


def _unit(rule: str, after: str) -> str:
    """Make a unit that waits, then what comes after."""
    unit = UNITS[rule][0]
    lines = "[Service]\\nExecStart=/bin/sleep infinity\\n[Install]\\nWantedBy=multi-user.target\\n"
    write = f"mkdir -p {DIRECTORY}; rm -f /etc/systemd/system/{unit}; printf '{lines}' > {DIRECTORY}/{unit}"
    return f"{write}; systemctl daemon-reload; {after.format(unit=unit)}"


def _program(rule: str, command: str) -> str:
    """Let a unit of the site's own run a program that is called as a service's."""
    path = f"/usr/local/sbin/{PROGRAMS[rule][0]}"
    return (
        f"cp /bin/sleep {path}; systemd-run --quiet --unit=site-{rule} {command.format(program=path)} infinity; sleep 1"
    )


SYSV = (
    "printf '#!/bin/sh\\n### BEGIN INIT INFO\\n# Provides: rsync\\n# Required-Start: $remote_fs\\n# Required-Stop:\\n"
    "# Default-Start: 2 3 4 5\\n# Default-Stop:\\n# Short-Description: rsync\\n### END INIT INFO\\nexit 0\\n' > /etc/init.d/rsync;"
    " chmod 755 /etc/init.d/rsync; for level in 2 3 4 5; do ln -sf ../init.d/rsync /etc/rc$level.d/S01rsync; done; systemctl daemon-reload"
)
_COPY = (
    "sed '{change}' /usr/lib/systemd/system/cron.service > /etc/systemd/system/cron.service; systemctl daemon-reload"
)
SCENARIOS = (
    *(Scenario(f"service/{rule}", "enabled_and_running", _unit(rule, "systemctl enable -q --now {unit}")) for rule in UNUSED),
    *(
        Scenario(f"service/{rule}", "program_in_a_unit_of_another_name", _program(rule, "{program}"), held=f"site-{rule}.service")
        for rule in ("squid", "dnsmasq", "web")
    ),
    # A container of its own has programs of its own.
    Scenario("service/snmp", "program_in_a_pid_namespace", _program("snmp", "unshare --pid --fork {program}"), "pass", host="uml"),
    Scenario("service/snmp", "program_in_a_session", "cp /bin/sleep /root/snmpd; setsid /root/snmpd infinity >/dev/null 2>&1 &\nsleep 1", held=".scope"),
    Scenario("service/snmp", "enabled_in_a_unit_of_another_name",
             "cp /bin/sleep /usr/local/sbin/snmpd; printf '[Service]\\nExecStart=/usr/local/sbin/snmpd 9\\n[Install]\\nWantedBy=multi-user.target\\n'"
             " > /etc/systemd/system/site-snmp.service; systemctl enable -q site-snmp.service", held="site-snmp.service"),
    Scenario("service/squid", "running_only", _unit("squid", "systemctl start {unit}")),
    Scenario("service/squid", "enabled_only", _unit("squid", "systemctl enable -q {unit}")),
    Scenario("service/squid", "enabled_until_the_reboot", _unit("squid", "systemctl enable -q --runtime {unit}")),
    Scenario(
        "service/web", "instance_of_a_template",
        f"mkdir -p {DIRECTORY}; printf '[Service]\nExecStart=/bin/sleep infinity\n' > {DIRECTORY}/apache2@.service;"
        " systemctl daemon-reload; systemctl start apache2@shop.service",
    ),
    Scenario("service/squid", "neither", _unit("squid", "systemctl disable -q {unit}"), "pass"),
    Scenario("service/squid", "masked", _unit("squid", "systemctl enable -q {unit}; systemctl mask -q {unit}"), "pass"),
    Scenario(
        "service/squid", "wanted_by_hand",
        _unit("squid", f"ln -sf {DIRECTORY}/{{unit}} /etc/systemd/system/multi-user.target.wants/; systemctl daemon-reload"),
    ),
    Scenario("service/rsync", "system_v_script", SYSV),
    Scenario("service/dns", "another_name_server", _unit("dns", "true").replace("named", "unbound") + "; systemctl enable -q --now unbound.service"),
    Scenario("service/cron", "starts_on_a_condition",
             "d=/etc/systemd/system/cron.service.d; mkdir -p $d; printf '[Unit]\\nConditionPathExists=/nowhere\\n' > $d/x.conf; systemctl daemon-reload",
             held="/etc/systemd/system/cron.service.d/x.conf"),
    Scenario("service/aide", "once_a_year",
             "d=/etc/systemd/system/dailyaidecheck.timer.d; mkdir -p $d; printf '[Timer]\\nOnCalendar=\\nOnCalendar=yearly\\n' > $d/x.conf;"
             " systemctl daemon-reload", held="/etc/systemd/system/dailyaidecheck.timer.d/x.conf"),
    Scenario("service/aide", "switched_off", "echo 'CRON_DAILY_RUN=no' >> /etc/default/aide"),
    Scenario("service/aide", "failed", "mv /var/lib/aide/aide.db /root/; systemctl start dailyaidecheck.service || :; mv /root/aide.db /var/lib/aide/",
             held="journalctl -u dailyaidecheck"),
    Scenario("service/aide", "disabled", "systemctl disable -q --now dailyaidecheck.timer"),
    Scenario("service/aide", "stopped_only", "systemctl stop dailyaidecheck.timer"),
    Scenario("service/aide", "masked", "systemctl mask -q --now dailyaidecheck.timer"),
    Scenario("service/cron", "masked_until_the_reboot", "systemctl mask -q --runtime cron.service", held="unmask --runtime cron.service"),
    Scenario("service/cron", "disabled", "systemctl disable -q --now cron.service"),
    Scenario("service/cron", "disabled_but_running", "systemctl disable -q cron.service"),
    Scenario("service/cron", "enabled_until_the_reboot_only", "systemctl disable -q cron.service; systemctl enable -q --runtime cron.service"),
    Scenario(
        "service/cron", "drop_in_runs_something_else",
        "d=/etc/systemd/system/cron.service.d; mkdir -p $d;"
        " printf '[Service]\\nExecStart=\\nExecStart=/bin/sleep infinity\\n' > $d/x.conf;"
        " systemctl daemon-reload; systemctl restart cron.service", held="/etc/systemd/system/cron.service.d/x.conf",
    ),
    Scenario(
        "service/cron", "file_that_hides_the_packages",
        f"{_COPY.format(change='s#^ExecStart=.*#ExecStart=/bin/sleep infinity#')}; systemctl restart cron.service",
        held="/etc/systemd/system/cron.service",
    ),
    Scenario(
        "service/cron", "wanted_by_a_target_that_no_boot_reaches",
        f"systemctl disable -q cron.service; {_COPY.format(change='s#^WantedBy=.*#WantedBy=rescue.target#')}; systemctl enable -q cron.service",
        held="rescue.target",
    ),
    Scenario(
        "service/cron", "file_that_hides_the_packages_and_runs_the_same",
        f"{_COPY.format(change='s#^Description=.*#Description=own#')}; systemctl restart cron.service", "pass",
    ),
    Scenario(
        "service/aide", "never_elapses",
        "d=/etc/systemd/system/dailyaidecheck.timer.d; mkdir -p $d; printf '[Timer]\nOnCalendar=\nOnCalendar=2010-01-01\n' > $d/never.conf;"
        " systemctl daemon-reload; systemctl restart dailyaidecheck.timer", held="never.conf",
    ),
    Scenario(
        "service/aide", "what_it_starts_is_masked", "systemctl mask -q dailyaidecheck.service", held="dailyaidecheck.service (masked)",
    ),
    Scenario(
        "service/aide", "what_it_starts_runs_something_else",
        "d=/etc/systemd/system/dailyaidecheck.service.d; mkdir -p $d; printf '[Service]\nExecStart=\nExecStart=/bin/true\n' > $d/x.conf;"
        " systemctl daemon-reload", held="/etc/systemd/system/dailyaidecheck.service.d/x.conf",
    ),
    Scenario("service/auditd", "stopped", "systemctl stop auditd.service", host="uml"),
    Scenario("service/timesyncd", "disabled", "systemctl disable -q --now systemd-timesyncd.service", host="uml"),
)  # fmt: skip
WITHOUT = {
    "service/chrony": "the test hosts keep the time by systemd-timesyncd (purpose time_chrony)",
    "service/journal-upload": "the example overlay waives it: there is no log host",
    "service/journald": "systemd starts it again at once, by its sockets",
    "service/rsyslog": "the test hosts keep their logs in the journal (purpose log_rsyslog)",
}
_OFF = (
    "! systemctl -q is-active {u} && case $(systemctl is-enabled {u} 2>/dev/null) in enabled*) false;;"
    " generated) ! systemctl show -p WantedBy {u} | grep target;; esac"
)
_ON = "systemctl -q is-active {u} && [ $(systemctl is-enabled {u}) = enabled ] && ! systemctl show -p ExecStart {u} | grep sleep"
# Targets that every boot comes to.
_ON += " && ! systemctl cat {u} | grep '^ConditionPathExists=/nowhere'"
_ON += " && systemctl show -P WantedBy {u} | grep -E '(multi-user|timers|sysinit)[.]target'"
OBSERVERS = {
    **{
        f"service/{rule}": " && ".join(_OFF.format(u=unit) for unit in UNITS[rule])
        + "".join(f" && ! systemctl -q is-active '{unit.partition('.')[0]}@*'" for unit in UNITS[rule])
        + (
            f" && ! pgrep --ns 1 --nslist pid -f '^(/[^ ]*/)?({'|'.join(PROGRAMS[rule])})([ :]|$)'"
            f" && ! grep -hsE '^ExecStart=/.*/({'|'.join(PROGRAMS[rule])})( |$)' /etc/systemd/system/site-*.service"
            if PROGRAMS[rule]
            else ""
        )
        for rule in UNUSED
    },
    **{f"service/{rule}": " && ".join(_ON.format(u=unit) for unit in UNITS[rule]) for rule in ("auditd", "cron")},
    "service/aide": _ON.format(u="dailyaidecheck.timer")
    + " && ! systemctl -q is-failed dailyaidecheck.service && ! grep -E '^CRON_DAILY_RUN=[^y]' /etc/default/aide"
    ' && [ $(( $(date -d "$(systemctl show -P NextElapseUSecRealtime dailyaidecheck.timer)" +%s) - $(date +%s) )) -lt 180000 ]'
    + " && systemctl show -P NextElapseUSecRealtime dailyaidecheck.timer | grep . "
    "&& systemctl show -P ExecStart dailyaidecheck.service | grep /dailyaidecheck",
    "service/journal-upload": _ON.format(u="systemd-journal-upload.service"),
    "service/chrony": _ON.format(u="chrony.service"),
    "service/rsyslog": _ON.format(u="rsyslog.service"),
    "service/journald": "systemctl -q is-active systemd-journald.service",
    "service/timesyncd": _ON.format(u="systemd-timesyncd.service"),
}
