"""Keys and tokens of clouds by reference, from the fake engines of tests/fakes/vault_clouds.py: each is made once, lasts, and is given back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.errors import UnavailableError, UnsupportedError
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.resolver import Resolver

from tests.fakes.vault import ROOT
from tests.fakes.vault_clouds import CloudVault
from tests.secrets import programs
from tests.unit.conftest import INSTALLED


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[CloudVault]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with CloudVault(tmp_path) as made:
        yield made


def stores(server: CloudVault) -> dict[str, t.Any]:
    return {"prod": {"type": "vault", "url": server.url, "ca_path": server.ca, "token": ROOT}}


@pytest.fixture
def resolver(server: CloudVault) -> t.Iterator[Resolver]:
    """As the broker has it, which lasts as long as the run."""
    made = Resolver(stores(server))
    made.lasting = True
    yield made
    made.close()


def written(tmp: Path) -> list[str]:
    return [
        lease
        for path in (tmp / "state/unified/leases").glob("*.json")
        for lease in json.loads(path.read_text())["leases"]
    ]


@pytest.mark.parametrize(
    ("reference", "fields"),
    [
        ("prod+aws://creds/deploy", {"access_key": "AKIAFAKE1", "secret_key": "canary-1"}),
        ("prod+aws://sts/deploy", {"access_key": "ASIAFAKE1", "secret_key": "canary-1", "security_token": "canary-session-1"}),
        ("prod+aws://sts/deploy?ttl=15m&role_session_name=run", {"security_token": "canary-session-1"}),
        ("prod+gcp://roleset/build/token", {"token": "ya29.canary-1"}),
        ("prod+gcp://static-account/build/key", {"private_key_data": "canary-1"}),
        ("prod+gcp://static-account/build/key?key_type=TYPE_PKCS12_FILE", {"private_key_data": "canary-1"}),
        ("prod+gcp://key/build", {"private_key_data": "canary-1"}),
        ("prod+azure://creds/deploy", {"client_secret": "canary-1"}),
        ("prod+kubernetes://creds/deploy?kubernetes_namespace=web", {"service_account_token": "canary-1", "service_account_namespace": "web"}),
    ],
)  # fmt: skip
def test_what_a_cloud_gives_is_made_once_and_given_back(
    reference: str, fields: dict[str, str], server: CloudVault, resolver: Resolver, tmp_path: Path
) -> None:
    path, mark, options = reference.partition("?")
    for _task in range(2):
        for field, value in fields.items():
            assert resolver.resolve(f"{path}#{field}{mark}{options}") == value
    assert list(server.made.values()) == [1]
    assert written(tmp_path) == list(server.leases)
    assert len(server.leases) == (0 if "token" in path else 1)
    resolver.close()
    assert server.leases == {}
    assert written(tmp_path) == []


def test_long_lease_of_a_key_is_cut_short(server: CloudVault, resolver: Resolver) -> None:
    """Keys of AWS live as long as the engine's leases, by default 32 days: a run that is killed must not leave one for so long."""
    resolver.resolve("prod+aws://creds/deploy#secret_key")
    assert [lease["ttl"] for lease in server.leases.values()] == [600]


@pytest.mark.parametrize(
    ("reference", "lasts"),
    [("prod+gcp://roleset/build/token#token", 3599), ("prod+aws://sts/deploy#security_token?ttl=15m", 900)],
)
def test_what_cannot_be_renewed_is_asked_for_anew_before_it_ends(
    reference: str, lasts: int, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token of GCP has no lease: only the engine's words tell when it ends."""
    first, now = resolver.resolve(reference), time.monotonic()
    leases = t.cast("t.Any", resolver.store("prod"))._leases
    for passed, same in ((60, True), (lasts - 200, True), (lasts - 60, False)):
        monkeypatch.setattr(time, "monotonic", lambda passed=passed: now + passed)
        leases.renew_due()
        assert (resolver.resolve(reference) == first) is same, passed
    monkeypatch.undo()


@pytest.mark.parametrize(
    "path",
    ["gcp://roleset/build?project=x", "gcp://static-account/build?x=1", "aws://roles/deploy?x=1", "azure://config?x=1"],
)
def test_role_of_an_engine_is_not_changed_by_a_reference(path: str, server: CloudVault, resolver: Resolver) -> None:
    with pytest.raises(UnsupportedError, match="would be changed by it"):
        resolver.resolve(f"prod+{path}")
    assert [request.path for request in server.requests if request.method != "GET"] == []


def test_what_the_engine_lacks_is_said(resolver: Resolver) -> None:
    with pytest.raises(UnsupportedError, match=r"unsupported operation"):
        resolver.resolve("prod+kubernetes://creds/deploy#service_account_token")
    with pytest.raises(UnavailableError, match="'kubernetes_namespace' is required"):
        resolver.resolve("prod+kubernetes://creds/deploy#service_account_token?ttl=5m")


def test_twenty_hosts_use_one_key_and_none_is_left(server: CloudVault, tmp_path: Path) -> None:
    key = "{{ lookup('unified.deploy.secret', 'prod+aws://creds/deploy#access_key') }}"
    play = {
        "hosts": "all", "gather_facts": False, "connection": "local", "vars": {"secret_stores": stores(server)},
        "tasks": [{"name": "Use", "ansible.builtin.debug": {"msg": f"key={key}"}}] * 2,
    }  # fmt: skip
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    hosts = "".join(f"h{number}," for number in range(20))
    argv = [Path(sys.executable).parent / "ansible-playbook", "play.yml", "-i", hosts, "-f", "8"]
    env = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(INSTALLED), "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env, timeout=120, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("key=AKIAFAKE1") == 40
    assert programs.until(lambda: dict(server.leases), lambda leases: leases == {}, 20) == {}
