"""Fixtures: disposable hosts, and playbooks run from the installed collection over SSH."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.hosts import __main__ as tool
from tests.hosts.network import ssh, ssh_options
from tests.hosts.store import ADMIN, Host

OVERLAY = ROOT / "inventories/example/group_vars/overlay.yml"
BENCHMARKS = [("cis", "l2_server"), ("stig_ready", "cat_3"), ("anssi", "minimal")]
EVERYTHING = {
    "compliance_benchmarks": [{"name": name, "level": level} for name, level in BENCHMARKS],
    "compliance_overlay": str(OVERLAY),
}
ANSIBLE = {
    "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "build" / "collections"),
    "ANSIBLE_PIPELINING": "1",
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_DEPRECATION_WARNINGS": "0",
}


@dataclass
class Play:
    """A finished playbook run."""

    code: int
    output: str
    results: Path

    def changed(self, host: str) -> int:
        recap = re.search(rf"^{host}\s*: .*changed=(\d+)", self.output, re.MULTILINE)
        assert recap, self.output[-3000:]
        return int(recap[1])

    def executions(self) -> int:
        """How many modules ran on hosts, as a play with -vvv tells."""
        return len(re.findall(r"SSH: EXEC .*python3", self.output))

    def model(self, host: str) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", json.loads((self.results / "hosts" / host / "result.json").read_text()))


@dataclass
class Target:
    """A test host and ways to reach it that use nothing of the collection."""

    host: Host
    directory: Path

    def shell(self, script: str) -> str:
        done = ssh(self.host, f"sudo bash -euo pipefail -c {_quote(script)}", timeout=900)
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def send(self, directory: Path, where: str) -> None:
        """Put what is in a directory into one of the host, which is there then."""
        names = sorted(path.name for path in directory.iterdir())
        packed = subprocess.run(["tar", "-C", directory, "-cf", "-", *names], check=True, capture_output=True).stdout
        script = f"sudo sh -c 'mkdir -p {where} && tar -C {where} --no-same-owner -xf -'"
        argv = ["ssh", *ssh_options(self.host), f"{ADMIN}@{self.host.address}", script]
        subprocess.run(argv, check=True, input=packed)

    def play(
        self,
        book: str,
        *arguments: str,
        fails: bool = False,
        variables: dict[str, t.Any] | None = None,
        python: str = sys.executable,
        inventory: str = "",
    ) -> Play:
        """Run unified.deploy.BOOK, or a file, on this host; asserts success unless FAILS."""
        inventory = inventory or str(self.directory / "inventory.json")
        (self.directory / "inventory.json").write_text(json.dumps(tool.inventory()))
        results = self.directory / "results"
        values = {"compliance_results": str(results), **(variables or {})}
        book = book if book.endswith(".yml") else f"unified.deploy.{book}"
        limits = ["-l", self.host.name, "-e", json.dumps(values), *arguments]
        return playbook(self.directory, book, inventory, *limits, fails=fails, python=python, results=results)


def playbook(
    directory: Path,
    book: str,
    inventory: str,
    *arguments: str,
    fails: bool = False,
    python: str = sys.executable,
    results: Path | None = None,
) -> Play:
    """Run a playbook from the installed collection in DIRECTORY; asserts success unless FAILS."""
    argv = [str(Path(python).parent / "ansible-playbook"), book, "-i", inventory, *arguments]
    done = subprocess.run(
        argv, capture_output=True, text=True, check=False, env={**os.environ, **ANSIBLE}, cwd=directory
    )
    output = done.stdout + done.stderr
    assert (done.returncode != 0) == fails, output[-6000:]
    return Play(done.returncode, output, results or directory)


def _quote(script: str) -> str:
    return "'" + script.replace("'", "'\\''") + "'"


def goss_for_hosts_without_a_package() -> dict[str, t.Any]:
    program = tool.goss()
    return {"compliance_goss_binary": {"src": str(program), "sha256": hashlib.sha256(program.read_bytes()).hexdigest()}}


def host_name(request: pytest.FixtureRequest) -> str:
    """A name by module; checkouts that test side by side set UNIFIED_TESTS, for their hosts share the machine."""
    _tests, package, module = request.module.__name__.split(".")
    own = "" if package == "integration" else f"{package}-"
    return f"{os.environ.get('UNIFIED_TESTS', 'it')}-{own}{module.removeprefix('test_').replace('_', '-')}"


def _target(name: str, kind: str, suite: str, directory: Path, root: str = "") -> t.Iterator[Target]:
    host = tool.up(name, kind, suite, root)
    try:
        yield Target(host, directory)
    finally:
        tool.down([name])


@pytest.fixture(scope="module")
def container(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Target]:
    name = host_name(request)
    yield from _target(name, "container", "debian13", tmp_path_factory.mktemp(name))


@pytest.fixture(scope="module")
def uml(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Target]:
    lacks = tool.KINDS["uml"].missing()
    if lacks:
        pytest.skip("this machine cannot run uml hosts: " + "; ".join(lacks))
    name = f"{host_name(request)}-uml"  # a module may have a host of each kind, and the younger of one name replaces the older
    yield from _target(name, "uml", "debian13", tmp_path_factory.mktemp(name))
