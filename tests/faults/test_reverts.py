"""What a run did to states that are no plain files is brought back: packet filters, PAM, units, accounts, kernel settings."""

from __future__ import annotations

import json
import typing as t

import pytest

from tests.faults.test_dead_runs import book
from tests.integration.conftest import Target

EVERYTHING = """
nft --stateless list ruleset; iptables-save | grep -v '^#' || true
md5sum /etc/pam.d/* /var/lib/pam/* /etc/ufw/* /etc/default/ufw /usr/share/pam-configs/* /etc/group 2>/dev/null || true
stat -c '%n %a %U %G %Y' /etc/pam.d/common-auth /etc/motd /etc/crontab
ufw status; systemctl show -p Id,UnitFileState,ActiveState ssh cron ufw unified-revert.timer
chage -l ansible; getent shadow ansible mallory; getent passwd mallory; sysctl net.ipv4.conf.all.log_martians
"""
SITE_RULES = """
nft add table inet site
nft add chain inet site input '{ type filter hook input priority 0; }'
nft add rule inet site input tcp dport 8080 accept
"""
PROFILE = "Name: test\nDefault: no\nPriority: 1000\nAuth-Type: Primary\nAuth:\n\toptional pam_echo.so\n"


def batch(name: str, **options: t.Any) -> dict[str, t.Any]:
    return {"unified.deploy.hardening_batch": {"run": "drill", "name": name, **options}}


def test_every_kind_of_state_is_brought_back(container: Target) -> None:
    container.shell(
        "apt-get -qq update; DEBIAN_FRONTEND=noninteractive apt-get -qq install -y ufw nftables >/dev/null 2>&1; "
        "useradd --create-home mallory; echo 'mallory:secret' | chpasswd"
    )
    container.shell(SITE_RULES)
    before = container.shell(EVERYTHING)
    batches = [
        batch("firewall", commands=[{"argv": ["ufw", "allow", "22/tcp"]}, {"argv": ["ufw", "--force", "enable"]}]),
        batch(
            "pam",
            files=[{"path": "/usr/share/pam-configs/drill", "content": PROFILE}],
            commands=[
                {"argv": ["groupadd", "--system", "--force", "drillers"]},
                {"argv": ["pam-auth-update", "--enable", "drill"]},
            ],
        ),
        batch(
            "rest",
            units={"masked": ["cron.service"]},
            sysctls={"net.ipv4.conf.all.log_martians": 1},
            attributes=[{"path": "/etc/crontab", "mode": "0600"}],
            accounts=[
                {"name": "ansible", "password_expire_max": 365},
                {"name": "mallory", "password_lock": True, "shell": "/usr/sbin/nologin"},
            ],
        ),
    ]
    container.play(book(container, *batches, {"unified.deploy.hardening_run": {"id": "drill", "state": "finished"}}))
    during = container.shell(EVERYTHING)
    for sign in (
        "Status: active",
        "table inet site",
        "UnitFileState=masked",
        "log_martians = 1",
        "mallory:!$",
        "nologin",
    ):
        assert sign in during, sign
    assert "pam_echo" in container.shell("cat /etc/pam.d/common-auth")
    container.play("revert_run", "-e", json.dumps({"run_id": "drill"}))
    assert container.shell(EVERYTHING).splitlines() == before.splitlines()
    said = container.play("list_runs").output
    assert "drill" in said and "state: reverted" in said.replace('"', "")


@pytest.mark.quick
def test_service_that_a_batch_kills_undoes_it(container: Target) -> None:
    container.shell(
        "printf '[Service]\\nExecStart=/usr/bin/python3 -m http.server 8081\\n[Install]\\nWantedBy=multi-user.target\\n' "
        "> /etc/systemd/system/web.service; systemctl daemon-reload; systemctl enable --now web; sleep 1"
    )
    kills = {
        "unified.deploy.hardening_batch": {
            "run": "kills",
            "name": "web",
            "files": [{"path": "/etc/motd", "content": "changed\n"}],
            "commands": [{"argv": ["systemctl", "stop", "web.service"], "undo": ["systemctl", "start", "web.service"]}],
        }
    }
    said = container.play(book(container, kills), fails=True).output
    assert "no longer there after the change: web.service (inactive), tcp 8081 of web.service; all was undone" in said
    assert container.shell("systemctl is-active web; grep -c changed /etc/motd || true").split() == ["active", "0"]


def test_second_run_with_nothing_to_change_records_no_batch(container: Target) -> None:
    same = batch("motd", files=[{"path": "/etc/motd", "content": "same\n"}])
    same["unified.deploy.hardening_batch"]["run"] = "same"
    assert container.play(book(container, same)).changed(container.host.name) == 1
    assert container.play(book(container, same)).changed(container.host.name) == 0
    assert container.shell("ls -d /var/lib/unified/runs/same/0* | wc -l").strip() == "1"
