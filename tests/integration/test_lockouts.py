"""Lawful wishes that would lock somebody out, on a real host: held with the reason, by asking the programs there."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import typing as t
from pathlib import Path

import pytest

from tests.faults.test_dead_runs import book
from tests.hosts import __main__ as tool
from tests.hosts.network import ssh
from tests.hosts.store import KEY

from .conftest import Target

SITE = "/etc/ssh/sshd_config.d/90-site.conf"
GROUPS = {"sshd/AllowGroups": {"some_of": ["sudo"]}}


class Case(t.NamedTuple):
    """What is done on the host and undone, with which variables it is hardened, and which rule is held for what reason."""

    make: str
    unmake: str
    rule: str
    reason: str
    values: dict[str, t.Any] = {}
    variables: dict[str, t.Any] = {}


CASES = {
    "another administrator's old password": Case(
        "useradd -m -G sudo olga; echo olga:x | chpasswd; chage -d 2024-01-02 olga",
        "userdel -r olga 2>/dev/null",
        "account/password_max_days",
        "would lock or expire olga on 2025-01-01",
        values={"account/password_max_days": {"ge": 1, "le": 365, "set": 365}},
    ),
    "a new password of somebody who comes by key": Case(
        "useradd -m -G sudo olga; echo olga:x | chpasswd; install -d -o olga -m 700 ~olga/.ssh; "
        "install -o olga -m 600 /home/ansible/.ssh/authorized_keys ~olga/.ssh/",
        "userdel -r olga 2>/dev/null",
        "account/password_max_days",
        "olga can log in by key, and would be shut out",
    ),
    "a web server of which the overlay says nothing": Case(
        "apt-get -qq update; DEBIAN_FRONTEND=noninteractive apt-get -qq install -y ufw >/dev/null; "
        "systemd-run --quiet --unit=web --collect python3 -m http.server 8080; sleep 1",
        "systemctl stop web",
        "firewall/enabled",
        "it would close 8080/tcp (python3)",
    ),
    "AllowUsers on disk that is not loaded": Case(
        f"echo 'AllowUsers olga' > {SITE}",
        f"rm {SITE}",
        "sshd/MaxAuthTries",
        "AllowUsers does not name ansible in the configuration on disk",
    ),
    "a client that knows only hmac-sha1": Case(
        "true",
        "true",
        "sshd/MACs",
        "this client knows none of the macs",
        variables={"ansible_ssh_extra_args": "-o MACs=hmac-sha1 -o Ciphers=aes128-ctr"},
    ),
    "root, where only a group of others may log in": Case(
        "install -d -m 700 /root/.ssh; cp /home/ansible/.ssh/authorized_keys /root/.ssh/",
        "rm -r /root/.ssh",
        "sshd/AllowGroups",
        "root is in none of the groups sudo",
        values=GROUPS,
        variables={"ansible_user": "root", "ansible_become": False},
    ),
    "root by su, which would be closed": Case(
        "echo root:x | chpasswd",
        "passwd -q -l root",
        "pam/pam_wheel",
        "the run becomes root by su: it would lock itself out",
        variables={"ansible_become_method": "su", "ansible_become_password": "x"},
    ),
    "an administrator in another group": Case(
        "useradd -m -s /bin/bash olga; install -d -o olga -m 700 ~olga/.ssh; "
        "install -o olga -m 600 /home/ansible/.ssh/authorized_keys ~olga/.ssh/",
        "userdel -r olga 2>/dev/null",
        "sshd/AllowGroups",
        "olga can log in today and is in none of the groups sudo",
        values=GROUPS,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_would_lock_somebody_out_is_held(container: Target, name: str) -> None:
    case = CASES[name]
    overlay = container.directory / "overlay.yml"
    overlay.write_text(json.dumps({"values": case.values}))
    container.shell(case.make)
    try:
        variables = {"compliance_overlay": str(overlay), "compliance_rules": [case.rule], **case.variables}
        play = container.play("harden_hosts", "--check", variables=variables)
    finally:
        container.shell(case.unmake)
    rule = play.model(container.host.name)["rules"][case.rule]
    assert (rule["verdict"], play.changed(container.host.name)) == ("fail", 0)
    assert case.reason in rule["held"]


def test_fewer_tries_than_the_agent_offers_keys_are_held(
    container: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = subprocess.run(["ssh-agent", "-s"], capture_output=True, text=True, check=True).stdout
    for name, value in re.findall(r"(SSH_\w+)=([^;]+);", started):
        monkeypatch.setenv(name, value)
    try:
        for number in range(5):
            key = str(tmp_path / f"key{number}")
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
            subprocess.run(["ssh-add", "-q", key], check=True)
        subprocess.run(["ssh-add", "-q", str(KEY)], check=True)
        play = container.play("harden_hosts", "--check", variables={"compliance_rules": ["sshd/MaxAuthTries"]})
    finally:
        subprocess.run(["ssh-agent", "-k"], capture_output=True, check=True)
    rule = play.model(container.host.name)["rules"]["sshd/MaxAuthTries"]
    assert rule["verdict"] == "fail" and "the agent offers 6 keys, more than the change allows tries" in rule["held"]


def test_forwarding_stays_on_a_host_through_which_others_are_reached(container: Target) -> None:
    inventory = tool.inventory()
    jump = f"-o ProxyJump=ansible@{container.host.address}"
    inventory["all"]["hosts"] = {"behind": {"ansible_host": "192.0.2.7", "ansible_ssh_common_args": jump}}  # type: ignore[index]  # plain JSON
    path = container.directory / "jump.json"
    path.write_text(json.dumps(inventory))
    variables = {
        "compliance_benchmarks": [{"name": "cis", "level": "l2_server"}],
        "compliance_rules": ["sshd/DisableForwarding"],
    }
    play = container.play("harden_hosts", variables=variables, inventory=str(path))
    rule = play.model(container.host.name)["rules"]["sshd/DisableForwarding"]
    assert rule["verdict"] == "fail" and "behind of the inventory would be cut off" in rule["held"]
    assert "disableforwarding no" in container.shell("sshd -T")


def test_files_that_would_shut_out_who_gets_in_today_are_refused_by_what_sshd_says(container: Target) -> None:
    """The plan sees what it writes; only sshd knows what all files together say to this user from this address."""
    login = {"user": "ansible", "address": str(container.host.gateway)}
    text = f"Match Address {container.host.gateway}\n  AllowUsers olga\n"
    options = {"files": [{"path": SITE, "content": text, "mode": "0600"}], "units": {"restarted": ["ssh.service"]}}
    task = {"unified.deploy.hardening_batch": {"run": "shut", "name": "sshd", "logins": [login], **options}}
    said = container.play(book(container, task), fails=True).output
    assert "sshd would shut out who can log in today: AllowUsers does not name ansible; nothing was changed" in said
    assert container.shell(f"test ! -e {SITE}; ls /var/lib/unified/runs/shut | grep -c 01 || true").strip() == "0"
    assert ssh(container.host, "true").returncode == 0


# A daemon that listens elsewhere, as a second service or by systemd's socket.
# The second stays so: the host goes after these tests.
ELSEWHERE = {
    "ListenAddress": f"printf 'ListenAddress 0.0.0.0:22\\nListenAddress 0.0.0.0:2222\\n' > {SITE}; systemctl restart ssh",
    "ssh.socket": f"rm -f {SITE}; mkdir -p /etc/systemd/system/ssh.socket.d; systemctl disable -q --now ssh.service; "
    "printf '[Socket]\\nListenStream=\\nListenStream=22\\nListenStream=2222\\n' > /etc/systemd/system/ssh.socket.d/ports.conf; "
    "systemctl daemon-reload; systemctl enable -q --now ssh.socket",
}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_port_by_which_people_come_stays_open_whoever_listens_there(container: Target, name: str) -> None:
    container.shell(
        "apt-get -qq update; DEBIAN_FRONTEND=noninteractive apt-get -qq install -y goss ufw >/dev/null; "
        "ufw --force disable >/dev/null; ufw delete allow 2222/tcp >/dev/null || true"
    )
    # The login itself must outlive the daemon that it came by.
    container.shell(f"systemd-run --quiet --wait --collect bash -c {shlex.quote(ELSEWHERE[name])}")
    # A login of its own: one that stands from before has no daemon that systemd keeps the directory of sshd for.
    variables = {
        "ansible_port": 2222,
        "ansible_ssh_extra_args": "-o ControlPath=none",
        "compliance_kinds": ["firewall"],
    }
    rules = container.play("harden_hosts", variables=variables).model(container.host.name)["rules"]
    status = container.shell("ufw status")
    assert status.startswith("Status: active") and "2222/tcp" in status, (status, rules["firewall/enabled"])
    assert container.play("harden_hosts", variables=variables).changed(container.host.name) == 0
    assert ssh(container.host, "true").returncode == 0
