"""Hosts for the role vault, and ways to their servers that use nothing of the collection."""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import hashlib
import http.server
import itertools
import json
import os
import re
import ssl
import threading
import typing as t
import urllib.request
from pathlib import Path

import pytest
import yaml

from tests.hosts import __main__ as tool
from tests.hosts.network import connect
from tests.integration.conftest import Play, Target, playbook
from tests.secrets import leaks, programs

from .server import binary, direct, patiently

REAL = binary()
FLAVOUR = "vault" if REAL and not os.environ.get("BAO_BIN") else "openbao"
# Checkouts that test side by side have names of their own.
HOST = f"{os.environ.get('UNIFIED_TESTS', 'it')}-vault"
SUITES = ("debian13", "debian13", "debian12", "debian13", "debian12")
NAMES = [f"{HOST}-{number}" for number in (1, 2, 3)]
FIRST = NAMES[0]


class Cluster:
    """Hosts, and ways to their servers that use nothing of the collection."""

    def __init__(self, directory: Path, hosts: dict[str, Target]) -> None:
        self.directory = directory
        self.hosts = hosts
        self.ca = str(directory / "vault/ca.pem")
        self.variables: dict[str, t.Any] = {"vault_shares": 3, "vault_threshold": 2}
        self.flavour(FLAVOUR)

    def flavour(self, name: str) -> None:
        self.unit = self.variables["vault_flavour"] = name
        self.program = "bao" if name == "openbao" else "vault"

    def builds(self, program: Path) -> None:
        build = {"src": str(program), "sha256": hashlib.sha256(program.read_bytes()).hexdigest()}
        self.variables["vault_builds"] = {os.uname().machine: build}

    def play(self, *arguments: str, fails: bool = False, entry: str = "main", **variables: t.Any) -> Play:
        """Run an entry point of the role."""
        role = {
            "name": "Cluster",
            "ansible.builtin.include_role": {"name": "unified.deploy.vault", "tasks_from": entry},
        }
        play = {
            "name": "Test",
            "hosts": "vault",
            "gather_facts": False,
            "tasks": [role],
            "vars": {**self.variables, **variables},
        }
        book = self.directory / "play.yml"
        book.write_text(yaml.safe_dump([play]))
        return playbook(self.directory, str(book), self._inventory(), *arguments, fails=fails)

    def rebuild(self, snapshot: Path, *arguments: str, fails: bool = False) -> Play:
        """Run the playbook restore_vault, as an operator would whose variables stand in the inventory."""
        snapshot_arguments = ["-e", f"vault_snapshot_path={snapshot}"]
        book = "unified.deploy.restore_vault"
        return playbook(self.directory, book, self._inventory(), *snapshot_arguments, *arguments, fails=fails)

    def _inventory(self) -> str:
        groups = t.cast("dict[str, t.Any]", tool.inventory())["all"]["children"]
        facts = {name: host for group in groups.values() for name, host in group["hosts"].items() if name in self.hosts}
        path = self.directory / "hosts.json"
        path.write_text(json.dumps({"all": {"children": {"vault": {"hosts": facts, "vars": self.variables}}}}))
        return str(path)

    def secret(self, name: str) -> t.Any:
        shown = programs.run(programs.build() / "sops", "decrypt", self.directory / f"vault/{name}.sops.json")
        return json.loads(shown)

    @property
    def secrets(self) -> list[str]:
        keys = [self.secret(f"unseal_key_{number}")["key"] for number in (1, 2, 3)]
        return [*keys, self.secret("root_token")["token"]]

    def ask(self, name: str, path: str, body: t.Any = None, *, token: str = "", method: str = "") -> t.Any:
        context = ssl.create_default_context(cafile=self.ca)
        url = f"https://{self.hosts[name].host.address}:8200/v1/{path}"
        content = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(url, content, {"X-Vault-Token": token} if token else {}, method=method or None)
        with direct(context).open(request, timeout=30) as answer:
            return json.loads(answer.read() or b"{}")

    def health(self, name: str) -> dict[str, t.Any]:
        with contextlib.suppress(OSError):
            query = "standbyok=true&sealedcode=200&uninitcode=200"
            return t.cast("dict[str, t.Any]", self.ask(name, f"sys/health?{query}"))
        return {"initialized": False, "sealed": True, "standby": True, "version": ""}

    def awake(self) -> list[str]:
        return [name for name in self.hosts if not self.health(name)["sealed"]]

    def leader(self) -> str:
        def leaders() -> list[str]:
            return [name for name in self.hosts if not self.health(name)["standby"] and not self.health(name)["sealed"]]

        # An election takes a dozen seconds on an idle machine.
        return programs.until(leaders, lambda names: len(names) == 1, 120)[0]

    def mount(self) -> None:
        """A KV engine of version 2 at ``secret``, and wait until it is ready to be written to."""
        mount = {"type": "kv", "options": {"version": "2"}}
        self.ask(FIRST if FIRST in self.hosts else next(iter(self.hosts)), "sys/mounts/secret", mount, token=self.token)
        self.write("ready", "yes")

    @functools.cached_property
    def token(self) -> str:
        return str(self.secret("root_token")["token"])

    def write(self, key: str, value: str) -> None:
        """Until it is acknowledged: while servers elect a leader, none takes anything."""
        body = {"data": {"value": value}}
        patiently(lambda: self.ask(self.leader(), f"secret/data/{key}", body, token=self.token))

    def read(self, name: str, key: str) -> str:
        """The value, from this very server: a standby answers reads itself, and knows a write a moment after the leader."""
        answer = patiently(lambda: self.ask(name, f"secret/data/{key}", token=self.token))
        return str(answer["data"]["data"]["value"])

    def voters(self) -> list[str]:
        """Names of the servers that have a vote."""
        path = "sys/storage/raft/configuration"
        servers = self.ask(self.leader(), path, token=self.token)["data"]["config"]["servers"]
        addresses = {server["address"].rpartition(":")[0] for server in servers if server["voter"]}
        return [name for name, host in self.hosts.items() if host.host.address in addresses]

    def systemd(self, name: str, key: str) -> str:
        return self.hosts[name].shell(f"systemctl show {self.unit} --value -p {key}").strip()

    def executions(self, play: Play) -> dict[str, int]:
        """How many modules a run at -vvv executed on each host."""
        return {
            name: len(re.findall(rf"<{host.host.address}> SSH: EXEC .*python3", play.output))
            for name, host in self.hosts.items()
        }

    def starts(self) -> dict[str, int]:
        """When each server started, in microseconds of the one clock that containers share."""
        return {name: int(self.systemd(name, "ExecMainStartTimestampMonotonic")) for name in self.hosts}


@contextlib.contextmanager
def servers(directory: Path, names: t.Sequence[str] = NAMES, clocks: t.Collection[str] = ()) -> t.Iterator[Cluster]:
    """Hosts for a cluster whose keys one age key opens. Those named in CLOCKS have a kernel, and so a clock, of their own."""
    patch = pytest.MonkeyPatch()
    programs.on_path(patch)
    key = directory / "age.txt"
    programs.run("age-keygen", "-o", key)
    patch.setenv("SOPS_AGE_KEY_FILE", str(key))
    try:
        kinds = {name: "uml" if name in clocks else "container" for name in names}
        hosts = {name: Target(tool.up(name, kinds[name], suite), directory) for name, suite in zip(names, SUITES)}
        for name, other in itertools.product(clocks, names):
            if other != name:
                connect(hosts[name].host, hosts[other].host)
        made = Cluster(directory, hosts)
        made.variables["vault_age"] = [programs.run("age-keygen", "-y", key).decode().strip()]
        made.builds(Path(REAL) if REAL else programs.fake_bao("2.4.1"))
        yield made
    finally:
        tool.down(list(names))
        patch.undo()


class Watch(leaks.Sampler):
    """How many servers were unsealed at the worst moment while it is open."""

    every = 0.05

    def __init__(self, cluster: Cluster) -> None:
        super().__init__()
        self.cluster, self.fewest = cluster, len(cluster.hosts)

    def sample(self) -> None:
        # At once: one after another, a busy machine would count two that were never away together.
        with concurrent.futures.ThreadPoolExecutor() as pool:
            sealed = [health["sealed"] for health in pool.map(self.cluster.health, self.cluster.hosts)]
        self.fewest = min(self.fewest, sealed.count(False))


@contextlib.contextmanager
def served(directory: Path, host: Target) -> t.Iterator[str]:
    """The address at which a host finds the files of a directory."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(directory))
    server = http.server.ThreadingHTTPServer((host.host.gateway, 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://{host.host.gateway}:{server.server_address[1]}"
    finally:
        server.shutdown()
