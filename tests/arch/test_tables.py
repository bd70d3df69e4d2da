"""Tables by architecture against what Debian has for it: system calls that auditctl knows by name, and packages."""

from __future__ import annotations

import runpy
import typing as t
from pathlib import Path

import pytest
import yaml

from tests.hosts import archive, vm
from tests.hosts.store import run
from tests.integration.conftest import ROOT

from .conftest import ARCHITECTURES

# What ausyscall(8) calls the kernel's tables that auditctl(8) calls b64 and b32.
NAMES = {
    ("aarch64", "b32"): "arm",
    ("aarch64", "b64"): "aarch64",
    ("riscv64", "b64"): "riscv64",
    ("x86_64", "b32"): "i386",
    ("x86_64", "b64"): "x86_64",
}
SYSCALLS = runpy.run_path(str(ROOT / "plugins/plugin_utils/_compliance/syscalls.py"))
CATALOGUE = ROOT / "roles/compliance/files/catalogue"


def test_every_table_of_calls_is_compared() -> None:
    assert (
        set(NAMES)
        == set(SYSCALLS["LACKING"])
        == {(one, name) for one, names in SYSCALLS["TABLES"].items() for name in names}
    )


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("table", sorted(NAMES), ids="-".join)
def test_calls_that_a_table_lacks_are_those_that_auditctl_does_not_know(
    table: tuple[str, str], architecture: str
) -> None:
    root = vm.system("debian13", architecture)
    dump = run(["chroot", str(root), "ausyscall", NAMES[table], "--dump"], why="list the calls").splitlines()[1:]
    names = {line.split()[1] for line in dump}
    assert {call for call in SYSCALLS["KNOWN"] if call not in names} == set(SYSCALLS["LACKING"][table])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_package_that_a_rule_installs_is_there_for_the_architecture(architecture: str) -> None:
    names: dict[str, list[str]] = read("platforms/debian.yml")["packages"]
    installed = [key for key, rule in read("rules/package.yml")["rules"].items() if rule["state"] == "present"]
    has = archive.packages("trixie", architecture)
    assert len(installed) > 10 and len(has) > 50_000
    assert {package for key in installed for package in names[key] if package not in has} == set()


def read(path: str) -> t.Any:
    return yaml.safe_load(Path(CATALOGUE / path).read_text())
