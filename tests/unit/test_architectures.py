"""Whatever differs between architectures is a table, and every table has each architecture."""

from __future__ import annotations

import typing as t

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import syscalls
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.evidence import ARCHITECTURES

from tests.hosts.vm import MACHINES, NAMES, SUITES
from tests.unit.conftest import ROOT

ROLE = ROOT / "roles/compliance"


def test_tables_by_architecture_have_every_architecture() -> None:
    program = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    tables: dict[str, t.Iterable[str]] = {
        "tables of system calls": syscalls.TABLES,
        "Goss programs": set(program["compliance_goss_binary"]["options"]) - {"src", "sha256"},
        "virtual machines": [NAMES[name] for name in MACHINES],
        "machines of Debian 13": [NAMES[name] for name in SUITES["debian13"][0]],
    }
    assert {what: sorted(table) for what, table in tables.items()} == {what: sorted(ARCHITECTURES) for what in tables}


def test_programs_for_secrets_are_there_for_every_architecture_that_has_releases() -> None:
    """RISC-V has none: docs/secrets.md says how to make them, and a run there names what is lacking."""
    play = yaml.safe_load((ROOT / "playbooks/install_secret_tools.yml").read_text())[0]["vars"]
    tables = {
        "age": play["__install_secret_tools_age_builds"],
        "sops": play["install_secret_tools_programs"]["sops"],
    }
    released = set(ARCHITECTURES) - {"riscv64"}
    assert {name: set(table) for name, table in tables.items()} == dict.fromkeys(tables, released)
    assert "GOARCH=riscv64" in (ROOT / "docs/secrets.md").read_text()


def test_conditions_on_rules_name_known_architectures(catalogue: t.Any) -> None:
    named = {
        name
        for rule in catalogue.rules.values()
        for side in (rule.when, rule.unless)
        for name in side.get("architecture", ())
    }
    assert named <= set(ARCHITECTURES)


@pytest.mark.parametrize(
    ("named", "chosen"),
    [
        ({}, {}),
        ({"src": "goss", "sha256": "0"}, {"src": "goss", "sha256": "0"}),
        ({"riscv64": {"src": "goss-riscv64", "sha256": "1"}}, {"src": "goss-riscv64", "sha256": "1"}),
        ({"x86_64": {"src": "goss-amd64", "sha256": "2"}}, {}),
    ],
)
def test_goss_is_that_of_the_host_s_architecture(named: dict[str, t.Any], chosen: dict[str, t.Any]) -> None:
    loader = DataLoader()
    written = loader.load_from_file(str(ROLE / "vars/main.yml"))["__compliance_goss_binary"]
    variables = {"compliance_goss_binary": named, "__compliance_plan": {"architecture": "riscv64"}}
    assert Templar(loader, variables=variables).template(trust_as_template(written)) == chosen
