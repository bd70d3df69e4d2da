from __future__ import annotations

import typing as t

import pytest

from tests.observer import hosts

HOSTS = hosts()


@pytest.fixture(params=sorted(HOSTS))
def host(request: pytest.FixtureRequest) -> t.Any:
    return HOSTS[request.param]


def test_effective_sshd_configuration(host: t.Any) -> None:
    effective = dict(line.split(" ", 1) for line in host.check_output("sshd -T").splitlines())
    assert effective["permitrootlogin"] == "no"
    assert int(effective["clientaliveinterval"]) <= 300
    assert not {"3des-cbc", "aes128-cbc"} & set(effective["ciphers"].split(","))
    assert not {"hmac-md5", "hmac-sha1"} & set(effective["macs"].split(","))


def test_root_cannot_log_in_and_the_administrator_can(host: t.Any) -> None:
    assert host.check_output("id -u") == "0"
    refused = host.run(
        "set -e; cd /root; ssh-keygen -q -t ed25519 -N '' -f probe; mkdir -p -m 0700 .ssh; touch .ssh/authorized_keys; cp .ssh/authorized_keys kept; "
        "cat probe.pub >> .ssh/authorized_keys; trap 'cp kept .ssh/authorized_keys; rm probe probe.pub kept' EXIT; "
        "ssh -i probe -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null root@127.0.0.1 true || exit 1"
    )
    assert refused.rc == 1
    assert "Permission denied" in refused.stderr
    assert host.check_output("sshd -T -C user=root,host=h,addr=127.0.0.1 | grep -c '^permitrootlogin no$'") == "1"


def test_password_quality_is_enforced_for_real(host: t.Any) -> None:
    host.check_output("id -u probe >/dev/null 2>&1 || useradd -M probe")
    refused = host.run("printf 'short1!\\nshort1!\\n' | passwd probe")
    assert refused.rc != 0
    assert "BAD PASSWORD" in refused.stderr
    accepted = host.run("printf 'Vx7-quarrel-lantern-9\\nVx7-quarrel-lantern-9\\n' | passwd probe")
    assert accepted.rc == 0, accepted.stderr
    assert host.check_output("getent shadow probe").split(":")[1].startswith("$y$")
    host.check_output("userdel probe")


def test_accounts_lock_after_failed_logins(host: t.Any) -> None:
    host.check_output(
        "id -u probe >/dev/null 2>&1 || useradd -m -s /bin/bash probe; echo 'probe:Vx7-quarrel-lantern-9' | chpasswd"
    )
    host.check_output("faillock --user probe --reset")
    host.run("for i in 1 2 3 4 5 6; do echo wrong | runuser -u probe -- sudo -S -k true >/dev/null 2>&1; done")
    assert len([line for line in host.check_output("faillock --user probe").splitlines() if line.endswith(" V")]) >= 3
    host.check_output("faillock --user probe --reset; userdel -r probe 2>/dev/null")


def test_firewall_lets_ssh_in_and_denies_the_rest(host: t.Any) -> None:
    rules = host.check_output("nft list ruleset")
    assert "hook input priority filter; policy drop;" in rules
    assert host.check_output("ufw status | grep -c '22/tcp'") != "0"


def test_originals_are_kept_for_the_way_back(host: t.Any) -> None:
    kept = host.check_output("find /var/lib/unified/runs -path '*/saved/*-login.defs'")
    assert len(kept.splitlines()) == 1
    assert host.file("/var/lib/unified/runs").mode == 0o700


def test_nothing_of_the_run_is_left_in_temporary_places(host: t.Any) -> None:
    assert host.check_output("find / -xdev -name '.unified-*' 2>/dev/null | wc -l") == "0"
    logged = host.run(
        "journalctl -q --no-pager _COMM=python3 | grep -oE '(evidence|gossfile)=[^ ]+' | sort -u"
    ).stdout.split()
    assert {line.partition("=")[2] for line in logged} <= {"NOT_LOGGING_PARAMETER", "None"}
