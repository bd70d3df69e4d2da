"""Each secret is read once a run: real playbook runs with many workers, counted at the (fake) server."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import typing as t
from pathlib import Path
from unittest import mock

import pytest
import yaml
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets import broker
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.errors import UnavailableError
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.resolver import Resolver

from tests.secrets.cases import CASES, VALUE, Case
from tests.unit.conftest import INSTALLED


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Case]:
    with contextlib.ExitStack() as stack:
        yield CASES["vault"](tmp_path, monkeypatch, stack)


def play(
    case: Case, directory: Path, tasks: list[dict[str, t.Any]], hosts: int = 8, arguments: t.Sequence[str] = ()
) -> str:
    book = directory / "play.yml"
    book.write_text(
        yaml.safe_dump(
            [
                {
                    "hosts": "all",
                    "gather_facts": False,
                    "connection": "local",
                    "vars": {"secret_stores": case.declared},
                    "tasks": tasks,
                }
            ]
        )
    )
    names = ",".join(f"h{number}" for number in range(hosts)) + ","
    env = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(INSTALLED),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
    }
    argv = [Path(sys.executable).parent / "ansible-playbook", book, "-i", names, "-f", "8", *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def lookup(reference: str) -> str:
    return f"{{{{ lookup('unified.deploy.secret', '{reference}') | length }}}}"


def orphans() -> list[str]:
    """Addresses of brokers whose run has ended; those of other runs on this machine are none."""
    addresses = re.findall(r"@unified-secrets-\d+-(\d+)-\S+", Path("/proc/net/unix").read_text())
    return [run for run in addresses if not Path(f"/proc/{run}").exists()]


def test_every_worker_asks_one_broker_that_ends_with_the_run(case: Case, tmp_path: Path) -> None:
    tasks = [
        {"name": f"Task {number}", "ansible.builtin.debug": {"msg": lookup(reference)}}
        for number, reference in enumerate([case.plain, case.document, case.plain])
    ]
    case.server.requests.clear()
    output = play(case, tmp_path, tasks)
    assert output.count(f'"msg": "{len(VALUE)}"') + output.count(f'"msg": {len(VALUE)}') == 16
    paths = [request.path for request in case.server.requests]
    assert sorted(paths) == [
        "/v1/secret/data/web/document",
        "/v1/secret/data/web/plain",
        "/v1/sys/internal/ui/mounts/secret",
    ]
    deadline = time.monotonic() + 5
    while orphans() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert orphans() == []


def test_process_of_the_run_asks_the_broker_too(case: Case, tmp_path: Path) -> None:
    """It decides on meta tasks and files to include itself, before a worker is there; what the workers need is still read once."""
    case.server.requests.clear()
    condition = f"lookup('unified.deploy.secret', '{case.plain}') == 'no'"
    tasks: list[dict[str, t.Any]] = [{"name": "End", "ansible.builtin.meta": "end_host", "when": condition}]
    tasks += [{"name": "Use", "ansible.builtin.debug": {"msg": lookup(case.plain)}}] * 2
    assert play(case, tmp_path, tasks).count(f'"msg": {len(VALUE)}') >= 16
    paths = [request.path for request in case.server.requests]
    assert len([path for path in paths if "web/plain" in path]) == 1, paths


def test_what_is_missing_among_several_is_asked_for_once(case: Case, tmp_path: Path) -> None:
    several = f"query('unified.deploy.secret', '{case.plain}', '{case.missing}', optional=true) | length"
    case.server.requests.clear()
    output = play(
        case, tmp_path, [{"name": "Several", "ansible.builtin.debug": {"msg": f"{{{{ {several} }}}}"}}], hosts=1
    )
    assert '"msg": 1' in output.replace('"1"', "1")
    missing = case.missing.rpartition("/")[2].partition("#")[0]
    assert sum(missing in request.path for request in case.server.requests) == 1


def test_failure_of_one_lookup_is_not_kept(case: Case, tmp_path: Path) -> None:
    """What is missing at first, and then put there, is found by the same run."""
    reference = case.missing.replace("missing", "made-later")
    options = {key: case.declared["team"][key] for key in ("url", "ca_path", "token")}
    tasks = [
        {"name": "Before", "ansible.builtin.debug": {"msg": f"{{{{ lookup('unified.deploy.secret', '{reference}', default='none') }}}}"}},
        {"name": "Put", "unified.deploy.vault_kv": {**options, "path": "web/made-later", "data": {"value": "x" * 9}},
         "vars": {"ansible_python_interpreter": sys.executable}, "no_log": True},
        {"name": "After", "ansible.builtin.debug": {"msg": lookup(reference)}},
    ]  # fmt: skip
    output = play(case, tmp_path, tasks, hosts=1)
    assert '"msg": "none"' in output
    assert '"msg": "9"' in output or '"msg": 9' in output


def test_what_is_written_is_what_the_rest_of_the_run_reads(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY", "canary-7-written")
    path = "team://web/written"
    put: dict[str, t.Any] = {"reference": path, "fields": {"value": "{{ canary }}"}}
    read = f"{{{{ lookup('unified.deploy.secret', '{path}#value', default='none') }}}}"
    info = {"references": [path], "store": "team", "prefix": "web/wr"}
    tasks: list[dict[str, t.Any]] = [
        {"name": "Before", "ansible.builtin.assert": {"that": ["value == 'none'"]}, "vars": {"value": read}},
        {"name": "Foresee", "unified.deploy.secret_value": put, "check_mode": True, "register": "foreseen"},
        {"name": "Put", "unified.deploy.secret_value": put, "register": "first"},
        {"name": "After", "ansible.builtin.assert": {"that": ["value == canary"]}, "vars": {"value": read}},
        {"name": "The run reads it", "ansible.builtin.meta": "end_host", "when": f"{read[2:-2]} == 'other'"},
        {"name": "Again", "unified.deploy.secret_value": put, "register": "second"},
        {"name": "Other", "unified.deploy.secret_value": {"reference": path, "fields": {"value": "x"}}, "register": "third"},
        {"name": "Last", "ansible.builtin.assert": {"that": ["value == 'x'"]}, "vars": {"value": read}},
        {"name": "The run reads it anew", "ansible.builtin.meta": "end_host", "when": f"{read[2:-2]} != 'x'"},
        {"name": "Info", "unified.deploy.secret_info": info, "register": "info"},
        {"name": "Judge", "ansible.builtin.assert": {"that": [
            "foreseen is changed", "first is changed", "second is not changed", "third is changed", "info.paths == ['web/written']",
            f"info.secrets['{path}'].version == '2'", f"info.secrets['{path}'].versions | length == 2"]}},
        {"name": "Field", "unified.deploy.secret_value": {"reference": f"{path}#a", "value": "x"}, "register": "field", "ignore_errors": True},
        {"name": "Env", "unified.deploy.secret_value": {"reference": "env://A", "value": "x"}, "register": "env", "ignore_errors": True},
        {"name": "Both", "unified.deploy.secret_value": {**put, "value": "x"}, "register": "both", "ignore_errors": True},
        {"name": "Names", "ansible.builtin.assert": {"that": [
            "'a secret is written as a whole' in field.msg", "'stores of type env cannot put' in env.msg", "'mutually exclusive' in both.msg"]}},
    ]  # fmt: skip
    for task in tasks:
        task["vars"] = {"canary": "{{ lookup('env', 'CANARY') }}", **task.get("vars", {})}
    output = play(case, tmp_path, tasks, hosts=1, arguments=("-vvv", "--diff"))
    assert "canary-7" not in output
    assert "+team://web/written: changed" in output
    assert "TASK [Names]" in output, "nothing ended before"


def test_declarations_may_be_templates(case: Case, tmp_path: Path) -> None:
    """Those of each host: what one host's variables give must not serve another's."""
    for number in range(2):
        directory = tmp_path / f"of-h{number}"
        directory.mkdir()
        (directory / "x").touch(mode=0o600)
        (directory / "x").write_text("x" * (number + 5))
    templated = case._replace(
        declared={"team": {"type": "file", "base": "{{ playbook_dir }}/of-{{ inventory_hostname }}"}}
    )
    output = play(
        templated, tmp_path, [{"name": "Look", "ansible.builtin.debug": {"msg": lookup("team://x")}}], hosts=2
    )
    assert '"msg": 5' in output.replace('"5"', "5")
    assert '"msg": 6' in output.replace('"6"', "6")


def test_two_declarations_of_one_name_in_one_file_are_warned_of(case: Case, tmp_path: Path) -> None:
    """YAML takes the last. Ansible says so; what is read is never a mixture of both."""
    book = tmp_path / "twice.yml"
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").touch(mode=0o600)
        (tmp_path / name / "x").write_text(name)
    stores = "".join(f"      team: {{type: file, base: {tmp_path}/{name}}}\n" for name in ("first", "second"))
    task = "  tasks:\n    - ansible.builtin.debug: {msg: \"{{ lookup('unified.deploy.secret', 'team://x') }}\"}\n"
    book.write_text(f"- hosts: localhost\n  gather_facts: false\n  vars:\n    secret_stores:\n{stores}{task}")
    env = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(INSTALLED), "ANSIBLE_NOCOLOR": "1"}
    argv = [Path(sys.executable).parent / "ansible-playbook", book]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env, timeout=60)
    assert done.returncode == 0
    assert "second" in done.stdout
    assert "team" in done.stderr
    assert "uplicate" in done.stderr


def test_kernel_without_the_call_has_no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python that was built elsewhere has it: each worker then reads itself, where all would wait for a broker that cannot be."""
    before = broker.address_for(os.getpid(), {"x": {"type": "env"}})
    monkeypatch.setattr(os, "pidfd_open", mock.Mock(side_effect=OSError(38, "Function not implemented")))
    assert isinstance(broker.resolver({"x": {"type": "env"}}, None, everywhere=True), Resolver)
    assert before[1:] not in Path("/proc/net/unix").read_text()


def test_name_of_the_socket_says_nothing_of_a_declaration() -> None:
    """Every user can read it: who guesses the declaration must not be able to see that the guess is right."""
    declared = {"prod": {"type": "vault", "password": "guessed"}}
    with subprocess.Popen(["sleep", "60"]) as other:
        addresses = [broker.address_for(pid, declared) for pid in (os.getpid(), other.pid)]
        assert broker.address_for(other.pid, declared) == addresses[1]
        other.kill()
    assert len({address.rpartition("-")[2] for address in addresses}) == 2
    assert hashlib.sha256(json.dumps(declared, sort_keys=True).encode()).hexdigest()[:16] not in addresses[0]


def test_broker_outlives_the_signals_that_end_a_job() -> None:
    """All processes of a job are sent them, the run's among them: the broker then gives back what was made for the run."""
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        broker._detach(tell)
        os.write(tell, b".")
        time.sleep(60)
        os._exit(0)
    assert os.read(told, 1) == b"."
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        os.kill(pid, number)
    time.sleep(0.3)
    assert os.waitpid(pid, os.WNOHANG) == (0, 0)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(told)
    os.close(tell)


def test_broker_that_was_killed_is_named(case: Case) -> None:
    address = f"\0unified-secrets-killed-{os.getpid()}"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    shared = broker.Shared(address)
    connection, _address = listener.accept()
    connection.close()
    with pytest.raises(UnavailableError, match="the process that keeps this run's secrets has ended"):
        shared.resolve("literal://x")
    listener.close()


def test_socket_of_another_user_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"\0unified-secrets-test-{os.getpid()}"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(PermissionError):
        broker.Shared(address)
    listener.close()
