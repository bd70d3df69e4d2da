"""One virtual machine an architecture, and what is measured on it."""

from __future__ import annotations

import os
import time
import typing as t
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from tests.hosts import __main__ as tool
from tests.hosts import vm
from tests.integration.conftest import OVERLAY, Play, Target

from . import figures

ARCHITECTURES = os.environ.get("UNIFIED_ARCHITECTURES", "amd64").split(",")
# As grub-mkpasswd-pbkdf2 prints one; of no password that anybody knows.
HASH = (
    "grub.pbkdf2.sha512.1000.5A0C1D6E1F2A3B4C5D6E7F8091A2B3C4D5E6F708192A3B4C5D6E7F8091A2B3C4"
    ".0F1E2D3C4B5A69788796A5B4C3D2E1F00F1E2D3C4B5A69788796A5B4C3D2E1F00F1E2D3C4B5A69788796A5B4C3D2E1F00F1E2D3C4B5A69788796A5B4C3D2E1F0"
)
SITE = {
    "compliance_benchmarks": [{"name": "cis", "level": "l2_server"}],
    "compliance_overlay": str(OVERLAY),
    "hardening_boot_password": HASH,
    # An emulated machine takes long over everything.
    "hardening_confirm_seconds": 1800,
}


@dataclass
class Machine(Target):
    """A virtual machine, with the figures that tests took on it."""

    taken: dict[str, t.Any] = field(default_factory=dict)

    @contextmanager
    def timed(self, what: str) -> t.Iterator[None]:
        started = time.monotonic()
        yield
        self.taken[what] = round(time.monotonic() - started, 1)

    def harden(self, **variables: t.Any) -> Play:
        return self.play("harden_hosts", variables={**SITE, **variables})

    def audit(self, **variables: t.Any) -> Play:
        return self.play("audit_hosts", variables={**SITE, **variables})

    def boot_rules(self, **variables: t.Any) -> dict[str, t.Any]:
        """What an audit says of the kinds that are about the boot."""
        play = self.audit(compliance_kinds=["boot", "boot_password"], compliance_walk=False, **variables)
        return t.cast("dict[str, t.Any]", play.model(self.host.name)["rules"])

    def mend(self, *, fails: bool = False) -> Play:
        """Harden the boot alone."""
        only = {"compliance_kinds": ["boot", "boot_password"], "compliance_walk": False}
        return self.play("harden_hosts", variables={**SITE, **only}, fails=fails)


@pytest.fixture(scope="session", params=ARCHITECTURES)
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Machine]:
    architecture = request.param
    if lacks := vm.missing(architecture):
        pytest.skip(f"this machine cannot run {architecture} machines: {'; '.join(lacks)}")
    vm.disk("debian13", architecture)
    name = f"{os.environ.get('UNIFIED_TESTS', 'arch')}-{architecture}"
    started = time.monotonic()
    host = tool.up(name, "vm", "debian13", architecture=architecture)
    made = Machine(host, tmp_path_factory.mktemp(name))
    made.taken["boot"] = round(time.monotonic() - started, 1)
    try:
        yield made
    finally:
        figures.note(architecture, made.taken)
        tool.down([name])
