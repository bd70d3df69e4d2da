"""What a service sees of its secrets, on hosts that were hardened before, and who else can read them."""

from __future__ import annotations

import typing as t

import pytest

from tests.observer import hosts

HOSTS = hosts()


@pytest.fixture(params=sorted(HOSTS))
def host(request: pytest.FixtureRequest) -> t.Any:
    return HOSTS[request.param]


def test_service_reads_the_values_as_they_are(host: t.Any) -> None:
    assert host.check_output("cat /run/molecule/password") == 'canary "pass" $HOME `id`'


def test_only_root_reads_them(host: t.Any) -> None:
    assert host.check_output("stat -c '%a %U %G' /run/molecule/env") == "600 root root"
    assert host.run("runuser -u nobody -- cat /run/molecule/env").rc != 0


def test_credential_is_encrypted_where_systemd_can(host: t.Any) -> None:
    # systemd cannot mount credentials for its units in a container, so that the store itself is looked at.
    where = host.check_output("ls /etc/credstore*/molecule-token")
    if host.run("systemd-creds setup").rc == 0:
        assert where == "/etc/credstore.encrypted/molecule-token"
        assert host.run(f"grep -q canary {where}").rc != 0
        assert host.check_output(f"systemd-creds decrypt --name=molecule-token {where} -") == "canary-token-0123456789"
    else:
        assert where == "/etc/credstore/molecule-token"


def test_record_holds_no_value(host: t.Any) -> None:
    assert host.run("grep -rq canary /var/lib/unified/secrets").rc == 1
    assert host.check_output("stat -c %a /var/lib/unified/secrets/default.json") == "600"
