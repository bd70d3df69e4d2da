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
# By the program that reads them, what archives are made with and of: the host's packages, and the command that publishes one.
SIGNING = ("gpg", "gpg-agent", "openssl")
ARCHIVES = {
    "apt": (("apt-utils", *SIGNING), "publish"),
    "dnf": (("dnf", "createrepo-c", "rpm", *SIGNING), "publish-rpm"),
}
# The kernel of clouds is a third of the size of the other, and built of the same source.
NEEDED = ("linux-image-cloud-amd64", "unattended-upgrades", *ARCHIVES["apt"][0])
STANDIN = {"apt": {"name": "standin-tool", "version": "1.0-1"}, "dnf": {"name": "standin-tool", "version": "1.0"}}


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

    def publish(self, archive: str, signer: str, *packages: dict[str, str], manager: str = "apt") -> None:
        self.program(ARCHIVES[manager][1], archive, signer, stdin=json.dumps(packages))

    def pinned(self, key: str = "vendor", fingerprint: str = "vendor") -> dict[str, t.Any]:
        """A key as gpu_repository takes it, with the fingerprint of one, mostly its own."""
        return {"key": self.armored(key), "fingerprints": [self.keys[fingerprint]]}

    def repository(
        self, manager: str, archive: str, *, key: str = "vendor", pinned: str = "vendor", **more: t.Any
    ) -> dict[str, t.Any]:
        """What gpu_repository is asked for an archive, read by apt or dnf."""
        suites = {"suites": ["/"]} if manager == "apt" else {}
        url = f"{URL}/{archive}"
        return {"name": "standin", "manager": manager, "url": url, **suites, **self.pinned(key, pinned), **more}

    def module(self, name: str, arguments: dict[str, t.Any], *, check: bool = False) -> dict[str, t.Any]:
        """What a module of the collection answers on the host."""
        inventory = self.target.directory / "inventory.json"
        inventory.write_text(json.dumps(tool.inventory()))
        argv = [str(Path(sys.executable).parent / "ansible"), self.target.host.name, "-i", str(inventory), "-b"]
        argv += ["-m", f"unified.deploy.{name}", *(["-a", json.dumps(arguments)] if arguments else [])]
        argv += ["--check"] if check else []
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


def four_archives(target: Target, manager: str) -> Vendor:
    """A host with four archives: of the vendor's key, of a stranger's, of one that has expired, and of none."""
    made = vendor(target, ARCHIVES[manager][0])
    for name in ("vendor", "stranger"):
        made.key(name)
    made.key("expired", "30d", "2020")
    for archive, signer in (("good", "vendor"), ("foreign", "stranger"), ("old", "expired"), ("unsigned", "-")):
        made.publish(archive, signer, STANDIN[manager], manager=manager)
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
