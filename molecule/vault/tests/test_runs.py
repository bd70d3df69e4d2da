"""A server on a hardened host, seen over SSH and its port, with none of the collection's code."""

from __future__ import annotations

import json
import typing as t

import pytest

from tests.observer import hosts


@pytest.fixture
def host() -> t.Any:
    return hosts()["mol-debian13"]


def test_server_is_unsealed_and_leads(host: t.Any) -> None:
    address = host.backend.host.name
    script = (
        "import ssl, urllib.request as r; c = ssl.create_default_context(cafile='/etc/openbao/tls/ca.pem'); "
        f"print(r.urlopen('https://{address}:8200/v1/sys/health', context=c).read().decode())"
    )
    health = json.loads(host.check_output(f'python3 -c "{script}"'))
    assert (health["initialized"], health["sealed"], health["standby"]) == (True, False, False)


def test_nobody_but_root_and_the_server_reads_its_files(host: t.Any) -> None:
    for path in (
        "/etc/openbao/server.hcl",
        "/etc/openbao/tls/server.key",
        "/var/lib/openbao",
        "/var/log/openbao/audit.log",
    ):
        assert host.run(f"runuser -u nobody -- cat {path}").rc != 0
        assert host.file(path).exists


def test_unit_starts_with_the_host(host: t.Any) -> None:
    assert host.service("openbao").is_enabled
    assert host.service("openbao").is_running
    assert host.check_output("systemctl show openbao --value -p User,NoNewPrivileges,ProtectSystem") != ""
