"""Every module that gets secrets, run by Ansible at -vvv, with failures provoked: the values are nowhere else.

The modules that deliver secrets to hosts are watched the same way in tests/integration/test_secrets.py.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml

from tests.fakes.server import Refusal
from tests.secrets import leaks, programs
from tests.secrets.cases import CASES
from tests.unit.conftest import INSTALLED

CANARY = 'canary "x"/+& 0123456789'
OTHER = "canary-other-9876543210"


def play(directory: Path, tasks: list[dict[str, t.Any]], **variables: t.Any) -> str:
    """Output of a play on this machine, with its arguments watched, and what it left in its temporary directories searched."""
    book, temporary = directory / "play.yml", directory / "tmp"
    temporary.mkdir(exist_ok=True)
    hostvars = {"ansible_python_interpreter": sys.executable, "ansible_remote_tmp": str(temporary), **variables}
    book.write_text(
        yaml.safe_dump(
            [{"hosts": "all", "gather_facts": False, "connection": "local", "vars": hostvars, "tasks": tasks}]
        )
    )
    env = {
        **os.environ, "ANSIBLE_COLLECTIONS_PATH": str(INSTALLED), "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCAL_TEMP": str(temporary),
        "ANSIBLE_LOG_PATH": str(directory / "log"), "ANSIBLE_CACHE_PLUGIN": "jsonfile", "TMPDIR": str(temporary),
        "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(directory / "facts"), "ANSIBLE_RETRY_FILES_ENABLED": "1",
    }  # fmt: skip
    argv = [Path(sys.executable).parent / "ansible-playbook", book, "-i", "host,", "-vvv", "--diff"]
    with leaks.ArgvWatch([CANARY, OTHER]) as watch:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env, timeout=120, cwd=directory)
    assert watch.samples > 10
    assert watch.seen == []
    output = done.stdout + done.stderr
    assert leaks.occurrences(output, [CANARY, OTHER]) == []
    kept = [
        path
        for path in directory.rglob("*")
        if path.is_file() and path.name != "play.yml" and "allowed" not in path.parts
    ]
    assert [path for path in kept if leaks.occurrences(path.read_text(errors="replace"), [CANARY, OTHER])] == []
    return output


def test_sops_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs.on_path(monkeypatch)
    (tmp_path / "allowed").mkdir()
    key = tmp_path / "allowed/key"
    programs.run("age-keygen", "-o", key)
    recipient = programs.run("age-keygen", "-y", key).decode().strip()
    base = {"path": str(tmp_path / "x.yaml"), "age": [recipient], "age_key_file": str(key)}
    tasks = [
        {"name": "Write", "unified.deploy.sops_file": {**base, "data": {"password": "{{ canary }}", "list": ["{{ other }}"]}}},
        {"name": "Change", "unified.deploy.sops_file": {**base, "data": {"password": "{{ other }}"}}},
        {"name": "Text", "unified.deploy.sops_file": {**base, "content": "a: {{ canary | to_json }}\n"}},
        {"name": "Edit", "unified.deploy.sops_file": {**base, "content": "a: {{ other | to_json }}\n"}},
        {"name": "Malformed", "unified.deploy.sops_file": {**base, "content": "a: [{{ canary | to_json }}"}, "ignore_errors": True},
        {"name": "Plain", "unified.deploy.sops_file": {**base, "data": {"token": "{{ canary }}"}, "encrypted_regex": "^x$"}, "ignore_errors": True},
        {"name": "No key", "unified.deploy.sops_file": {**base, "data": {"a": "{{ canary }}"}, "age_key_file": "/nonexistent"}, "ignore_errors": True},
    ]  # fmt: skip
    monkeypatch.setenv("CANARY", CANARY)
    monkeypatch.setenv("OTHER", OTHER)
    look = "{{{{ lookup('unified.deploy.secret', 'env://{}') }}}}"
    output = play(tmp_path, tasks, canary=look.format("CANARY"), other=look.format("OTHER"))
    assert output.count("fatal: [host]: FAILED!") == 3
    for part in ("is no valid yaml", "would stay plain: token", "no key here decrypts it", "password: changed"):
        assert part in output, part


def test_vault_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "allowed").mkdir()
    with contextlib.ExitStack() as stack:
        case = CASES["vault"](tmp_path / "allowed", monkeypatch, stack)
        monkeypatch.setenv("CANARY", CANARY)
        monkeypatch.setenv("TOKEN", case.declared["team"]["token"])
        base = {
            "url": case.declared["team"]["url"],
            "ca_path": case.declared["team"]["ca_path"],
            "token": "{{ token }}",
            "retries": 0,
        }
        approle = {"auth_method": "approle", "role_id": "x", "secret_id": "{{ canary }}"}
        tasks = [
            {"name": "Write", "unified.deploy.vault_kv": {**base, "path": "a", "data": {"password": "{{ canary }}"}}},
            {"name": "User", "unified.deploy.vault_auth": {**base, "type": "userpass", "roles": {"ann": {"password": "{{ canary }}"}}}, "no_log": True},
            {"name": "Token", "unified.deploy.vault_kv": {**base, "path": "a", "data": {"b": "{{ canary }}"}, "token": "{{ canary }}"}, "ignore_errors": True},
            {"name": "Two lines", "unified.deploy.vault_kv_info": {**base, "path": "a", "token": "{{ canary }}\n{{ canary }}"}, "ignore_errors": True},
            {"name": "CAS", "unified.deploy.vault_kv": {**base, "path": "a", "data": {"b": "{{ canary }}"}, "cas": 9}, "ignore_errors": True},
            {"name": "Role", "unified.deploy.vault_kv": {**base, **approle, "path": "a", "data": {}}, "ignore_errors": True},
        ]  # fmt: skip
        look = "{{{{ lookup('unified.deploy.secret', 'env://{}') }}}}"
        output = play(tmp_path, tasks, canary=look.format("CANARY"), token=look.format("TOKEN"))
        assert output.count("fatal: [host]: FAILED!") == 4
        assert case.declared["team"]["token"] not in output
        case.server.fault = Refusal(500, {"errors": [CANARY]})
        output = play(tmp_path, [tasks[0]], canary=look.format("CANARY"), token=look.format("TOKEN"))
        assert "the server failed" in output


def test_modules_that_make_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys and ids that are made by the run itself: they are where they belong, and nowhere else."""
    programs.on_path(monkeypatch)
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    with contextlib.ExitStack() as stack:
        case = CASES["vault"](allowed, monkeypatch, stack)
        server = case.server
        server.auth["approle"] = server._mount("approle", {})
        server.mounts |= {kind: server._mount(kind, None) for kind in ("pki", "ssh")}
        server.objects["pki/roles/web"] = {}
        programs.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", allowed / "id")
        monkeypatch.setenv("TOKEN", case.declared["team"]["token"])
        look = "{{ lookup('unified.deploy.secret', 'env://TOKEN') }}"
        base = {"url": server.url, "ca_path": server.ca, "token": look}
        certificate = {
            **base,
            "name": "web",
            "common_name": "www",
            "cert_path": str(allowed / "c"),
            "key_path": str(allowed / "k"),
        }
        tasks: list[dict[str, t.Any]] = [
            {"name": "age", "unified.deploy.age_key": {"path": str(allowed / "age")}},
            {"name": "Id", "unified.deploy.vault_approle": {**base, "name": "a", "secret_id_path": str(allowed / "secret-id")}},
            {"name": "Certificate", "unified.deploy.vault_certificate": certificate},
            {"name": "SSH", "unified.deploy.vault_ssh_sign": {
                **base, "name": "u", "public_key_path": str(allowed / "id.pub"), "cert_path": str(allowed / "s"), "principals": ["a"]}},
            {"name": "No role", "unified.deploy.vault_certificate": {**certificate, "name": "none", "common_name": "x"}, "ignore_errors": True},
        ]  # fmt: skip
        output = play(tmp_path, tasks)
        assert output.count("changed: [host]") == 4
        assert output.count("fatal: [host]: FAILED!") == 1
        made = [
            (allowed / "secret-id").read_text().strip(),
            (allowed / "k").read_text().splitlines()[1],
            next(line for line in (allowed / "age").read_text().splitlines() if line.startswith("AGE-SECRET-KEY")),
            case.declared["team"]["token"],
        ]
        assert leaks.occurrences(output, made) == []
        kept = [path for path in tmp_path.rglob("*") if path.is_file() and "allowed" not in path.parts]
        assert [path for path in kept if leaks.occurrences(path.read_text(errors="replace"), made)] == []
