"""Lawful wishes that would lock somebody out, on a real host: held with the reason, by asking the programs there."""

from __future__ import annotations

import json
import typing as t

import pytest

from tests.faults.test_dead_runs import book
from tests.hosts.network import ssh

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
