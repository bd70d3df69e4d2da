"""What a server does goes on: hardened at level 2, all restarted, booted anew, and everything still answers."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
import typing as t
import urllib.request

import pytest

from tests.hosts.network import ssh
from tests.integration.conftest import Target

PROGRAMS = "busybox-static curl exim4-daemon-light goss mariadb-server nginx-light podman postgresql redis-server"
ASKS = {
    "redis": ("redis-cli ping", "PONG"),
    "MariaDB": ("mariadb -Nse 'SELECT 6*7 FROM site.kept'", "42"),
    "PostgreSQL": ("cd /; runuser -u postgres -- psql -Atc 'SELECT 6*7 FROM kept'", "42"),
    "exim": ("python3 -c 'import smtplib; print(smtplib.SMTP(\"127.0.0.1\", timeout=20).noop()[0])'", "250"),
    "nginx": ("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1/", "200"),
}
UNITS = "redis-server mariadb postgresql exim4 nginx"
SITE: dict[str, t.Any] = {
    "purposes": ["container_host", "mail_server", "web_server"],
    "ports": [{"port": 8090, "protocol": "tcp", "why": "the container"}],
    "values": {
        "sshd/AllowGroups": {"some_of": ["sudo"]},
        # netavark writes 2 to its bridge whenever a container starts, so that 1 for all interfaces would be changed back after each boot.
        "sysctl/net.ipv4.conf.all.rp_filter": {"in": [1, 2], "set": 1},
    },
    # A database of all files takes minutes, and serves nobody.
    "waivers": [{"rule": "package/aide", "reason": "drill", "owner": "tests", "until": "2030-01-01"}],
}
# An image of one static program, so that no registry is asked; hosts of the tests have no overlayfs and no control groups to give.
CONTAINER = """
printf '[storage]\\ndriver = "vfs"\\nrunroot = "/run/containers/storage"\\ngraphroot = "/var/lib/containers/storage"\\n' \
  > /etc/containers/storage.conf
mkdir -p /root/image/bin /root/image/www; cp /bin/busybox /root/image/bin/; echo published > /root/image/www/index.html
tar -C /root/image -c . | podman import --quiet - site:1 >/dev/null
podman run --detach --cgroups=disabled --restart=always --name site -p 8090:80 site:1 /bin/busybox httpd -f -p 80 -h /www >/dev/null
systemctl enable --quiet podman-restart.service
"""


def answers(target: Target) -> dict[str, str]:
    """What each service says, after up to a minute for those that recover at start."""
    deadline = time.monotonic() + 60
    while True:
        said = {name: target.shell(f"({script}) 2>&1 || true").strip() for name, (script, _answer) in ASKS.items()}
        if said == EXPECTED or time.monotonic() > deadline:
            return said
        time.sleep(2)


EXPECTED = {name: answer for name, (_script, answer) in ASKS.items()}


PAGES = {80: "nginx", 8090: "published"}


def outside(target: Target) -> dict[int, str]:
    """Which of the expected words each page has that others get over the network, after up to a minute."""
    deadline = time.monotonic() + 60
    while True:
        shown = {port: page(target, port, word) for port, word in PAGES.items()}
        if shown == PAGES or time.monotonic() > deadline:
            return shown
        time.sleep(2)


def page(target: Target, port: int, word: str) -> str:
    """WORD where the page has it, else what is there."""
    try:
        with urllib.request.urlopen(f"http://{target.host.address}:{port}/", timeout=20) as response:
            text = t.cast("bytes", response.read()).decode()
    except OSError as exc:
        text = f"{exc}"
    return word if word in text else text


# What a boot of the kernel empties and one of all else keeps: packet filters, and the runtime directories by which podman and crun
# take the container of before for one that runs. When all is stopped, for podman stops its containers by them.
EMPTIED = """
mkdir -p /etc/systemd/system/systemd-soft-reboot.service.d
cat > /etc/systemd/system/systemd-soft-reboot.service.d/kernel.conf <<'END'
[Service]
Type=oneshot
ExecStart=/usr/sbin/nft flush ruleset
ExecStart=/bin/sh -c 'umount /run/netns/* 2>/dev/null; rm -rf /run/netns /run/crun /run/containers /run/libpod /dev/shm/libpod_lock'
END
systemctl daemon-reload
"""


def boot(target: Target) -> None:
    """Start all of the host anew but its kernel, which a container shares with this machine."""
    asked = "systemctl show -P SoftRebootsCount"
    deadline, before, count = time.monotonic() + 180, target.shell(asked).strip(), ""
    with contextlib.suppress(subprocess.TimeoutExpired):
        # Without default dependencies ufw's unit is not stopped by itself, and would count as started without its chains.
        ssh(target.host, "sudo systemctl stop ufw.service; sudo systemctl soft-reboot")
    while count in ("", before):
        assert time.monotonic() < deadline, "the host has not come back"
        time.sleep(2)
        with contextlib.suppress(subprocess.TimeoutExpired):
            count = ssh(target.host, asked).stdout.strip()


@pytest.fixture(scope="module")
def server(container: Target) -> Target:
    container.shell("echo force-unsafe-io > /etc/dpkg/dpkg.cfg.d/drill; apt-get -qq update")
    for program in PROGRAMS.split():
        container.shell(f"DEBIAN_FRONTEND=noninteractive apt-get -qq install -y {program} >/dev/null 2>&1")
    container.shell(
        f"systemctl enable -q --now {UNITS}; mariadb -e 'CREATE DATABASE site; CREATE TABLE site.kept (a INT); "
        "INSERT INTO site.kept VALUES (1)'; cd /; "
        "runuser -u postgres -- psql -qc 'CREATE TABLE kept (a INT)' -c 'INSERT INTO kept VALUES (1)'"
    )
    container.shell(CONTAINER + EMPTIED)
    assert outside(container) == PAGES
    boot(container)  # what does not outlive that by itself cannot show what a hardening does
    assert answers(container) == EXPECTED
    assert outside(container) == PAGES
    return container


def test_services_answer_after_a_hardening_a_restart_of_all_and_a_boot(server: Target) -> None:
    overlay = server.directory / "overlay.yml"
    overlay.write_text(json.dumps(SITE))
    variables = {
        "compliance_benchmarks": [{"name": "cis", "level": "l2_server"}],
        "compliance_overlay": str(overlay),
        "compliance_walk": False,
    }
    model = server.play("harden_hosts", variables=variables).model(server.host.name)
    assert model["rules"]["firewall/enabled"]["verdict"] == "pass", model["rules"]["firewall/enabled"]
    assert answers(server) == EXPECTED
    server.shell(f"systemctl restart {UNITS}")
    assert answers(server) == EXPECTED
    assert outside(server) == PAGES
    boot(server)
    assert answers(server) == EXPECTED
    assert outside(server) == PAGES
    assert server.play("harden_hosts", variables=variables).changed(server.host.name) == 0
