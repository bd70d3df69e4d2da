"""The database engine against a real PostgreSQL, which needs a real Vault: `make test-vault`."""

from __future__ import annotations

import glob
import os
import shutil
import socket
import subprocess
import tempfile
import time
import typing as t
from pathlib import Path

import pytest

from .server import Server
from .test_modules import Vault


@pytest.fixture
def postgres() -> t.Iterator[str]:
    """A PostgreSQL server of its own on loopback; yields host and port."""
    # Not below pytest's directory, which is closed to the server's account.
    with tempfile.TemporaryDirectory() as directory:
        yield from started(Path(directory))


def started(tmp_path: Path) -> t.Iterator[str]:
    directories = [
        *glob.glob("/usr/lib/postgresql/*/bin"),
        *(os.path.dirname(path) for path in [shutil.which("initdb") or ""] if path),
    ]
    if not directories:
        pytest.fail("PostgreSQL is not installed: apt-get install postgresql")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    directory = tmp_path / "pg"
    as_user: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        subprocess.run(["chown", "-R", "postgres", tmp_path], check=True)
        as_user = ["runuser", "-u", "postgres", "--"]
    password = tmp_path / "password"
    password.write_text("admin-password\n")
    password.chmod(0o644)
    init = [
        f"{directories[-1]}/initdb",
        "-D",
        str(directory),
        "-U",
        "admin",
        "-A",
        "scram-sha-256",
        f"--pwfile={password}",
    ]
    subprocess.run([*as_user, *init], check=True, capture_output=True)
    argv = [
        f"{directories[-1]}/postgres",
        "-D",
        str(directory),
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
        "-k",
        str(tmp_path),
    ]
    server = subprocess.Popen([*as_user, *argv], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while psql(port, "admin", "admin-password", "select 1") != "1" and time.monotonic() < deadline:
            time.sleep(0.2)
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)


def psql(port: int | str, user: str, password: str, query: str) -> str:
    argv = ["psql", "-h", "127.0.0.1", "-p", str(port), "-U", user, "-d", "postgres", "-tAc", query]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, "PGPASSWORD": password})
    return done.stdout.strip()


@pytest.mark.live_only("a database engine needs a server, and PostgreSQL")
def test_database_issues_users_and_leases_end(server: Server, postgres: str) -> None:
    vault, port = Vault(server), postgres.rpartition(":")[2]
    mount = vault.name("database")
    vault.run("mount", path=mount, type="database")
    connection: dict[str, t.Any] = {
        "name": "main", "plugin_name": "postgresql-database-plugin", "username": "admin", "database_password": "admin-password",
        "allowed_roles": ["app"], "connection_url": f"postgresql://{{{{username}}}}:{{{{password}}}}@{postgres}/postgres",
    }  # fmt: skip
    wrong = vault.fails("database_connection", **{**connection, "name": "other", "database_password": "wrong-password"})
    assert "error verifying connection" in wrong
    assert "wrong-password" not in wrong
    vault.steps("database_connection", **connection, rotate=True)
    assert psql(port, "admin", "admin-password", "select 1") == "", "nobody but the server has its password now"
    create = "CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"
    config = {"db_name": "main", "creation_statements": [create], "default_ttl": "10m", "max_ttl": "1h"}
    vault.steps("database_role", name="app", config=config)
    made = vault.run("read", path=f"{mount}/creds/app", dynamic=True)
    user = made["data"]
    assert psql(port, user["username"], user["password"], "select current_user") == user["username"]
    assert vault.run("lease", lease_id=made["lease_id"], renew_before="30m")["changed"] is True
    assert vault.run("lease", lease_id=made["lease_id"], renew_before="1m")["changed"] is False
    vault.run("lease", lease_id=made["lease_id"], state="absent")
    assert psql(port, user["username"], user["password"], "select 1") == ""
