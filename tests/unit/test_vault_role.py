"""What of the role vault needs no server: rendered files, certificates, programs, and what is refused before a server is asked."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import time
import typing as t
import zipfile
from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleActionFail
from ansible_collections.unified.deploy.plugins.action import host_certificate
from ansible_collections.unified.deploy.plugins.module_utils._vault.errors import VaultError
from ansible_collections.unified.deploy.plugins.modules import program_install, vault_init, vault_snapshot
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets import certificate

from tests.fakes.server import FakeServer, Request, route
from tests.secrets import programs
from tests.secrets.modules import five_steps, run
from tests.unit.conftest import INSTALLED

ROOT = Path(__file__).resolve().parents[2]
MACHINE = os.uname().machine

OPENBAO: dict[str, t.Any] = {"vault_flavour": "openbao"}
HASHICORP = {
    "vault_flavour": "vault", "vault_port": 443, "vault_config": "ui = true", "vault_storage": {"performance_multiplier": 1},
    "vault_listener": {"telemetry": {"unauthenticated_metrics_access": True}, "tls_min_version": "tls13", "address": "10.0.0.1:443"},
    "vault_seal": {"type": "transit", "config": {"address": "https://root:8200", "disable_renewal": False, "key_name": 'a"b'}},
}  # fmt: skip


def unseal_keys(variables: dict[str, t.Any]) -> list[str]:
    """A server whose seal opens by itself has recovery keys in its files, and no unseal keys."""
    files = [] if "vault_seal" in variables else [f"unseal_key_{number}.sops.json" for number in (1, 2, 3)]
    return [f"sops://{variables['vault_directory']}/{file}#key" for file in files]


@pytest.mark.parametrize(("name", "variables"), [("openbao", OPENBAO), ("vault", HASHICORP)])
def test_rendered_configuration_and_unit(name: str, variables: dict[str, t.Any], tmp_path: Path) -> None:
    """Golden files, read by hand against the servers' documentation: they change only on purpose."""
    role = ROOT / "roles/vault"
    variables = {"vault_directory": "/keys", **variables}
    names = ("server.hcl", "server.service", "logrotate")
    tasks: list[dict[str, t.Any]] = [{"ansible.builtin.set_fact": {"vault_url": "{{ __vault_url }}:{{ vault_port }}"}}]
    for file in names:
        text = f"{{{{ lookup('ansible.builtin.template', '{role}/templates/{file}.j2') }}}}"
        copy = {"content": text, "dest": str(tmp_path / file), "mode": "0600"}
        tasks.append({"ansible.builtin.copy": copy, "run_once": True})
    keys = {"content": "{{ vault_unseal_keys | to_json }}", "dest": str(tmp_path / "unseal_keys"), "mode": "0600"}
    tasks.append({"ansible.builtin.copy": keys, "run_once": True})
    play = {
        "hosts": "vault", "gather_facts": False, "connection": "local", "tasks": tasks,
        "vars_files": [str(role / "defaults/main.yml"), str(role / "vars/main.yml")],
        "vars": {"ansible_python_interpreter": sys.executable},
    }  # fmt: skip
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    hosts = {f"v{number}": {"ansible_host": f"10.0.0.{number}"} for number in (1, 2, 3)}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": {"children": {"vault": {"hosts": hosts}}}}))
    argv = [
        Path(sys.executable).parent / "ansible-playbook",
        "play.yml",
        "-i",
        "hosts.yml",
        "-e",
        json.dumps(variables),
    ]
    env = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(INSTALLED)}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((tmp_path / "unseal_keys").read_text()) == unseal_keys(variables)
    rendered = "".join(f"--- {file}\n{(tmp_path / file).read_text()}" for file in names)
    golden = ROOT / f"tests/unit/golden/role_vault_{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(rendered)
    assert rendered == golden.read_text()


def test_authority_is_made_once_and_its_key_is_only_kept_encrypted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs.on_path(monkeypatch)
    recipient = run("age_key", {"path": str(tmp_path / "age")})["recipient"]
    path, key = tmp_path / "pki/ca.pem", tmp_path / "pki/ca.key.sops"
    arguments = {"path": str(path), "key_path": str(key), "common_name": "Test", "age": [recipient]}
    refused = run("certificate_authority", {**arguments, "age": []})
    assert "ca.key.sops: no recipients" in refused["msg"]
    assert not path.exists()
    five_steps("certificate_authority", arguments)
    assert "PRIVATE KEY" not in key.read_text()
    assert (path.stat().st_mode & 0o777, key.stat().st_mode & 0o777) == (0o644, 0o600)
    made = path.read_bytes()
    path.unlink()
    assert "is there already, and what it holds would be lost" in run("certificate_authority", arguments)["msg"]
    path.write_text("no certificate")
    assert "is no certificate" in run("certificate_authority", arguments)["msg"]

    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(tmp_path / "age"))
    private = programs.run("sops", "decrypt", key).decode()
    issuer = made.decode()
    assert certificate.checked(made) == issuer
    host_key = programs.run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    public = programs.run("openssl", "pkey", "-pubout", stdin=host_key).decode()
    names = certificate.Names("v1", ("vault.example.org",), ("10.0.0.1", "127.0.0.1"))
    signed, _expires = certificate.sign(issuer, private, public, names, 90, 30)
    (tmp_path / "ca").write_text(issuer)
    (tmp_path / "host").write_text(signed)
    programs.run(
        "openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", tmp_path / "ca", tmp_path / "host"
    )

    assert certificate.state(signed, public, issuer, names, 30)[0] == ""
    assert certificate.state("", public, issuer, names, 30)[0] == "there is none"
    assert certificate.state("x", public, issuer, names, 30)[0] == "it cannot be read"
    assert certificate.state(signed, public, issuer, names, 91)[0] == "it ends in 89 days"
    more = names._replace(alt_names=(), ip_sans=("10.0.0.9", "127.0.0.1"))
    differing = "its names are others: +10.0.0.9, -10.0.0.1, -vault.example.org"
    assert certificate.state(signed, public, issuer, more, 30)[0] == differing
    other = programs.run(
        "openssl", "pkey", "-pubout", stdin=programs.run("openssl", "genpkey", "-algorithm", "ed25519")
    )
    assert certificate.state(signed, other.decode(), issuer, names, 30)[0] == "the key is another"
    path.unlink()
    key.unlink()
    run("certificate_authority", {**arguments, "days": 20})
    assert certificate.state(signed, public, path.read_text(), names, 30)[0] == "the authority is another"
    with pytest.raises(ValueError, match="is not the key of ca_certificate"):
        certificate.sign(path.read_text(), private, public, names, 90, 30)
    with pytest.raises(ValueError, match="its authority ends on"):
        certificate.sign(path.read_text(), programs.run("sops", "decrypt", key).decode(), public, names, 90, 30)
    with pytest.raises(ValueError, match="is no private key"):
        certificate.sign(issuer, "x", public, names, 90, 30)


def test_account_is_made_with_the_program_and_left_alone_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program_install, "RECORDS", str(tmp_path / "records"))
    accounts, asked = {"root"}, tmp_path / "asked"

    def account_of(name: str) -> str:
        if name not in accounts | set(asked.read_text().split() if asked.exists() else ()):
            raise KeyError(name)
        return name

    useradd = tmp_path / "useradd"
    useradd.write_text(f"#!/bin/sh\necho $* >> {asked}; case $* in *bad) echo 'useradd: no room' >&2; exit 10;; esac\n")
    useradd.chmod(0o755)
    monkeypatch.setattr(program_install.AnsibleModule, "get_bin_path", lambda *_a, **_k: str(useradd))
    monkeypatch.setattr(program_install.pwd, "getpwnam", account_of)
    source = tmp_path / "source"
    source.write_bytes(b"#!/bin/sh\n")
    described = {"src": "bao", "sha256": hashlib.sha256(b"#!/bin/sh\n").hexdigest()}
    target = tmp_path / "bao"
    plain = {"path": str(target), "builds": {MACHINE: described}, "file": str(source), "account": "new-one"}

    assert run("program_install", {**plain, "file": None})["transfer"] is True
    assert not asked.exists()
    described["sha256"] = "0" * 64
    assert "Get the right file" in run("program_install", plain)["msg"]
    assert not asked.exists()
    described["sha256"] = hashlib.sha256(b"#!/bin/sh\n").hexdigest()
    five_steps("program_install", plain)
    assert asked.read_text() == "--system --no-create-home --shell /usr/sbin/nologin --user-group new-one\n"
    again = run("program_install", {**plain, "account": "another"}, check=True)
    assert (again["changed"], again["diff"]["after"]) == (True, "account another\n")
    assert "another" not in asked.read_text()
    assert run("program_install", {**plain, "account": "root"})["changed"] is False
    assert "made no account 'bad': useradd: no room" in run("program_install", {**plain, "account": "bad"})["msg"]
    assert "is no name of an account" in run("program_install", {**plain, "account": "-o"})["msg"]


@pytest.mark.parametrize("content", [b"no certificate", b"", b"\xff\xfe"])
def test_authority_that_is_no_certificate_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(content)
    action = host_certificate.ActionModule.__new__(host_certificate.ActionModule)
    with pytest.raises(AnsibleActionFail, match=f"ca_certificate: {path} is no certificate in PEM"):
        action._issuer(str(path))


def test_recipients_are_pgp_keys_or_come_from_sops_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs.on_path(monkeypatch)
    programs.need("gpg")
    with programs.short_directory() as home:
        monkeypatch.setenv("GNUPGHOME", home)
        fingerprint = programs.gpg_key(Path(home))
        for name, options in (("options", {"pgp": [fingerprint]}), ("rules", {})):
            (tmp_path / name).mkdir()
            if not options:
                rules = {"creation_rules": [{"path_regex": r"\.key\.sops$", "pgp": fingerprint}]}
                (tmp_path / name / ".sops.yaml").write_text(yaml.safe_dump(rules))
            key = tmp_path / name / "pki/ca.key.sops"
            arguments = {
                "path": str(tmp_path / name / "ca.pem"),
                "key_path": str(key),
                "common_name": "Test",
                **options,
            }
            assert run("certificate_authority", arguments)["changed"] is True
            assert fingerprint in key.read_text()
            assert b"PRIVATE KEY" in programs.run("sops", "decrypt", key)
        programs.run("gpgconf", "--kill", "all")


class Uninitialised(FakeServer):
    """A fake of a server's first minutes: https://openbao.org/api-docs/system/init/, .../seal-status/, .../unseal/, .../health/."""

    tls = True
    keys: t.ClassVar[list[str]] = ["canary-key-0001", "canary-key-0002", "canary-key-0003"]
    shares: t.ClassVar[set[str]] = set()
    initialized = False
    delay = 0.0

    @route("GET", "/v1/sys/seal-status")
    def seal_status(self, _request: Request) -> t.Any:
        return {"type": "shamir", "initialized": self.initialized, "sealed": len(self.shares) < 2}

    @route("PUT", "/v1/sys/init")
    def init(self, request: Request) -> t.Any:
        assert request.body == {"secret_shares": 3, "secret_threshold": 2}
        self.initialized, self.shares = True, set()  # type: ignore[misc]
        time.sleep(self.delay)
        return {"keys_base64": self.keys, "root_token": "canary-root-token"}

    @route("PUT", "/v1/sys/unseal")
    def unseal(self, request: Request) -> t.Any:
        self.shares.add(request.body["key"])
        return {"sealed": len(self.shares) < 2}

    @route("GET", "/v1/sys/health")
    def health(self, _request: Request) -> t.Any:
        return {"initialized": True, "sealed": len(self.shares) < 2, "standby": False}


def test_initialises_once_and_never_without_a_place_for_the_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs.on_path(monkeypatch)
    recipient = run("age_key", {"path": str(tmp_path / "age")})["recipient"]
    (tmp_path / "file").touch()
    with Uninitialised(tmp_path) as server:
        arguments = {
            "url": server.url, "ca_path": server.ca, "directory": str(tmp_path / "keys"), "shares": 3, "threshold": 2,
            "age": [recipient],
        }  # fmt: skip
        for wrong, said in [
            ({"directory": str(tmp_path / "file/keys")}, "nothing was initialised"), ({"age": ["age1x"]}, "unseal_key_1.sops.json"),
            ({"age": []}, "no recipients"), ({"custodians": [{"age": [recipient]}]}, "there are 1 custodians for 3 shares"),
        ]:  # fmt: skip
            assert said in run("vault_init", {**arguments, **wrong})["msg"]
        with monkeypatch.context() as patch:

            def full(*_arguments: object) -> None:
                raise OSError(28, "No space left on device")

            patch.setattr(vault_init.Wrapper, "prove", full)
            assert "nothing was initialised" in run("vault_init", arguments)["msg"]
            assert server.initialized is False
            patch.setattr(vault_init.Wrapper, "prove", lambda *_arguments: None)
            patch.setattr(vault_init.Wrapper, "write", full)
            lost = run("vault_init", arguments)["msg"]
            assert "its keys could not be kept" in lost
            assert "empty their data directories" in lost
        server.initialized, server.delay = False, 0.5
        with monkeypatch.context() as patch:
            patch.setattr(vault_init, "INIT_TIMEOUT", 0.1)
            lost = run("vault_init", arguments)["msg"]
            assert "no answer came" in lost
            assert "its keys are lost" in lost
            assert "empty their data directories" in lost
        server.initialized = False
        done = five_steps("vault_init", {**arguments, "timeout": 0.2})
        assert [Path(path).name for path in done["files"]] == [
            "unseal_key_1.sops.json", "unseal_key_2.sops.json", "unseal_key_3.sops.json", "root_token.sops.json",
        ]  # fmt: skip
        assert "canary" not in json.dumps(done)
        assert server.shares == set(server.keys[:2])
        monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(tmp_path / "age"))
        assert json.loads(programs.run("sops", "decrypt", done["files"][2])) == {"key": "canary-key-0003"}
        assert json.loads(programs.run("sops", "decrypt", done["files"][3])) == {"token": "canary-root-token"}


@pytest.mark.parametrize(
    ("shares", "threshold", "custodians", "said"),
    [
        (3, 4, 0, "4 of 3 shares cannot be"),
        (3, 1, 0, "1 of 3 shares cannot be"),
        (3, 2, 2, "there are 2 custodians for 3 shares"),
    ],
)
def test_counts_of_shares_that_cannot_be(shares: int, threshold: int, custodians: int, said: str) -> None:
    params = {"shares": shares, "threshold": threshold, "custodians": [{}] * custodians}
    with pytest.raises(VaultError, match=said):
        vault_init.check(params)
    vault_init.check({"shares": 1, "threshold": 1, "custodians": []})


def snapshot(**files: bytes) -> bytes:
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items())
    return archive({**files, "SHA256SUMS": sums.encode()})


def archive(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as made:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            made.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def test_snapshot_that_is_not_whole_is_refused() -> None:
    files = {"meta.json": b'{"Index": 12}', "state.bin": os.urandom(10_000)}
    whole = snapshot(**files)
    assert vault_snapshot.inspect(whole, "x") == {"index": 12, "size": len(whole)}
    changed = archive({**files, "SHA256SUMS": f"{'0' * 64}  meta.json\n{'0' * 64}  state.bin\n".encode()})
    for broken, said in [
        *[(part, "x is no whole snapshot") for part in (whole[:-8], whole[:-200], whole[:5000], b"", b'{"errors": []}')],
        *[(snapshot(**{"meta.json": meta}), "x is no whole snapshot") for meta in (b"{}", b"[]", b'{"Index": null}')],
        (gzip.compress(b"x"), "x is no whole snapshot"),
        (changed, "x: the sum of meta.json is wrong"),
    ]:  # fmt: skip
        with pytest.raises(VaultError, match=said):
            vault_snapshot.inspect(broken, "x")


@pytest.mark.skipif(os.geteuid() != 0, reason="installs for root")
def test_program_from_files_and_archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program_install, "RECORDS", str(tmp_path / "records"))
    target, source = tmp_path / "bin/bao", tmp_path / "source"

    def build(content: bytes, name: str, **more: str) -> dict[str, t.Any]:
        source.write_bytes(content)
        described = {"src": name, "sha256": hashlib.sha256(content).hexdigest(), **more}
        return {"path": str(target), "builds": {MACHINE: described}, "file": str(source)}

    plain = build(b"#!/bin/sh\necho one\n", "bao")
    assert run("program_install", {**plain, "file": None})["transfer"] is True
    five_steps("program_install", plain)
    assert programs.run(target) == b"one\n"
    target.chmod(0o700)
    assert run("program_install", plain)["changed"] is True
    assert target.stat().st_mode & 0o777 == 0o755

    packed = build(archive({"bao_1.0/README": b"x", "bao_1.0/bao": b"#!/bin/sh\necho two\n"}), "bao.tar.gz")
    five_steps("program_install", packed)
    assert programs.run(target) == b"two\n"
    target.write_text("#!/bin/sh\necho tampered\n")
    assert run("program_install", packed)["changed"] is True
    assert programs.run(target) == b"two\n"

    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as made:
        made.writestr("vault", "#!/bin/sh\necho three\n")
    five_steps("program_install", build(zipped.getvalue(), "v.zip", member="vault"))
    assert programs.run(target) == b"three\n"

    two = archive({"a/bao": b"x", "b/bao": b"y"})
    for content, name, more, said in [
        (two, "v.tar.gz", {}, "v.tar.gz holds 2 files of the name bao"),
        (two, "v.tar.gz", {"member": "vault"}, "v.tar.gz holds 0 files of the name vault"),
        (b"no archive", "v.tar.gz", {}, "v.tar.gz is no archive"),
        (b"no archive", "v.zip", {}, "v.zip is no archive"),
        (b"other", "bao", {"sha256": "0" * 64}, "Get the right file"),
    ]:
        refused = run("program_install", build(content, name, **more))
        assert said in refused["msg"], refused
        assert programs.run(target) == b"three\n"
    elsewhere = run("program_install", {**plain, "builds": {"pdp11": {}}})
    assert f"there is no build for {MACHINE}, only for: pdp11" in elsewhere["msg"]
