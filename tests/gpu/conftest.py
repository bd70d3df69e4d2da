"""A host with a kernel that can boot, stand-in archives inside it, and modules of the collection run on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.hosts import __main__ as tool
from tests.hosts.network import ssh
from tests.integration.conftest import ANSIBLE, ROOT, Target, _quote, host_name

ARCHIVE = "/srv/standin"
URL = "https://127.0.0.1:8443"
PROGRAM = ROOT / "tests/fakes/gpu_archive.py"
# The kernel of clouds is a third of the size of the other, and built of the same source.
NEEDED = ("linux-image-cloud-amd64", "apt-utils", "gpg", "gpg-agent", "openssl", "unattended-upgrades")


@dataclass
class Vendor:
    """A host with archives of its own."""

    target: Target
    keys: dict[str, str] = field(default_factory=dict)

    def program(self, *argv: str, stdin: str = "") -> str:
        return self.target.shell(f"printf %s {_quote(stdin)} | python3 {ARCHIVE}.py {ARCHIVE} {' '.join(argv)}").strip()

    def key(self, name: str, *lifetime: str) -> str:
        self.keys[name] = self.program("key", name, *lifetime)
        return self.keys[name]

    def armored(self, name: str) -> str:
        return self.target.shell(f"cat {ARCHIVE}/{name}.asc")

    def publish(self, archive: str, signer: str, *packages: dict[str, str]) -> None:
        self.program("publish", archive, signer, stdin=json.dumps(packages))

    def module(self, name: str, arguments: dict[str, t.Any], *, check: bool = False) -> dict[str, t.Any]:
        """What a module of the collection answers on the host."""
        inventory = self.target.directory / "inventory.json"
        inventory.write_text(json.dumps(tool.inventory()))
        argv = [str(Path(sys.executable).parent / "ansible"), self.target.host.name, "-i", str(inventory), "-b"]
        argv += ["-m", f"unified.deploy.{name}", "-a", json.dumps(arguments), *(["--check"] if check else [])]
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **ANSIBLE, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"},
        )
        state, arrow, answer = done.stdout.partition("=> ")
        assert arrow, done.stdout + done.stderr
        return {**json.loads(answer), "failed": "FAILED" in state}


def vendor(target: Target, packages: t.Sequence[str] = NEEDED) -> Vendor:
    install = "DEBIAN_FRONTEND=noninteractive apt-get -y -qq install --no-install-recommends"
    for script in ("apt-get -qq update", f"{install} {' '.join(packages)} >/dev/null"):
        done = ssh(target.host, f"sudo bash -c {_quote(script)}", timeout=590)
        assert done.returncode == 0, done.stdout + done.stderr
    with PROGRAM.open() as program:
        text = program.read()
    target.shell(f"cat > {ARCHIVE}.py <<'PROGRAM'\n{text}\nPROGRAM")
    made = Vendor(target)
    made.program("certify")
    target.shell(f"systemd-run --quiet --unit standin python3 {ARCHIVE}.py {ARCHIVE} serve")
    return made


@pytest.fixture(scope="module")
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Target]:
    name = host_name(request)
    started = tool.up(name, "container", "debian13")
    try:
        yield Target(started, tmp_path_factory.mktemp(name))
    finally:
        tool.down([name])


def pytest_terminal_summary(terminalreporter: t.Any) -> None:
    """Print what tests measured, beside the goals of docs/gpu.md."""
    figures = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, value in report.user_properties
        if name == "figure"
    ]
    if figures:
        terminalreporter.section("figures")
        terminalreporter.write_line("\n".join(figures))
