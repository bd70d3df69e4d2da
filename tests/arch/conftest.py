"""One virtual machine an architecture, and what is measured on it."""

from __future__ import annotations

import os
import re
import time
import typing as t
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.hosts import __main__ as tool
from tests.hosts import vm
from tests.integration.conftest import OVERLAY, Play, Target, goss_for_hosts_without_a_package

from . import figures

ARCHITECTURES = os.environ.get("UNIFIED_ARCHITECTURES", "amd64").split(",")
SUITE = os.environ.get("UNIFIED_SUITE", "debian13")
# As grub-mkpasswd-pbkdf2 prints one; of no password that anybody knows.
HASH = (
    "grub.pbkdf2.sha512.1000.5A0C1D6E1F2A3B4C5D6E7F8091A2B3C4D5E6F708192A3B4C5D6E7F8091A2B3C4"
    ".0F1E2D3C4B5A69788796A5B4C3D2E1F00F1E2D3C4B5A69788796A5B4C3D2E1F00F1E2D3C4B5A69788796A5B4C3D2E1F00F1E2D3C4B5A69788796A5B4C3D2E1F0"
)
CIS = {"name": "cis", "level": "l2_server"}
SITE = {
    "compliance_benchmarks": [CIS, {"name": "stig_ready", "level": "cat_3"}],
    "compliance_overlay": str(OVERLAY),
    "hardening_boot_password": HASH,
    # An emulated machine takes long over everything.
    "hardening_confirm_seconds": 1800,
}


BOOT_ALONE = {"compliance_kinds": ["boot", "boot_password"], "compliance_walk": False}


@dataclass
class Machine(Target):
    """A virtual machine, with the figures that tests took on it."""

    taken: dict[str, t.Any] = field(default_factory=dict)

    @contextmanager
    def timed(self, what: str) -> t.Iterator[None]:
        started = time.monotonic()
        yield
        self.taken[what] = round(time.monotonic() - started, 1)

    @property
    def site(self) -> dict[str, t.Any]:
        """What is asked of the machine's release: of Debian 12 there are no rules of the STIG and no package of Goss."""
        if self.host.suite == "debian13":
            return SITE
        return {**SITE, "compliance_benchmarks": [CIS], **goss_for_hosts_without_a_package()}

    def harden(self, *arguments: str, **variables: t.Any) -> Play:
        return self.play("harden_hosts", *arguments, variables={**self.site, **variables})

    def audit(self, **variables: t.Any) -> Play:
        return self.play("audit_hosts", variables={**self.site, **variables})

    def boot_rules(self) -> dict[str, t.Any]:
        """What an audit says of the kinds that are about the boot."""
        return self.rules(self.audit(**BOOT_ALONE))

    def mend(self, *arguments: str, fails: bool = False) -> Play:
        """Harden the boot alone."""
        return self.play("harden_hosts", *arguments, variables={**self.site, **BOOT_ALONE}, fails=fails)

    def mended(self) -> dict[str, t.Any]:
        """What holds of the boot after it was hardened."""
        return self.rules(self.mend())

    def rules(self, play: Play) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", play.model(self.host.name)["rules"])

    def said(self) -> int:
        """How much was written to the console so far."""
        return (self.host.directory / "console.log").stat().st_size

    def cut_at(self, mark: str, since: int, *, within: float = vm.BOOT_SECONDS) -> None:
        """Cut the power the moment that MARK is on the console, of which the first SINCE bytes do not count."""
        deadline = time.monotonic() + within
        with (self.host.directory / "console.log").open("rb") as console:
            console.seek(since)
            text = b""
            while mark.encode() not in (text := text[-len(mark) :] + console.read()):
                if time.monotonic() > deadline:
                    pytest.fail(f"'{mark}' was not on the console of {self.host.name} within {within:.0f} s")
                time.sleep(0.02)
        vm.end(self.host)

    def boot(self) -> None:
        vm.boot(self.host, self.host.directory / "disk.qcow2", "qcow2")


_ENDED: dict[tuple[str, str], Counter[str]] = {}
"""By test file and architecture, how many tests ended how."""


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    path, _mark, name = report.nodeid.partition("::")
    architecture = re.search(rf"\[.*\b({'|'.join(vm.MACHINES)})\b", name)
    if architecture and Path(path).parent.name == "arch" and (report.when == "call" or not report.passed):
        _ENDED.setdefault((Path(path).stem, architecture[1]), Counter())[report.outcome] += 1


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Keep which files passed, whole and on which architecture."""
    whole = not session.config.option.keyword and not any("::" in word for word in session.config.args)
    for (name, architecture), ended in _ENDED.items() if whole and SUITE == "debian13" else ():
        if set(ended) == {"passed"}:
            figures.keep("suites", f"{name} {architecture}", {"passed": ended["passed"]})


@pytest.fixture(scope="session", params=ARCHITECTURES)
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Machine]:
    architecture = request.param
    if lacks := vm.missing(architecture):
        stop = pytest.fail if "UNIFIED_ARCHITECTURES" in os.environ else pytest.skip
        stop(f"this machine cannot run {architecture} machines: {'; '.join(lacks)}")
    vm.disk(SUITE, architecture)
    machine_of = architecture if SUITE == "debian13" else f"{SUITE} {architecture}"
    name = f"{os.environ.get('UNIFIED_TESTS', 'arch')}-{machine_of.replace(' ', '-')}"
    started = time.monotonic()
    host = tool.up(name, "vm", SUITE, architecture=architecture)
    made = Machine(host, tmp_path_factory.mktemp(name))
    made.taken["boot"] = round(time.monotonic() - started, 1)
    try:
        yield made
    finally:
        # What is kept speaks of a machine on which all held.
        if not request.session.testsfailed:
            figures.note(machine_of, made.taken)
        tool.down([name])
