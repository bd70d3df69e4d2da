"""Measure secrets: requests and time of many lookups; a SOPS file and the roles secrets and vault with nothing to do.

Writes build/bench_secrets.json and prints a table. Vault is the fake of tests/fakes: it counts requests; its speed is not measured. The role
vault is measured with the server of BAO_BIN or VAULT_BIN where UNIFIED_TEST_VAULT is set, else with a stand-in; `vault_role_server` says which.
"""

from __future__ import annotations

import contextlib
import json
import operator
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "build/collections"))

from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

_AnsibleCollectionFinder(paths=[str(ROOT / "build/collections")])._install()

from ansible_collections.unified.deploy.plugins.module_utils._vault.client import VaultClient
from ansible_collections.unified.deploy.plugins.plugin_utils._secrets.resolver import Resolver

from tests.fakes import vault as fake
from tests.hosts import __main__ as tool
from tests.secrets import programs

NAME = "bench-secrets"
RUNS = 5


def play(
    directory: Path, tasks: list[dict[str, t.Any]], inventory: str = "localhost,", verbose: str = "", **options: t.Any
) -> tuple[float, str]:
    """Wall seconds and output of a play."""
    book = directory / "play.yml"
    book.write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": tasks, **options}]))
    env = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "build/collections"),
    }
    argv = [ROOT / ".venv/bin/ansible-playbook", book, "-i", inventory, *([verbose] if verbose else [])]
    started = time.monotonic()
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        raise SystemExit(f"bench: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return time.monotonic() - started, done.stdout


def lookups(directory: Path) -> dict[str, t.Any]:
    """1,000 lookups over 10 paths, beside the same play without them."""
    with fake.FakeVault(directory) as server:
        entries = server.objects.setdefault("kv/secret", {})
        for number in range(10):
            fields = {f"field{field}": f"value-{number}-{field}" for field in range(100)}
            version = {"data": fields, "created_time": "t", "deletion_time": "", "destroyed": False}
            entries[f"app/{number}"] = {**server._entry(), "current_version": 1, "versions": {"1": version}}
        store = {"type": "vault", "url": server.url, "ca_path": server.ca, "token": fake.ROOT, "kv_version": 2}
        references = [f"team://app/{number}#field{field}" for field in range(100) for number in range(10)]
        looped = "{% for r in references %}{{ lookup('unified.deploy.secret', r) }}{% endfor %}"
        variables = {"secret_stores": {"team": store}, "references": references}
        with_them = [
            {
                "name": "Look up",
                "ansible.builtin.assert": {"that": ["looked_up | length > 9000"]},
                "vars": {"looked_up": looped},
            }
        ]
        without = [{"name": "No look-up", "ansible.builtin.assert": {"that": ["references | length == 1000"]}}]
        times, requests = [], []
        for _run in range(RUNS):
            base = play(directory, without, vars=variables, connection="local")[0]
            before = len(server.requests)
            times.append(play(directory, with_them, vars=variables, connection="local")[0] - base)
            requests.append(len(server.requests) - before)
        return {"vault_requests": max(requests), "lookup_1000_s": round(statistics.median(times), 3)}


def many_hosts(directory: Path) -> dict[str, t.Any]:
    """20 hosts that look up the same 10 secrets, logged in by AppRole."""
    with fake.FakeVault(directory) as server:
        entries = server.objects.setdefault("kv/secret", {})
        for number in range(10):
            version = {"data": {"v": str(number)}, "created_time": "t", "deletion_time": "", "destroyed": False}
            entries[f"app/{number}"] = {**server._entry(), "current_version": 1, "versions": {"1": version}}
        server.auth["approle"] = server._mount("approle", {})
        root = VaultClient({"url": server.url, "ca_path": server.ca, "token": fake.ROOT})
        root.write("sys/policies/acl/x", policy='path "secret/*" { capabilities = ["read"] }')
        root.write("auth/approle/role/app", token_policies=["x"])
        login = {
            "auth_method": "approle",
            "role_id": root.request("GET", "auth/approle/role/app/role-id")["data"]["role_id"],
            "secret_id": root.write("auth/approle/role/app/secret-id")["data"]["secret_id"],
        }
        store = {"type": "vault", "url": server.url, "ca_path": server.ca, "kv_version": 2, **login}
        references = [f"team://app/{number}#v" for number in range(10)]
        value = "{{ query('unified.deploy.secret', *references) | join }}"
        tasks = [{"name": "Look up", "ansible.builtin.debug": {"msg": value}}]
        server.requests.clear()
        variables = {"secret_stores": {"team": store}, "references": references}
        play(directory, tasks, "".join(f"h{number}," for number in range(20)), vars=variables, connection="local")
        paths = [request.path for request in server.requests]
        return {
            "vault_logins_20_hosts": paths.count("/v1/auth/approle/login"),
            "vault_reads_20_hosts": sum(path.startswith("/v1/secret/data/") for path in paths),
        }


def hanging(directory: Path) -> dict[str, t.Any]:
    """Seconds until ten references on a server that does not answer have failed, with the time-out as it is."""
    with fake.FakeVault(directory) as server:
        store = {"type": "vault", "url": server.url, "ca_path": server.ca, "token": fake.ROOT, "kv_version": 2}
        server.fault = 30.0
        texts = [f"team://app/{number}#v" for number in range(10)]
        started = time.monotonic()
        failed = len(Resolver({"team": store}).check(texts))
        return {"hanging_failed": failed, "hanging_s": round(time.monotonic() - started, 1)}


def dynamic(directory: Path) -> dict[str, t.Any]:
    """A dynamic credential that 20 hosts use twice: leases made, and those that are left after the run."""
    with fake.FakeVault(directory) as server:
        server.mounts["db"] = server._mount("database", None)
        server.objects["db/roles/app"] = {"default_ttl": 3600}
        stores = {"team": {"type": "vault", "url": server.url, "ca_path": server.ca, "token": fake.ROOT}}
        value = "{{ lookup('unified.deploy.secret', 'team+db://creds/app#username') | length }}"
        tasks = [{"name": f"Use {number}", "ansible.builtin.debug": {"msg": value}} for number in range(2)]
        os.environ["XDG_STATE_HOME"] = str(directory)
        hosts = "".join(f"h{number}," for number in range(20))
        play(directory, tasks, hosts, vars={"secret_stores": stores}, connection="local")
        programs.until(lambda: len(server.leases), lambda left: left == 0)
        made = sum(request.path == "/v1/db/creds/app" for request in server.requests)
        return {"dynamic_leases_20_hosts": made, "dynamic_leases_left": len(server.leases)}


def counted_sops(directory: Path) -> Path:
    """Put a sops on the PATH that writes each call's arguments to the file that is returned."""
    real = programs.build() / "sops"
    (directory / "bin").mkdir()
    log = directory / "calls"
    wrapper = directory / "bin/sops"
    wrapper.write_text(f'#!/bin/sh\necho "$@" >> {log}\nexec {real} "$@"\n')
    wrapper.chmod(0o755)
    os.environ["PATH"] = f"{wrapper.parent}:{programs.build()}:{os.environ['PATH']}"
    return log


def sops(directory: Path) -> dict[str, t.Any]:
    """Programs that sops_file starts where nothing is to do."""
    log = counted_sops(directory)
    from tests.secrets.modules import run

    recipient = run("age_key", {"path": str(directory / "key")})["recipient"]
    path = directory / "x.yaml"
    arguments = {
        "path": str(path),
        "data": {"a": {"b": "c"}},
        "age": [recipient],
        "age_key_file": str(directory / "key"),
    }
    run("sops_file", arguments)
    os.utime(path, (1, 1))
    log.write_text("")
    changed = run("sops_file", arguments)["changed"]
    calls = log.read_text().splitlines()
    return {
        "sops_noop_decryptions": sum(line.startswith("decrypt") for line in calls),
        "sops_noop_programs": len(calls),
        "sops_noop_changed": changed or path.stat().st_mtime != 1,
    }


def vars_plugin(directory: Path) -> dict[str, t.Any]:
    """100 encrypted files of variables for 50 hosts, beside the same play with 100 plain ones."""
    key = directory / "vars-key"
    programs.run(programs.build() / "age-keygen", "-o", key)
    recipient = programs.run(programs.build() / "age-keygen", "-y", key).decode().strip()
    os.environ.update(SOPS_AGE_KEY_FILE=str(key), ANSIBLE_VARS_ENABLED="host_group_vars,unified.deploy.sops")
    log = counted_sops(directory)
    walls = {}
    for ending in ("yaml", "sops.yaml"):
        site = directory / ending
        names = [f"host_vars/h{number}" for number in range(50)] + [f"group_vars/g{number}" for number in range(50)]
        for number, name in enumerate(names):
            path = site / f"{name}.{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"value{number}: {number}\n")
            if ending == "sops.yaml":
                programs.run(programs.build() / "sops", "encrypt", "--in-place", "--age", recipient, path)
        (site / "hosts").write_text("".join(f"[g{number}]\nh{number}\n" for number in range(50)))
        task = {
            "name": "Use them",
            "ansible.builtin.assert": {"that": ["vars['value' ~ inventory_hostname[1:]] is defined"]},
        }
        log.write_text("")
        walls[ending] = [play(site, [task], str(site / "hosts"), connection="local")[0] for _run in range(RUNS)]
    decrypted = len(log.read_text().splitlines()) / RUNS
    extra = statistics.median(walls["sops.yaml"]) - statistics.median(walls["yaml"])
    return {"vars_files_decrypted_100": decrypted, "vars_files_100_s": round(extra, 2)}


def role(directory: Path) -> dict[str, t.Any]:
    """The role secrets with 50 secrets and nothing to do."""
    store = directory / "store"
    store.mkdir()
    for number in range(50):
        path = store / str(number)
        path.touch(mode=0o600)
        path.write_text(f"value-{number}\n")
    variables = {
        "secret_stores": {"team": {"type": "file", "base": str(store)}},
        "secrets_files": [{"path": f"/run/bench/{number}", "reference": f"team://{number}"} for number in range(40)],
        "secrets_credentials": [
            {"name": f"bench-{number}", "reference": f"team://{number}"} for number in range(40, 50)
        ],
    }
    tool.up(NAME, "container", "debian13")
    try:
        inventory = directory / "inventory.json"
        inventory.write_text(json.dumps(tool.inventory()))
        options: dict[str, t.Any] = {"hosts": NAME, "become": True, "vars": variables}
        tasks = [{"name": "Deliver", "ansible.builtin.include_role": {"name": "unified.deploy.secrets"}}]
        play(directory, tasks, str(inventory), **options)
        times = []
        for _run in range(RUNS):
            wall, output = play(directory, tasks, str(inventory), "-vvv", **options)
            times.append(wall)
        changed = re.search(rf"^{NAME}\s*: .*changed=(\d+)", output, re.MULTILINE)
        return {
            "secrets_role_executions": len(re.findall(r"SSH: EXEC .*python3", output)),
            "secrets_role_changed": int(changed[1]) if changed else -1,
            "secrets_role_s": round(statistics.median(times), 2),
        }
    finally:
        tool.down([NAME])


def vault(directory: Path) -> dict[str, t.Any]:
    """The role vault on three hosts with nothing to do."""
    from tests.vault import cluster as servers

    with servers.servers(directory) as cluster:
        cluster.play()
        times = []
        for _run in range(RUNS):
            started = time.monotonic()
            again = cluster.play("-vvv")
            times.append(time.monotonic() - started)
        return {
            "vault_role_server": "real" if servers.REAL else "stand-in",
            "vault_role_executions": max(cluster.executions(again).values()),
            "vault_role_changed": sum(again.changed(name) for name in servers.NAMES),
            "vault_role_s": round(statistics.median(times), 2),
        }


GOALS = {
    "vault_requests": "10",
    "lookup_1000_s": "< 1",
    "vault_logins_20_hosts": "1",
    "vault_reads_20_hosts": "10",
    "hanging_failed": "10",
    "hanging_s": "< 15",
    "dynamic_leases_20_hosts": "1",
    "dynamic_leases_left": "0",
    "sops_noop_decryptions": "1",
    "vars_files_decrypted_100": "100",
    "vars_files_100_s": "< 5",
    "secrets_role_executions": "1",
    "vault_role_executions": "<= 5",
    "vault_role_changed": "0",
    "vault_role_s": "< 6",
}


def met(value: t.Any, goal: str) -> bool:
    """Whether a figure is what was to be reached; one without a goal is."""
    relation, _space, limit = goal.rpartition(" ")
    return not goal or {"": operator.eq, "<": operator.lt, "<=": operator.le}[relation](value, float(limit))


def main() -> int:
    """Measure what is asked for; 1 where a count is not what it has to be."""
    figures: dict[str, t.Any] = {}
    asked = sys.argv[1:]
    for name, measure in (
        ("lookups", lookups),
        ("many hosts", many_hosts),
        ("a server that hangs", hanging),
        ("dynamic secrets", dynamic),
        ("sops_file", sops),
        ("vars plugin", vars_plugin),
        ("role secrets", role),
        ("role vault", vault),
    ):
        if asked and name not in asked:
            continue
        print(f"bench: {name}", flush=True)
        with tempfile.TemporaryDirectory() as directory, contextlib.chdir(directory):
            figures.update(measure(Path(directory)))
    if not asked:
        (ROOT / "build/bench_secrets.json").write_text(json.dumps(figures, indent=2) + "\n")
    missed = [name for name, value in figures.items() if not met(value, GOALS.get(name, ""))]
    for name, value in figures.items():
        print(f"{name:<26}{value!s:>8}   {GOALS.get(name, '')}{'   MISSED' if name in missed else ''}")
    # A busy machine misses limits of time; a count is the same everywhere.
    return int(any(not name.endswith("_s") for name in missed))


if __name__ == "__main__":
    sys.exit(main())
