"""Dynamic secrets by reference, in real playbook runs: one lease a run, renewed while it lasts, none left after it.

Live, the engine is a real server's with PostgreSQL behind it; the fake makes up its users.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import typing as t
import urllib.error
from pathlib import Path

import pytest
import yaml
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.errors import UnsupportedError
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.resolver import Resolver

from tests.fakes.kubernetes import kubernetes
from tests.secrets import programs
from tests.unit.conftest import INSTALLED

from .server import Server, ask
from .test_database import psql, started
from .test_modules import Vault

pytestmark = pytest.mark.not_recorded("the users of a database are made anew at each run")
CREATE = "CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"


class Engine:
    """A database engine with the role `app`, and plays that use it."""

    def __init__(self, server: Server, directory: Path, address: str, ttl: str, most: str) -> None:
        self.vault, self.server, self.directory = Vault(server), server, directory
        self.port = address.rpartition(":")[2]
        self.mount = self.vault.name("database")
        self.vault.run("mount", path=self.mount, type="database")
        self.vault.run(
            "database_connection", name="main", plugin_name="postgresql-database-plugin", username="admin",
            database_password="admin-password", allowed_roles=["app"],
            connection_url=f"postgresql://{{{{username}}}}:{{{{password}}}}@{address}/postgres",
        )  # fmt: skip
        config = {"db_name": "main", "creation_statements": [CREATE], "default_ttl": ttl, "max_ttl": most}
        self.vault.run("database_role", name="app", config=config)
        self.stores: dict[str, t.Any] = {"prod": {"type": "vault", **self.vault.options}}

    def approle(self) -> None:
        """Log in with a role that may ask for a user, and not revoke a lease."""
        mount, policy = self.vault.name("approle"), self.vault.name("user")
        rights = f'path "{self.mount}/creds/app" {{ capabilities = ["read"] }}'
        self.vault.run("policy", name=policy, policy=rights)
        self.vault.run("auth", type="approle", path=mount)
        role = self.vault.run("approle", name="app", config={"token_policies": [policy], "token_ttl": "10m"})
        secret = self.vault.run("write", path=f"auth/{mount}/role/app/secret-id", compare="never")["data"]["secret_id"]
        login = {"auth_method": "approle", "auth_mount": mount, "role_id": role["role_id"], "secret_id": secret}
        self.stores["prod"].pop("token")
        self.stores["prod"].update(login)

    def leases(self) -> list[str]:
        """Those that the server has, asked by its root token."""
        path = f"sys/leases/lookup/{self.mount}/creds/app"
        try:
            return list(
                ask(self.server.url, self.server.ca, path, token=self.server.token, method="LIST")["data"]["keys"]
            )
        except OSError:  # a 404 is for none
            return []

    def lasts(self, lease: str) -> int:
        """Seconds, as the server says."""
        body, token = {"lease_id": lease}, self.server.token
        answer = ask(self.server.url, self.server.ca, "sys/leases/lookup", body, token=token, method="POST")
        return int(answer["data"]["ttl"])

    def start(self, *tasks: dict[str, t.Any], hosts: int = 1) -> subprocess.Popen[str]:
        play = {
            "hosts": "all", "gather_facts": False, "connection": "local", "tasks": list(tasks),
            "vars": {"secret_stores": self.stores, "ansible_python_interpreter": sys.executable},
        }  # fmt: skip
        book = self.directory / "play.yml"
        book.write_text(yaml.safe_dump([play]))
        environment = {
            **os.environ, "ANSIBLE_COLLECTIONS_PATH": str(INSTALLED), "ANSIBLE_NOCOLOR": "1", "XDG_STATE_HOME": str(self.directory),
        }  # fmt: skip
        argv = [
            Path(sys.executable).parent / "ansible-playbook",
            book,
            "-i",
            "".join(f"h{n}," for n in range(hosts)),
            "-f",
            "8",
        ]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)

    def play(self, *tasks: dict[str, t.Any], hosts: int = 1) -> str:
        process = self.start(*tasks, hosts=hosts)
        output, _none = process.communicate(timeout=240)
        assert process.returncode == 0, output
        return output

    def show(self, name: str = "Use") -> dict[str, t.Any]:
        reference = f"prod+{self.mount}://creds/app"
        user = f"{{{{ lookup('unified.deploy.secret', '{reference}#username') }}}}"
        length = f"{{{{ lookup('unified.deploy.secret', '{reference}#password') | length }}}}"
        return {"name": name, "ansible.builtin.debug": {"msg": f"user={user} of {length}"}}

    def hold(self, seconds: float) -> dict[str, t.Any]:
        return {"name": "Hold", "ansible.builtin.command": f"sleep {seconds}", "changed_when": False}

    def records(self) -> list[dict[str, t.Any]]:
        return [json.loads(path.read_text()) for path in (self.directory / "unified/leases").glob("*.json")]

    def gone(self) -> None:
        assert programs.until(self.leases, lambda leases: leases == [], 20) == []
        assert programs.until(self.records, lambda records: records == [], 20) == []


def leases(server: Server, prefix: str) -> list[str]:
    """Those that the server has, asked by its root token."""
    path = f"sys/leases/lookup/{prefix}"
    try:
        return list(ask(server.url, server.ca, path, token=server.token, method="LIST")["data"]["keys"])
    except urllib.error.HTTPError as exc:
        if exc.code == 404:
            return []
        raise


def users(output: str) -> set[str]:
    return set(re.findall(r"user=(\S+) of", output))


@pytest.fixture
def make(server: Server, tmp_path: Path) -> t.Iterator[t.Callable[..., Engine]]:
    with contextlib.ExitStack() as stack:

        def made(ttl: str = "1h", most: str = "24h") -> Engine:
            address = "127.0.0.1:5432"
            if server.kind == "live":
                directory = Path(stack.enter_context(programs.short_directory()))
                directory.chmod(0o755)
                address = stack.enter_context(contextlib.contextmanager(started)(directory))
            return Engine(server, tmp_path, address, ttl, most)

        yield made


@pytest.mark.parametrize("login", ["token", "approle"])
def test_twenty_hosts_share_one_lease_and_none_is_left(make: t.Callable[..., Engine], login: str) -> None:
    """It lasts ten minutes at most, whatever the role says, so that what nobody gives back ends soon."""
    engine = make()
    if login == "approle":
        engine.approle()
    process = engine.start(engine.show(), engine.show("Again"), engine.hold(3), hosts=20)
    leases = programs.until(engine.leases, bool, 120)
    written = programs.until(engine.records, lambda records: bool(records and records[0]["leases"]), 20)
    lease = written[0]["leases"][0]
    lasts = programs.until(lambda: engine.lasts(lease), lambda seconds: seconds <= 600, 20)
    assert lasts > 500
    output, _none = process.communicate(timeout=240)
    assert process.returncode == 0, output
    assert len(leases) == 1
    assert output.count("user=") == 40
    assert len(users(output)) == 1
    engine.gone()


def test_lease_is_renewed_while_the_run_lasts(make: t.Callable[..., Engine]) -> None:
    engine = make("4s", "1h")
    process = engine.start(engine.show(), engine.hold(9), engine.show("Later"))
    leases = programs.until(engine.leases, bool, 120)
    time.sleep(7)
    assert engine.leases() == leases, "it has been renewed"
    output, _none = process.communicate(timeout=240)
    assert len(users(output)) == 1, output
    engine.gone()


def test_lease_at_its_longest_is_replaced(make: t.Callable[..., Engine]) -> None:
    engine = make("2s", "4s")
    if engine.server.kind == "fake":
        pytest.skip("the fake knows no longest time of a lease")
    output = engine.play(engine.show(), engine.hold(6), engine.show("Later"))
    assert len(users(output)) == 2
    engine.gone()


def test_run_that_is_killed_leaves_nothing(make: t.Callable[..., Engine]) -> None:
    engine = make()
    process = engine.start(engine.show(), engine.hold(60))
    assert len(programs.until(engine.leases, bool, 120)) == 1
    process.send_signal(signal.SIGKILL)
    process.wait(20)
    engine.gone()


def test_what_is_left_when_all_is_killed_goes_with_the_next_run(make: t.Callable[..., Engine]) -> None:
    engine = make()
    process = engine.start(engine.show(), engine.hold(60))
    written = programs.until(engine.records, lambda records: bool(records and records[0]["leases"]), 120)
    assert oct(next((engine.directory / "unified/leases").iterdir()).stat().st_mode)[-3:] == "600"
    os.kill(written[0]["pid"], signal.SIGKILL)
    process.send_signal(signal.SIGKILL)
    process.wait(20)
    left = engine.leases()
    assert len(left) == 1
    assert engine.leases() == left
    engine.play(engine.show())
    engine.gone()


def test_password_works_for_the_run_and_not_after_it(make: t.Callable[..., Engine]) -> None:
    engine = make()
    if engine.server.kind == "fake":
        pytest.skip("behind the fake is no database")
    reference = f"prod+{engine.mount}://creds/app"
    secrets = {"PGUSER": f"{reference}#username", "PGPASSWORD": f"{reference}#password"}
    argv = [
        "psql",
        "-h",
        "127.0.0.1",
        "-p",
        engine.port,
        "-d",
        "postgres",
        "-tAc",
        "select 'it ' || 'works'",
    ]
    task = {"name": "Ask", "unified.deploy.secret_exec": {"argv": argv, "environment": secrets}, "register": "asked"}
    output = engine.play(task, {"name": "Say", "ansible.builtin.debug": {"var": "asked.stdout"}})
    assert "it works" in output
    engine.gone()
    left = psql(engine.port, "admin", "admin-password", "select count(*) from pg_roles where rolname like 'v-%'")
    assert left == "0"


def test_delivery_writing_and_other_stores_are_refused(make: t.Callable[..., Engine]) -> None:
    engine = make()
    reference = f"prod+{engine.mount}://creds/app"
    tasks: list[dict[str, t.Any]] = [
        {"name": "Deliver", "unified.deploy.secret_set": {"name": "x", "files": [{"path": "/nowhere/x", "reference": f"{reference}#password"}]}},
        {"name": "Write", "unified.deploy.secret_value": {"reference": reference, "fields": {"a": "b"}}},
        {"name": "Describe", "unified.deploy.secret_info": {"references": [reference]}},
        {"name": "Other", "ansible.builtin.debug": {"msg": "{{ lookup('unified.deploy.secret', 'env+db://HOME') }}"}},
        {"name": "Doctor", "unified.deploy.secret_check": {"references": [reference]}},
    ]  # fmt: skip
    process = engine.start(*({**task, "ignore_errors": True} for task in tasks))
    output, _none = process.communicate(timeout=240)
    said = output.replace("\n", " ")
    assert "would be dead on the host" in said
    assert said.count("what an engine makes can only be read") >= 2
    assert "stores of type env cannot dynamic" in said
    assert re.search(rf"reference +{re.escape(reference)} +.*resolves", said)
    assert engine.leases() == [], "the doctor asked what it may, and for nothing"


def test_certificate_of_a_run_by_who_may_issue_it_and_nothing_else(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked as the process asks that lasts as long as a run: that a write to an engine makes something is seen without more rights."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    vault = Vault(server)
    mount, policy, kept = vault.name("pki"), vault.name("issuer"), vault.name("kv1")
    vault.run("mount", path=mount, type="pki")
    vault.run("mount", path=kept, type="kv", options={"version": "1"})
    vault.run("pki_root", common_name="Test CA")
    vault.run("pki_role", name="web", config={"allow_any_name": True, "generate_lease": True, "max_ttl": "2h"})
    rights = f'path "{mount}/issue/web" {{ capabilities = ["update"] }}\npath "{kept}/*" {{ capabilities = ["update", "create"] }}'
    vault.run("policy", name=policy, policy=rights)
    made = vault.client().write("auth/token/create", policies=[policy])["auth"]["client_token"]
    resolver = Resolver({"prod": {"type": "vault", **vault.options, "token": made}})
    with pytest.raises(UnsupportedError, match="does not last as long"):
        resolver.resolve(f"prod+{mount}://issue/web#certificate?common_name=www.example.org")
    resolver = Resolver({"prod": {"type": "vault", **vault.options, "token": made}})
    resolver.lasting = True
    reference = f"prod+{mount}://issue/web#{{}}?common_name=www.example.org&ttl=1h"
    assert resolver.resolve(reference.format("certificate")).startswith("-----BEGIN CERTIFICATE-----")
    assert "PRIVATE KEY" in resolver.resolve(reference.format("private_key"))
    assert len(leases(server, f"{mount}/issue/web")) == 1
    with pytest.raises(UnsupportedError, match="would be changed by it"):
        resolver.resolve(f"prod+{kept}://web/app?x=1")
    made = json.loads(next((tmp_path / "unified/leases").glob("*.json")).read_text())["leases"]
    resolver.close()
    assert len(leases(server, f"{mount}/issue/web")) == 1, "this token may revoke nothing"
    assert [json.loads(path.read_text())["leases"] for path in (tmp_path / "unified/leases").glob("*.json")] == [made]


def test_token_of_a_cluster_is_made_once_and_ends_with_the_run(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one engine of a cloud that OpenBao comes with; behind it is a fake Kubernetes. Tokens cannot be renewed, nor revoked there."""
    if server.kind == "fake":
        pytest.skip("tests/unit/test_secret_cloud_engines.py asks the fake")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    vault = Vault(server)
    mount = vault.name("kubernetes")
    vault.run("mount", path=mount, type="kubernetes")
    with kubernetes() as (address, asked):
        config = {"kubernetes_host": address, "disable_local_ca_jwt": True, "service_account_jwt": "canary"}
        vault.run("write", path=f"{mount}/config", data=config)
        role = {"allowed_kubernetes_namespaces": ["web", "db"], "service_account_name": "default"}
        vault.run("write", path=f"{mount}/roles/app", data=role)
        resolver = Resolver({"prod": {"type": "vault", **vault.options}})
        resolver.lasting = True
        reference = f"prod+{mount}://creds/app#{{}}?kubernetes_namespace=web&ttl=15m"
        tokens = {resolver.resolve(reference.format("service_account_token")) for _task in range(3)}
        assert (len(tokens), resolver.resolve(reference.format("service_account_namespace"))) == (1, "web")
        assert asked == ["/api/v1/namespaces/web/serviceaccounts/default/token"]
        assert len(leases(server, f"{mount}/creds/app")) == 1
        for wrong, said in (("", "unsupported operation"), ("?kubernetes_namespace=other", "other")):
            with pytest.raises(UnsupportedError, match=said):
                resolver.resolve(f"prod+{mount}://creds/app#service_account_token{wrong}")
        resolver.close()
        assert leases(server, f"{mount}/creds/app") == []


def test_login_at_its_longest_is_replaced_with_what_it_had_asked_for(make: t.Callable[..., Engine]) -> None:
    """Its leases end with it, long before their own end."""
    engine = make()
    if engine.server.kind == "fake":
        pytest.skip("the fake knows no longest time of a token")
    engine.approle()
    mount = engine.stores["prod"]["auth_mount"]
    engine.vault.run("approle", name="app", config={"token_ttl": "8s", "token_max_ttl": "14s"}, mount=mount)
    output = engine.play(engine.show(), engine.hold(3), engine.show("Again"), engine.hold(16), engine.show("Later"))
    assert len(users(output)) in (2, 3), output
    engine.gone()
