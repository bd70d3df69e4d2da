"""The day after: apt, cron's and systemd's daily work and an upgrade have run on a hardened host, and the next run has nothing to do."""

from __future__ import annotations

import json
import typing as t

from tests.integration.conftest import Play, Target

SITE: dict[str, t.Any] = {
    "purposes": ["container_host"],
    "values": {"sshd/AllowGroups": {"some_of": ["sudo"]}},
    # A database of all files takes minutes.
    "waivers": [{"rule": "package/aide", "reason": "drill", "owner": "tests", "until": "2030-01-01"}],
}
# Upgrades by themselves, and what restarts daemons after them: who has them, has them before, and they have run. Their first run makes their
# logs, readable for all; whoever hardens before it has those closed by the next run, and for good: logrotate makes new ones like the old.
BEFORE = """
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -qq install -y goss needrestart unattended-upgrades >/dev/null
sed -i "s/^#\\$nrconf{restart}.*/\\$nrconf{restart} = 'a';/" /etc/needrestart/needrestart.conf
systemctl start apt-daily.service apt-daily-upgrade.service
test -e /var/log/unattended-upgrades/unattended-upgrades.log
"""
# Whatever a timer starts within a day or a week, with the lists of packages as on a host that has never asked for them.
TIMERS = """
rm -rf /var/lib/apt/lists/* /var/lib/apt/periodic/*
for unit in $(systemctl list-timers --all --output=json | python3 -c 'import json, sys; print(*{row["activates"] for row in json.load(sys.stdin)})'); do
  systemctl start $unit
  echo $unit
done
run-parts /etc/cron.daily
logrotate --force /etc/logrotate.conf
"""
# What an upgrade does with a package's files and scripts, a reinstallation does too: the archive has no second version.
UPGRADED = (
    "apt base-files cron libpam-modules libpam-runtime login.defs logrotate nftables openssh-server passwd procps rsyslog sudo systemd "
    "systemd-timesyncd util-linux"
)
UPGRADE = f"DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --reinstall {UPGRADED}"


def mended(play: Play, target: Target) -> dict[str, t.Any]:
    """What a run changed, and what it left failing that it could change."""
    model = play.model(target.host.name)
    failing = {
        name: rule["actual"]
        for name, rule in model["rules"].items()
        if rule["verdict"] == "error" or (rule["verdict"] == "fail" and not rule["held"])
    }
    return {"changed": model["changed"], "failing": failing}


def test_day_after_apt_ran_there_is_nothing_to_do(container: Target) -> None:
    container.shell(BEFORE)
    overlay = container.directory / "overlay.yml"
    overlay.write_text(json.dumps(SITE))
    variables = {"compliance_benchmarks": [{"name": "cis", "level": "l2_server"}], "compliance_overlay": str(overlay)}
    first = container.play("harden_hosts", variables=variables)
    assert not mended(first, container)["failing"]
    assert {"apt-daily.service", "apt-daily-upgrade.service", "logrotate.service"} <= set(
        container.shell(TIMERS).split()
    )
    container.shell(UPGRADE)
    day_after = container.play("harden_hosts", variables=variables)
    assert mended(day_after, container) == {"changed": [], "failing": {}}
    assert day_after.changed(container.host.name) == 0
