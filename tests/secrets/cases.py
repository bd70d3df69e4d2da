"""A case for every type of store: the real thing where it can be had here, else a fake that says what it follows."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import typing as t
import uuid
from pathlib import Path

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret

from tests.fakes import akeyless, azure, bitwarden, doppler, gcp, infisical, onepassword, vault

from . import programs

VALUE = 'canary "x": €\\n#%'
FIELDS: dict[str, t.Any] = {
    "user": "app",
    "password": "canary-7",
    "ports": [1, 2],
    "on": True,
    "deep": {"key": "canary-8"},
}
DOCUMENT = json.dumps(FIELDS)
VAULT = VaultLib([("default", VaultSecret(b"correct"))])
FAKES = Path(__file__).parents[1] / "fakes"


class Case(t.NamedTuple):
    """A store with VALUE at `plain`, DOCUMENT at `document`, nothing at `missing`; `new` can be put there."""

    declared: dict[str, t.Any]
    plain: str
    document: str
    missing: str
    new: t.Any = "canary-new"
    # What makes it fail: credentials that the store refuses, and a store that is not there or slow.
    refused: dict[str, t.Any] | None = None
    server: t.Any = None
    tested: str = "real"
    # Makes the store refuse to give several secrets at once, as an identity that may read each but not list does.
    refuse_batches: t.Callable[[], t.ContextManager[None]] | None = None


# moto keeps what it has for a whole process, by region: each case has one of its own.
REGIONS = itertools.cycle(
    f"{area}-{number}" for area in ("eu-west", "us-west", "ap-south", "us-east") for number in (1, 2)
)


@contextlib.contextmanager
def setting(place: t.Any, name: str, value: t.Any) -> t.Iterator[None]:
    before = getattr(place, name)
    setattr(place, name, value)
    try:
        yield
    finally:
        setattr(place, name, before)


Stack = contextlib.ExitStack
Builder = t.Callable[[Path, pytest.MonkeyPatch, Stack], Case]


def _case(store: dict[str, t.Any], plain: str, document: str, missing: str, **more: t.Any) -> Case:
    return Case({"team": store}, f"team://{plain}", f"team://{document}", f"team://{missing}", **more)


def env(_tmp: Path, monkeypatch: pytest.MonkeyPatch, _stack: Stack) -> Case:
    monkeypatch.setenv("PLAIN", VALUE)
    monkeypatch.setenv("DOCUMENT", DOCUMENT)
    monkeypatch.delenv("MISSING", raising=False)
    return Case({}, "env://PLAIN", "env://DOCUMENT", "env://MISSING")


def file(tmp: Path, _monkeypatch: pytest.MonkeyPatch, _stack: Stack) -> Case:
    for name, text in (("plain", VALUE), ("document", DOCUMENT)):
        path = tmp / name
        path.touch(mode=0o600)
        path.write_text(f"{text}\n")
    return _case({"type": "file", "base": str(tmp)}, "plain", "document", "missing")


def ansible_vault(tmp: Path, _monkeypatch: pytest.MonkeyPatch, _stack: Stack) -> Case:
    for name, text in (("plain", VALUE), ("document", DOCUMENT)):
        (tmp / name).write_bytes(VAULT.encrypt(text))
    return _case({"type": "ansible_vault", "base": str(tmp)}, "plain", "document", "missing")


def sops(tmp: Path, monkeypatch: pytest.MonkeyPatch, _stack: Stack) -> Case:
    programs.on_path(monkeypatch)
    key = tmp / "keys.txt"
    programs.run("age-keygen", "-o", key)
    recipient = programs.run("age-keygen", "-y", key).decode().strip()
    base = tmp / "base"
    base.mkdir()
    (base / ".sops.yaml").write_text(f"creation_rules:\n  - age: {recipient}\n")
    for name, text in (("plain.txt", VALUE), ("document.json", DOCUMENT)):
        encrypted = programs.run("sops", "encrypt", "--filename-override", base / name, stdin=text.encode(), cwd=base)
        (base / name).write_bytes(encrypted)
    store = {"type": "sops", "base": str(base), "age_key_file": str(key)}
    other = tmp / "other.txt"
    programs.run("age-keygen", "-o", other)
    refused = {**store, "age_key_file": str(other)}
    return _case(store, "plain.txt", "document.json", "missing.txt", refused=refused)


def password_store(tmp: Path, monkeypatch: pytest.MonkeyPatch, stack: Stack) -> Case:
    programs.need("pass", "gpg", "gpgconf")
    # The agent's socket has a short limit for its path.
    home = Path(stack.enter_context(programs.short_directory()))
    fingerprint = programs.gpg_key(home)
    stack.callback(programs.run, "gpgconf", "--homedir", home, "--kill", "all")
    monkeypatch.setenv("GNUPGHOME", str(home))
    store = tmp / "store"
    environment = {**os.environ, "PASSWORD_STORE_DIR": str(store)}
    programs.run("pass", "init", fingerprint, env=environment)
    for name, text in (("web/plain", VALUE), ("web/document", DOCUMENT)):
        programs.run("pass", "insert", "--multiline", name, stdin=f"{text}\n".encode(), env=environment)
    monkeypatch.delenv("GNUPGHOME")
    declared = {"type": "pass", "directory": str(store), "gnupg_home": str(home)}
    empty = Path(stack.enter_context(programs.short_directory()))
    refused = {**declared, "gnupg_home": str(empty)}
    return _case(declared, "web/plain", "web/document", "web/missing", refused=refused)


def keyring(tmp: Path, monkeypatch: pytest.MonkeyPatch, stack: Stack) -> Case:
    """GNOME's keyring daemon on a message bus of its own: a real Secret Service."""
    programs.need("dbus-daemon", "gnome-keyring-daemon")
    import keyring as package

    # Without service directories: a call that comes too early must not have the bus start a second, locked daemon.
    policy = '<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>'
    (tmp / "bus.conf").write_text(
        "<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen>"
        f'<policy context="default">{policy}</policy></busconfig>'
    )
    bus = subprocess.Popen(
        ["dbus-daemon", f"--config-file={tmp / 'bus.conf'}", "--nofork", "--print-address"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    stack.callback(bus.kill)
    assert bus.stdout is not None
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus.stdout.readline().decode().strip())
    monkeypatch.setenv("HOME", str(tmp))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp / "data"))
    (tmp / "data").mkdir()
    daemon = subprocess.Popen(
        ["gnome-keyring-daemon", "--unlock", "--foreground", "--components=secrets"],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    stack.callback(daemon.kill)
    assert daemon.stdin is not None
    daemon.stdin.write(b"password")
    daemon.stdin.close()
    from keyring.backends.SecretService import Keyring

    programs.until((tmp / "data/keyrings/login.keyring").exists, bool)
    package.set_keyring(programs.until(Keyring, lambda backend: backend.get_password("a", "b") is None))
    package.set_password("web", "plain", VALUE)
    package.set_password("web", "document", DOCUMENT)
    return _case({"type": "keyring"}, "web/plain", "web/document", "web/missing")


def _moto(monkeypatch: pytest.MonkeyPatch, stack: Stack) -> tuple[dict[str, t.Any], t.Callable[[str], t.Any]]:
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    stack.callback(server.stop)
    host, port = server.get_host_and_port()
    keys = {"access_key_id": "fake", "secret_access_key": "fake"}
    region = next(REGIONS)
    store = {"region": region, "endpoint": f"http://{host}:{port}", **keys}
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setenv("MOTO_PAGINATION", "2")
    named = {f"aws_{name}": value for name, value in keys.items()}
    return store, lambda name: boto3.client(name, region_name=region, endpoint_url=store["endpoint"], **named)


def _reader(client: t.Callable[[str], t.Any]) -> dict[str, str]:
    """Keys of an identity that may read secrets one by one, once rights are looked at."""
    name = f"reader-{uuid.uuid4()}"
    client("iam").create_user(UserName=name)
    actions = ["secretsmanager:GetSecretValue", "ssm:GetParameter"]
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    client("iam").put_user_policy(UserName=name, PolicyName="read", PolicyDocument=policy)
    key = client("iam").create_access_key(UserName=name)["AccessKey"]
    return {"access_key_id": key["AccessKeyId"], "secret_access_key": key["SecretAccessKey"]}


@contextlib.contextmanager
def _with_rights(endpoint: str) -> t.Iterator[None]:
    """Have moto look at rights (https://docs.getmoto.org/en/latest/docs/iam.html)."""
    import requests

    requests.post(f"{endpoint}/moto-api/reset-auth", data="0", timeout=5)
    try:
        yield
    finally:
        requests.post(f"{endpoint}/moto-api/reset-auth", data="inf", timeout=5)


def aws_secretsmanager(_tmp: Path, monkeypatch: pytest.MonkeyPatch, stack: Stack) -> Case:
    store, client = _moto(monkeypatch, stack)
    for name, text in (("web/plain", VALUE), ("web/document", DOCUMENT)):
        client("secretsmanager").create_secret(Name=name, SecretString=text)
    return _case(
        {"type": "aws_secretsmanager", **store, **_reader(client)}, "web/plain", "web/document", "web/missing", tested="fake: moto",
        refuse_batches=lambda: _with_rights(store["endpoint"]),
    )  # fmt: skip


def aws_ssm(_tmp: Path, monkeypatch: pytest.MonkeyPatch, stack: Stack) -> Case:
    store, client = _moto(monkeypatch, stack)
    for name, text in (("/web/plain", VALUE), ("/web/document", DOCUMENT)):
        client("ssm").put_parameter(Name=name, Value=text, Type="SecureString")
    return _case(
        {"type": "aws_ssm", **store, **_reader(client)}, "/web/plain", "/web/document", "/web/missing", tested="fake: moto",
        refuse_batches=lambda: _with_rights(store["endpoint"]),
    )  # fmt: skip


def gcp_secretmanager(tmp: Path, monkeypatch: pytest.MonkeyPatch, stack: Stack) -> Case:
    server = stack.enter_context(gcp.FakeSecretManager(tmp))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", server.ca)
    server.seed("plain", VALUE)
    server.seed("document", DOCUMENT)
    store = {
        "type": "gcp_secretmanager", "project": gcp.PROJECT, "endpoint": f"127.0.0.1:{server.port}",
        "credentials": server.service_account_key(), "timeout": 10,
    }  # fmt: skip
    return _case(store, "plain", "document", "missing", server=server, tested="fake: tests/fakes/gcp.py")


def azure_keyvault(tmp: Path, monkeypatch: pytest.MonkeyPatch, stack: Stack) -> Case:
    server = stack.enter_context(azure.FakeKeyVault(tmp))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", server.ca)
    server.seed("plain", VALUE)
    server.seed("document", DOCUMENT)
    store = {
        "type": "azure_keyvault", "vault_url": server.url, "authority": server.url, "tenant_id": azure.TENANT,
        "client_id": azure.CLIENT, "client_secret": azure.SECRET, "verify_challenge_resource": False, "timeout": 10,
    }  # fmt: skip
    refused = {**store, "client_secret": "wrong"}
    return _case(
        store, "plain", "document", "missing", refused=refused, server=server, tested="fake: tests/fakes/azure.py"
    )


def onepassword_connect(_tmp: Path, _monkeypatch: pytest.MonkeyPatch, stack: Stack) -> Case:
    server = stack.enter_context(onepassword.FakeConnect())
    server.seed("plain", {"value": VALUE})
    server.seed("document", {"body": DOCUMENT})
    store = {"type": "onepassword", "url": server.url, "token": onepassword.TOKEN, "timeout": 10}
    return _case(
        store, "team/plain#value", "team/document#body", "team/missing#value", new={"value": "canary-new"},
        refused={**store, "token": "wrong"}, server=server, tested="fake: tests/fakes/onepassword.py",
    )  # fmt: skip


def _cli(tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items = tmp / "items.json"
    items.write_text(json.dumps({"plain": {"password": VALUE}, "document": {"body": DOCUMENT}}))
    monkeypatch.setenv("FAKE_ITEMS", str(items))
    monkeypatch.setenv("PATH", f"{FAKES / 'programs'}:{os.environ['PATH']}")


def onepassword_cli(tmp: Path, monkeypatch: pytest.MonkeyPatch, _stack: Stack) -> Case:
    _cli(tmp, monkeypatch)
    store = {"type": "onepassword_cli", "service_account_token": "ops_fake"}
    refused = {**store, "service_account_token": "wrong"}
    return _case(
        store, "team/plain#password", "team/document#body", "team/missing#x", refused=refused,
        tested="fake: tests/fakes/programs/op",
    )  # fmt: skip


def bitwarden_cli(tmp: Path, monkeypatch: pytest.MonkeyPatch, _stack: Stack) -> Case:
    _cli(tmp, monkeypatch)
    store = {"type": "bitwarden_cli", "session": "fake-session"}
    return _case(
        store, "plain#password", "document#body", "missing#x", refused={**store, "session": "wrong"},
        tested="fake: tests/fakes/programs/bw",
    )  # fmt: skip


def bitwarden_sm(tmp: Path, monkeypatch: pytest.MonkeyPatch, stack: Stack) -> Case:
    server = stack.enter_context(bitwarden.FakeBitwarden(tmp))
    monkeypatch.setenv("SSL_CERT_FILE", server.ca)
    server.seed("plain", VALUE)
    identifier = server.seed("document", DOCUMENT)
    store = {
        "type": "bitwarden", "access_token": bitwarden.ACCESS_TOKEN, "organization_id": bitwarden.ORGANIZATION,
        "project_id": bitwarden.PROJECT, "api_url": f"{server.url}/api", "identity_url": f"{server.url}/identity",
    }  # fmt: skip
    wrong = bitwarden.ACCESS_TOKEN.replace(bitwarden.SECRET, "wrong")
    return _case(
        store, "plain", identifier, "missing", refused={**store, "access_token": wrong}, server=server,
        refuse_batches=lambda: setting(server, "forbidden", {"get_by_ids"}),
        tested="fake: tests/fakes/bitwarden.py",
    )  # fmt: skip


def doppler_api(_tmp: Path, _monkeypatch: pytest.MonkeyPatch, stack: Stack) -> Case:
    server = stack.enter_context(doppler.FakeDoppler())
    server.secrets = {"PLAIN": VALUE, "DOCUMENT": DOCUMENT}
    store = {
        "type": "doppler", "token": doppler.TOKEN, "project": "app", "config": "prd", "url": server.url, "timeout": 10,
    }  # fmt: skip
    return _case(
        store, "PLAIN", "app/prd/DOCUMENT", "MISSING", refused={**store, "token": "wrong"}, server=server,
        refuse_batches=lambda: setting(server, "forbidden", {"download"}),
        tested="fake: tests/fakes/doppler.py",
    )  # fmt: skip


def infisical_api(_tmp: Path, _monkeypatch: pytest.MonkeyPatch, stack: Stack) -> Case:
    server = stack.enter_context(infisical.FakeInfisical())
    server.seed("/", "PLAIN", VALUE)
    server.seed("/web", "DOCUMENT", DOCUMENT)
    store = {
        "type": "infisical", "url": server.url, "client_id": infisical.CLIENT, "client_secret": infisical.SECRET,
        "project_id": infisical.PROJECT, "environment": infisical.ENVIRONMENT, "timeout": 10,
    }  # fmt: skip
    return _case(
        store, "PLAIN", "web/DOCUMENT", "web/MISSING", refused={**store, "client_secret": "wrong"}, server=server,
        refuse_batches=lambda: setting(server, "forbidden", {"list"}),
        tested="fake: tests/fakes/infisical.py",
    )  # fmt: skip


def akeyless_api(_tmp: Path, _monkeypatch: pytest.MonkeyPatch, stack: Stack) -> Case:
    server = stack.enter_context(akeyless.FakeAkeyless())
    server.items = {"/web/plain": [VALUE], "/web/document": [DOCUMENT]}
    store = {
        "type": "akeyless", "url": server.url, "access_id": akeyless.ACCESS_ID, "access_key": akeyless.ACCESS_KEY, "timeout": 10,
    }  # fmt: skip
    return _case(
        store, "web/plain", "web/document", "web/missing", refused={**store, "access_key": "wrong"}, server=server,
        refuse_batches=lambda: setting(server, "batches_forbidden", True),
        tested="fake: tests/fakes/akeyless.py",
    )  # fmt: skip


def _vault(tmp: Path, stack: Stack, mount: str) -> Case:
    server = stack.enter_context(vault.FakeVault(tmp))
    seeds = {"web/plain": {"value": VALUE}, "web/document": {"body": DOCUMENT}}
    if mount == "kv1":
        server.objects["kv/kv1"] = dict(seeds)
    else:
        for path, fields in seeds.items():
            entry = server.objects.setdefault("kv/secret", {}).setdefault(path, server._entry())
            entry["versions"]["1"] = {"data": fields, "created_time": "t", "deletion_time": "", "destroyed": False}
            entry["current_version"] = 1
    store = {
        "type": "vault", "url": server.url, "ca_path": server.ca, "token": vault.ROOT, "mount": mount, "timeout": 10, "retries": 1,
    }  # fmt: skip
    return _case(
        store, "web/plain#value", "web/document#body", "web/missing#value", new={"value": "canary-new"},
        refused={**store, "token": "wrong"}, server=server, tested="fake: tests/fakes/vault.py",
    )  # fmt: skip


CASES: dict[str, Builder] = {
    "akeyless": akeyless_api,
    "ansible_vault": ansible_vault,
    "aws_secretsmanager": aws_secretsmanager,
    "aws_ssm": aws_ssm,
    "azure_keyvault": azure_keyvault,
    "bitwarden": bitwarden_sm,
    "bitwarden_cli": bitwarden_cli,
    "doppler": doppler_api,
    "env": env,
    "file": file,
    "gcp_secretmanager": gcp_secretmanager,
    "infisical": infisical_api,
    "keyring": keyring,
    "onepassword": onepassword_connect,
    "onepassword_cli": onepassword_cli,
    "pass": password_store,
    "sops": sops,
    "vault": lambda tmp, _monkeypatch, stack: _vault(tmp, stack, "secret"),
    "vault (KV 1)": lambda tmp, _monkeypatch, stack: _vault(tmp, stack, "kv1"),
}
