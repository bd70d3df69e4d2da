"""Every Vault module: check, apply, again, change, remove, and what goes wrong."""

from __future__ import annotations

import json
import os
import subprocess
import typing as t
from pathlib import Path

import pytest

from tests.secrets.modules import Result, five_steps, run

from .conftest import CANARY
from .server import PREFIX, Server

Run = t.Callable[..., Result]
# Each of these lies at a place of the test's own on a server.
MOUNTS = {
    "kv": "kv2", "kv_info": "kv2", "pki_role": "pki", "certificate": "pki", "ssh_sign": "ssh", "database_role": "database",
    "approle": "approle", "pki_root": "pki", "ssh_ca": "ssh", "ssh_role": "ssh", "database_connection": "database",
}  # fmt: skip


class Vault:
    """Modules with the connection's options and the mount filled in."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.options = {"url": server.url, "token": server.token, "timeout": 5}
        if server.ca:
            self.options["ca_path"] = server.ca

    def name(self, name: str) -> str:
        """A name of this run for a mount, an auth method or a policy."""
        return f"{PREFIX}{self.server.run}-{name}"

    def parameters(self, module: str, parameters: dict[str, t.Any]) -> dict[str, t.Any]:
        mount = {"mount": self.name(MOUNTS[module])} if module in MOUNTS else {}
        return {**self.options, **mount, **parameters}

    def run(self, module: str, /, check: bool = False, **parameters: t.Any) -> Result:
        result = run(f"vault_{module}", self.parameters(module, parameters), check=check)
        assert CANARY not in json.dumps({key: value for key, value in result.items() if key != "data"})
        return result

    def steps(self, module: str, /, **parameters: t.Any) -> Result:
        return five_steps(f"vault_{module}", self.parameters(module, parameters))

    def fails(self, module: str, /, **parameters: t.Any) -> str:
        result = self.run(module, **parameters)
        assert result.get("failed") is True, result
        return str(result["msg"])

    def client(self) -> t.Any:
        from ansible_collections.unified.deploy.plugins.module_utils._vault.client import VaultClient

        return VaultClient({"auth_method": "token", **self.options})


@pytest.fixture
def vault(server: Server, monkeypatch: pytest.MonkeyPatch) -> Vault:
    for name in list(os.environ):
        if name.startswith(("VAULT_", "BAO_")):
            monkeypatch.delenv(name)
    made = Vault(server)
    made.run("mount", path=made.name("kv2"), type="kv", options={"version": 2})
    made.run("mount", path=made.name("kv1"), type="kv", options={"version": 1})
    return made


def test_kv_is_written_once_and_keeps_versions(vault: Vault) -> None:
    base = {"path": "web/app"}
    vault.run("kv", **base, state="absent")
    first = vault.steps("kv", **base, data={"phrase": CANARY, "port": 5432, "nested": {"a": [1]}})
    assert first["version"] == 1
    assert vault.run("kv_info", **base)["data"] == {"phrase": CANARY, "port": 5432, "nested": {"a": [1]}}
    second = vault.run("kv", **base, data={"phrase": "other"}, merge=True)
    assert (second["version"], second["changed_names"]) == (2, ["phrase"])
    assert vault.run("kv_info", **base, version=1)["data"]["phrase"] == CANARY
    third = vault.run("kv", **base, data={"phrase": "other"})
    assert third["changed_names"] == ["nested", "port"]
    assert "changed" in third["diff"]["after"] or third["diff"]["before"]
    assert "check-and-set" not in vault.fails("kv", **base, data={"x": "1"}, cas=1)
    assert vault.fails("kv", **base, data={"x": "1"}, cas=1).startswith(
        f"{vault.name('kv2')}/web/app has version 3, not 1"
    )
    assert vault.run("kv", **base, data={"x": "1"}, cas=3)["version"] == 4


def test_kv_delete_undelete_destroy_absent(vault: Vault) -> None:
    base = {"path": "web/life"}
    vault.run("kv", **base, state="absent")
    vault.run("kv", **base, data={"a": CANARY})
    vault.steps("kv", **base, state="deleted")
    assert vault.run("kv_info", **base)["exists"] is False
    vault.steps("kv", **base, state="undeleted")
    assert vault.run("kv_info", **base)["data"] == {"a": CANARY}
    vault.run("kv", **base, state="deleted")
    assert vault.run("kv", **base, data={"a": CANARY})["version"] == 2, "a deleted secret counts on"
    vault.steps("kv", **base, versions=[1], state="destroyed")
    assert vault.run("kv", **base, versions=[1], state="undeleted")["changed"] is False, "what is destroyed is lost"
    assert "has no version 9" in vault.fails("kv", **base, versions=[9], state="undeleted")
    vault.steps("kv", **base, state="absent")


def test_kv_metadata_and_list(vault: Vault) -> None:
    base = {"path": "web/meta"}
    vault.run("kv", **base, state="absent")
    vault.steps("kv", **base, data={"a": CANARY}, metadata={"max_versions": 3, "custom_metadata": {"owner": "web"}})
    metadata = vault.run("kv_info", **base, read="metadata")["metadata"]
    assert (metadata["max_versions"], metadata["custom_metadata"]) == (3, {"owner": "web"})
    assert "meta" in vault.run("kv_info", path="web", read="list")["names"]
    assert vault.run("kv_info", path="nothing", read="list")["names"] == []


def test_kv_version_1(vault: Vault) -> None:
    base = {"path": "web/old", "mount": vault.name("kv1")}
    vault.run("kv", **base, state="absent")
    vault.steps("kv", **base, data={"a": CANARY})
    assert vault.run("kv_info", **base)["data"] == {"a": CANARY}
    assert "keeps no versions" in vault.fails("kv", **base, data={"a": "1"}, cas=1)
    vault.steps("kv", **base, state="absent")


def test_policy(vault: Vault) -> None:
    text = 'path "secret/data/web/*" { capabilities = ["read"] }\n'
    name = vault.name("web")
    vault.run("policy", name=name, state="absent")
    vault.steps("policy", name=name, policy=text)
    vault.steps("policy", name=name, policy=text + "# more\n")
    vault.steps("policy", name=name, state="absent")


def test_mount_is_tuned_and_never_changes_its_type(vault: Vault) -> None:
    base = {"path": vault.name("team")}
    vault.run("mount", **base, state="absent")
    vault.steps("mount", **base, type="kv", options={"version": 2}, description="Team")
    vault.steps("mount", **base, type="kv", options={"version": 2}, config={"max_lease_ttl": "2h"})
    assert vault.run("mount", **base, type="kv", config={"max_lease_ttl": 7200})["changed"] is False
    assert "has type kv, not pki" in vault.fails("mount", **base, type="pki")
    vault.steps("mount", **base, state="absent")


@pytest.mark.parametrize(
    ("kind", "roles"),
    [
        ("approle", {"app": {"token_ttl": "10m", "token_policies": ["web", "base"]}}),
        ("userpass", {"ann": {"password": CANARY, "token_policies": ["web"]}}),
    ],
)
def test_auth_method_with_roles(vault: Vault, kind: str, roles: dict[str, t.Any]) -> None:
    path = vault.name(kind)
    vault.run("auth", type=kind, path=path, state="absent")
    vault.steps("auth", type=kind, path=path, roles=roles)
    changed = {name: {**settings, "token_policies": ["other"]} for name, settings in roles.items()}
    result = vault.steps("auth", type=kind, path=path, roles=changed)
    assert result["changed_names"] == [f"{next(iter(roles))}.token_policies"]
    vault.steps("auth", type=kind, path=path, state="absent")


def test_password_that_changed_is_found_by_a_login(vault: Vault) -> None:
    base: dict[str, t.Any] = {"type": "userpass", "path": vault.name("userpass")}
    first = {"ann": {"password": CANARY, "token_policies": ["web"]}}
    vault.steps("auth", **base, roles=first)
    other = {"ann": {"password": f"{CANARY}-2", "token_policies": ["web"]}}
    changed = vault.steps("auth", **base, roles=other)
    assert changed["changed_names"] == ["ann.password"]
    assert changed["unchecked_names"] == []
    login = {
        "auth_method": "userpass",
        "auth_mount": vault.name("userpass"),
        "username": "ann",
        "token": None,
        "kv_version": 2,
    }
    assert "permission denied" in vault.fails("kv_info", path="x", **login, password=f"{CANARY}-2")
    assert "was refused" in vault.fails("kv_info", path="x", **login, password=CANARY)
    assert vault.run("auth", **base, roles=other, update_secrets="always")["changed"] is True


def test_secret_that_cannot_be_compared_is_said_to_be_unchecked(vault: Vault) -> None:
    base: dict[str, t.Any] = {"type": "ldap", "path": vault.name("ldap")}
    config = {"url": "ldaps://ldap.example.org", "userdn": "ou=people", "binddn": "cn=vault", "bindpass": CANARY}
    vault.steps("auth", **base, config=config, roles={"ops": {"policies": ["web"]}})
    again = vault.run("auth", **base, config={**config, "bindpass": f"{CANARY}-2"})
    assert (again["changed"], again["unchecked_names"]) == (False, ["bindpass"])
    assert "bindpass" in str(again["warnings"])
    always = vault.run("auth", **base, config=config, update_secrets="always")
    assert (always["changed"], always["unchecked_names"]) == (True, [])


def test_settings_that_the_server_writes_otherwise_are_no_change(vault: Vault) -> None:
    vault.run("auth", type="approle", path=vault.name("approle"))
    vault.steps(
        "approle", name="r", config={"token_bound_cidrs": ["127.0.0.1/32", "10.0.0.0/8"], "secret_id_bound_cidrs": []}
    )
    base: dict[str, t.Any] = {"path": vault.name("kv2"), "type": "kv"}
    assert vault.run("mount", **base, config={"audit_non_hmac_request_keys": []})["changed"] is False
    vault.steps("mount", **base, config={"audit_non_hmac_request_keys": ["a"], "default_lease_ttl": "1h"})


def test_kv_tells_a_number_from_a_truth(vault: Vault) -> None:
    vault.run("kv", path="web/types", data={"a": 1, "b": [0], "c": 1.5})
    assert vault.run("kv", path="web/types", data={"a": 1, "b": [0], "c": 1.5})["changed"] is False
    assert vault.run("kv", path="web/types", data={"a": True, "b": [False], "c": 1.5})["changed_names"] == ["a", "b"]


@pytest.mark.parametrize(
    "path",
    ["odd/pass#word", "odd/a?b=c", "odd/100%", "odd/a b", "odd/%2e%2e", "odd/\u00fc+"],
    ids=["hash", "question", "percent", "blank", "escaped", "umlaut"],
)
def test_path_is_what_is_written(vault: Vault, path: str) -> None:
    vault.run("kv", path="odd/pass", data={"v": CANARY})
    vault.steps("kv", path=path, data={"v": "right"})
    assert vault.run("kv_info", path=path)["data"] == {"v": "right"}
    assert vault.run("kv_info", path="odd/pass")["data"] == {"v": CANARY}
    assert path.removeprefix("odd/") in vault.run("kv_info", path="odd", read="list")["names"]


def test_what_the_server_says_of_bad_values_is_shown(vault: Vault) -> None:
    said = vault.fails("policy", name=vault.name("bad"), policy='path "x" { capabilities = ["reed"] }')
    assert 'refused as invalid (400): failed to parse policy: path "x": invalid capability "reed"' in said
    vault.run("auth", type="kubernetes", path=vault.name("kubernetes"))
    config = {"kubernetes_host": "https://x", "disable_local_ca_jwt": True}
    said = vault.fails("auth", type="kubernetes", path=vault.name("kubernetes"), config=config)
    assert "kubernetes_ca_cert must be given when disable_local_ca_jwt is true" in said
    assert "there is no mount" in vault.fails("kv", path="x", mount=vault.name("nothing"), data={"a": "1"})
    missing = vault.fails("pki_role", name="r", mount=vault.name("nothing"), config={})
    assert "no handler for route" in missing


def test_long_paths_are_refused_or_kept(vault: Vault) -> None:
    said = vault.run("kv", path="x" * 10240, data={"v": "1"})
    assert said.get("changed") or len(said["msg"]) < 1000


def test_approle_keeps_valid_credentials_and_logs_in(vault: Vault, tmp_path: Path) -> None:
    vault.run("auth", type="approle", path=vault.name("approle"))
    role, secret = tmp_path / "role-id", tmp_path / "secret-id"
    approle = {
        "name": "deploy", "config": {"token_policies": ["default"], "token_ttl": "5m"},
        "role_id_path": str(role), "secret_id_path": str(secret),
    }  # fmt: skip
    vault.run("approle", name="deploy", state="absent")
    result = vault.steps("approle", **approle)
    assert role.read_text().strip() == result["role_id"]
    assert oct(secret.stat().st_mode & 0o777) == "0o600"
    secret.write_text("no-longer-valid\n")
    assert vault.run("approle", **approle)["changed"] is True
    login = {
        "auth_method": "approle", "role_id": role.read_text().strip(), "secret_id": secret.read_text().strip(), "token": None,
        "auth_mount": vault.name("approle"),
    }  # fmt: skip
    assert vault.run("kv_info", path="sys", read="list", kv_version=2, **login).get("kind") in (None, "forbidden")
    refused = vault.fails("kv_info", path="x", **{**login, "secret_id": "wrong"})
    assert f"login at auth/{vault.name('approle')} was refused" in refused
    vault.steps("approle", name="deploy", state="absent")


@pytest.mark.not_recorded("keys and certificates are made anew at each run")
def test_pki_role_and_certificate(vault: Vault, tmp_path: Path) -> None:
    mount = vault.name("pki")
    vault.run("mount", path=mount, type="pki", config={"max_lease_ttl": "87600h"})
    root = vault.steps(
        "pki_root", common_name="Test CA", config={"key_type": "ec"}, cert_path=str(tmp_path / "root.pem")
    )
    assert (tmp_path / "root.pem").read_text().strip() == root["certificate"]
    config = {
        "allowed_domains": ["example.org"],
        "allow_subdomains": True,
        "allow_ip_sans": True,
        "max_ttl": "90d",
        "key_type": "ec",
    }
    vault.run("pki_role", name="web", state="absent")
    vault.steps("pki_role", name="web", config=config)
    cert, key, issuer = tmp_path / "web.pem", tmp_path / "web.key", tmp_path / "ca.pem"
    certificate = {
        "name": "web", "common_name": "www.example.org", "ttl": "30d", "renew_before": "7d",
        "cert_path": str(cert), "key_path": str(key), "issuer_path": str(issuer),
    }  # fmt: skip
    assert vault.steps("certificate", **certificate)["reason"] == "there is none"
    assert oct(key.stat().st_mode & 0o777) == "0o600"
    shown = subprocess.run(["openssl", "x509", "-noout", "-checkend", "2400000", "-in", cert], check=False)
    assert shown.returncode == 0
    renewed = vault.run("certificate", **{**certificate, "ttl": "60d", "renew_before": "40d"})
    assert renewed["reason"].startswith("it ends in ")
    names = {**certificate, "alt_names": ["api.example.org"], "ip_sans": ["127.0.0.1"]}
    assert vault.steps("certificate", **names)["reason"] == "its names are others: +127.0.0.1, +api.example.org"
    key.write_text(
        subprocess.run(
            ["openssl", "genpkey", "-algorithm", "ed25519"], capture_output=True, text=True, check=True
        ).stdout
    )
    assert vault.run("certificate", **names)["reason"] == "the key is another"
    assert "is not less than the ttl" in vault.fails("certificate", **{**certificate, "renew_before": "30d"})
    assert "'soon' is no duration" in vault.fails("certificate", **{**certificate, "ttl": "soon"})
    kept = cert.read_text()
    assert vault.fails("certificate", **{**names, "name": "nobody", "common_name": "new.example.org"})
    assert cert.read_text() == kept
    vault.steps("pki_role", name="web", state="absent")


@pytest.mark.not_recorded("keys and certificates are made anew at each run")
def test_ssh_sign(vault: Vault, tmp_path: Path) -> None:
    mount = vault.name("ssh")
    vault.run("mount", path=mount, type="ssh")
    authority = vault.steps("ssh_ca", public_key_path=str(tmp_path / "ca.pub"))
    assert (tmp_path / "ca.pub").read_text().strip() == authority["public_key"]
    role = {"key_type": "ca", "allow_user_certificates": True, "allowed_users": "*", "max_ttl": "24h"}
    vault.steps("ssh_role", name="users", config=role)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "id"], check=True)
    certificate = {
        "name": "users", "public_key_path": str(tmp_path / "id.pub"), "cert_path": str(tmp_path / "id-cert.pub"),
        "principals": ["ann", "bob"], "ttl": "8h",
    }  # fmt: skip
    vault.steps("ssh_sign", **certificate)
    shown = subprocess.run(
        ["ssh-keygen", "-L", "-f", certificate["cert_path"]], capture_output=True, text=True, check=True
    ).stdout
    assert "ann" in shown
    assert vault.steps("ssh_sign", **{**certificate, "principals": ["ann"]})["reason"] == "its principals are others"
    assert vault.run("ssh_sign", **{**certificate, "principals": ["ann"], "ttl": "12h", "renew_before": "11h"})[
        "reason"
    ].startswith("it ends in")


URL = "postgresql://{{username}}:{{password}}@127.0.0.1:1/postgres"


def test_database_connection_and_role(vault: Vault) -> None:
    """Without a database: with one, see test_database.py."""
    vault.run("mount", path=vault.name("database"), type="database")
    base: dict[str, t.Any] = {"name": "main"}
    connection = {
        **base, "plugin_name": "postgresql-database-plugin", "connection_url": URL, "username": "admin",
        "database_password": CANARY, "allowed_roles": ["app"], "verify": False,
    }  # fmt: skip
    assert vault.steps("database_connection", **connection)["changed_names"][-1] == "username"
    assert vault.steps("database_connection", **{**connection, "allowed_roles": ["app", "web"]})["changed_names"] == [
        "allowed_roles"
    ]
    always = vault.run(
        "database_connection", **{**connection, "allowed_roles": ["app", "web"], "update_password": "always"}
    )
    assert always["changed_names"] == ["database_password"]
    assert "contradict" in vault.fails("database_connection", **connection, rotate=True, update_password="always")
    config = {"db_name": "main", "creation_statements": ["CREATE ROLE x"], "default_ttl": "1h", "max_ttl": "24h"}
    vault.steps("database_role", name="app", config=config)
    vault.steps("database_role", name="app", config={**config, "default_ttl": "2h"})
    vault.steps("database_role", name="app", state="absent")
    vault.steps("database_connection", **base, state="absent")


def test_any_path_is_read_and_written(vault: Vault) -> None:
    mount = vault.name("pki")
    vault.run("mount", path=mount, type="pki")
    role = f"{mount}/roles/web"
    assert vault.run("read", path=role) | {"exists": False, "data": {}} == vault.run("read", path=role)
    request = {
        "path": role,
        "data": {"allowed_domains": "example.org", "max_ttl": "24h", "key_type": "ec", "key_bits": 256},
    }
    first = vault.steps("write", **request)
    assert first["changed_names"] == ["allowed_domains", "key_bits", "key_type", "max_ttl"]
    assert vault.run("read", path=f"/{role}/")["data"]["max_ttl"] == 86400
    assert vault.steps("write", path=role, data={"max_ttl": "2d"})["changed_names"] == ["max_ttl"]
    assert vault.run("read", path=f"{mount}/roles", list=True)["names"] == ["web"]
    assert vault.run("write", path=role, data={"max_ttl": "1h"}, compare="existence")["changed"] is False
    secret = {
        "path": f"{mount}/roles/other",
        "data": {"allowed_domains": [CANARY], "max_ttl": "1h"},
        "write_only": ["allowed_domains"],
    }
    assert vault.steps("write", **secret)["changed"] is True
    assert vault.run("write", **secret)["unchecked_names"] == ["allowed_domains"]
    vault.steps("write", path=role, state="absent")
    assert "'..' as a part" in vault.fails("read", path=f"{mount}/../../sys/mounts")


@pytest.mark.parametrize(
    ("kind", "config", "change"),
    [
        ("pki", {"allowed_domains": ["example.org"], "key_type": "ec", "max_ttl": "24h"}, {"max_ttl": "2d"}),
        ("ssh", {"key_type": "ca", "allow_user_certificates": True, "allowed_users": "ann", "max_ttl": "1h"}, {"max_ttl": "2h"}),
        ("database", {"db_name": "main", "creation_statements": ["CREATE ROLE x"], "max_ttl": "24h"}, {"max_ttl": "2d"}),
    ],
)  # fmt: skip
def test_settings_of_a_role_that_are_not_named_stay(
    vault: Vault, kind: str, config: dict[str, t.Any], change: dict[str, t.Any]
) -> None:
    vault.run("mount", path=vault.name(kind), type=kind)
    vault.steps(f"{kind}_role", name="web", config=config)
    assert vault.steps(f"{kind}_role", name="web", config=change)["changed_names"] == ["max_ttl"]
    assert vault.run(f"{kind}_role", name="web", config={**config, **change})["changed"] is False
    if kind == "pki":
        typo = vault.run("pki_role", name="web", config={"max_tll": "1h"})
        assert "unrecognized parameters: [" in str(typo["warnings"])
        vault.steps("pki_role", name="web", config={"key_type": "ed25519"})


def test_what_does_something_is_written_at_each_run(vault: Vault) -> None:
    path = "sys/tools/hash"
    encryption = {"path": path, "data": {"input": "YQ=="}, "compare": "never"}
    assert vault.run("write", **encryption, check=True)["changed"] is True
    assert vault.run("write", **encryption)["data"]["sum"]
    assert "What cannot be read cannot be compared" in vault.fails("write", path=path, data={"input": "YQ=="})


def test_leases_have_ids_and_are_revoked(vault: Vault) -> None:
    mount = vault.name("pki")
    vault.run("mount", path=mount, type="pki")
    root = vault.run("pki_root", common_name="Test CA")
    assert "is longer than permitted maxTTL" in str(root["warnings"])
    vault.run("pki_role", name="web", config={"allow_any_name": True, "generate_lease": True, "max_ttl": "2h"})
    connection: dict[str, t.Any] = {
        "path": f"{mount}/issue/web",
        "data": {"common_name": "www.example.org", "ttl": "1h"},
        "compare": "never",
    }
    made = vault.run("write", **connection)
    assert made["lease_id"]
    assert 3590 < made["lease_duration"] <= 3600
    assert made["renewable"] is False
    assert vault.run("lease", lease_id=made["lease_id"], renew_before="1s")["changed"] is False
    assert "is not renewable" in vault.fails("lease", lease_id=made["lease_id"], renew_before="3h")
    vault.steps("lease", lease_id=made["lease_id"], state="absent")
    assert f"there is no lease {made['lease_id']}" in vault.fails("lease", lease_id=made["lease_id"])
    assert vault.run("lease", prefix=f"{mount}/issue", state="absent")["changed"] is True
    assert "can only be revoked" in vault.fails("lease", prefix=f"{mount}/issue")


def test_secret_id_in_a_wrapping_token_is_opened_once(vault: Vault) -> None:
    mount = vault.name("approle")
    vault.run("auth", type="approle", path=mount)
    role = vault.run("approle", name="deploy", config={"token_ttl": "5m"})
    wrapped = vault.run("write", path=f"auth/{mount}/role/deploy/secret-id", compare="never", wrap_ttl="1m")
    assert "data" not in wrapped
    login = {
        "auth_method": "approle", "auth_mount": mount, "role_id": role["role_id"], "token": None, "wrapped_secret_id": wrapped["wrap_token"],
    }  # fmt: skip
    assert vault.run("read", path="auth/token/lookup-self", **login)["exists"] is True
    assert "the wrapping token of the secret id is not valid" in vault.fails(
        "read", path="auth/token/lookup-self", **login
    )


@pytest.mark.fake_only("a real engine needs PostgreSQL, see test_database.py")
def test_lease_is_renewed(vault: Vault) -> None:
    vault.run("mount", path=vault.name("database"), type="database")
    vault.run("database_role", name="app", config={"db_name": "main", "default_ttl": "1h"})
    assert (
        vault.run("read", path=f"{vault.name('database')}/creds/app", dynamic=True, check=True).get("lease_id") is None
    )
    made = vault.run("read", path=f"{vault.name('database')}/creds/app", dynamic=True)
    assert (made["changed"], made["renewable"]) == (True, True)
    assert vault.run("lease", lease_id=made["lease_id"], renew_before="2h", increment="3h")["ttl"] == 10800


def test_errors_say_path_and_cure(vault: Vault, tmp_path: Path) -> None:
    assert "the token is invalid or has expired" in vault.fails(
        "kv_info", path="x", kv_version=2, token="s.wrong-token"
    )
    assert "no token" in vault.fails("kv_info", path="x", token=None, token_path=str(tmp_path / "none"))
    assert "needs 'role_id'" in vault.fails("kv_info", path="x", auth_method="approle", token=None)
    assert "cannot be reached" in vault.fails("kv_info", path="x", url="https://127.0.0.1:1")
    assert "has a certificate that is not trusted" in vault.fails(
        "kv_info", path="x", ca_path="/etc/ssl/certs/ca-certificates.crt"
    )


def test_token_without_a_right_is_told_which(vault: Vault) -> None:
    name = vault.name("reader")
    rules = f'path "{vault.name("kv2")}/data/web/*" {{ capabilities = ["read"] }}'
    vault.run("policy", name=name, policy=rules)
    token = vault.client().write("auth/token/create", policies=[name], ttl="10m")["auth"]["client_token"]
    said = vault.fails("kv", path="web/x", data={"a": "1"}, token=token, kv_version=2, cas=0)
    assert "it needs the capability 'create or update', and this token has: read" in said
