"""What a host serves goes on through a hardening; what dies of it undoes the batch, and lives again."""

from __future__ import annotations

import json
import typing as t

import pytest

from .conftest import Target

ANSWERS = "curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1/; redis-cli ping"
RULES = ["sshd/MaxAuthTries", "sshd/PermitRootLogin", "sysctl/kernel.kptr_restrict"]


@pytest.fixture(scope="module")
def server(container: Target) -> Target:
    container.shell(
        "apt-get -qq update; DEBIAN_FRONTEND=noninteractive apt-get -qq install -y goss curl nginx-light redis-server >/dev/null; "
        "systemctl enable --now nginx redis-server"
    )
    assert container.shell(ANSWERS) == "200PONG\n"
    return container


def site(target: Target, **overlay: t.Any) -> dict[str, t.Any]:
    path = target.directory / "overlay.yml"
    path.write_text(json.dumps(overlay))
    return {"compliance_overlay": str(path)}


def test_services_answer_after_a_hardening_and_a_restart_of_all(server: Target) -> None:
    overlay = site(
        server, purposes=["container_host", "web_server"], ports=[{"port": 80, "protocol": "tcp", "why": "the site"}]
    )
    kinds = ["file", "service", "sysctl", "sshd", "pam", "sudo", "home", "limits", "mount", "kmod", "shell"]
    server.play("harden_hosts", variables={**overlay, "compliance_kinds": kinds})
    assert server.shell(ANSWERS) == "200PONG\n"
    server.shell("systemctl restart nginx redis-server ssh")
    assert server.shell(f"sleep 1; {ANSWERS}") == "200PONG\n"


DIES = """
mkdir -p /etc/systemd/system/redis-server.service.d
cat > /etc/systemd/system/redis-server.service.d/dies.conf <<'END'
[Unit]
ReloadPropagatedFrom=ssh.service
[Service]
Restart=no
# Redis' own sandbox lets no shell run.
ExecReload=+/bin/sh -c 'if grep -qs "^MaxAuthTries 3" /etc/ssh/sshd_config.d/00-unified.conf; then kill -KILL $MAINPID; fi'
END
systemctl daemon-reload
"""


def test_service_that_dies_of_a_batch_undoes_it_and_lives_again(server: Target) -> None:
    server.shell(DIES)
    values = {"sshd/MaxAuthTries": {"le": 3}}
    overlay = site(server, purposes=["container_host", "web_server"], values=values)
    before = server.shell("sshd -T | grep -i maxauthtries")
    play = server.play("harden_hosts", variables={**overlay, "compliance_rules": RULES}, fails=True)
    assert "no longer there after the change: redis-server.service (failed)" in play.output, play.output
    assert server.shell("sshd -T | grep -i maxauthtries") == before
    assert server.shell(ANSWERS) == "200PONG\n"
    (end,) = json.loads((play.results / "report.json").read_text())["not_run"]
    assert "redis-server.service" in end["reason"]
