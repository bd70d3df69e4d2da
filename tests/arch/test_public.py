"""Machines from public images (UNIFIED_PUBLIC=ubuntu2404,rocky9): read, and where there is a benchmark for them hardened and booted again."""

from __future__ import annotations

import base64
import json
import os
import typing as t
import zlib

import pytest
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

from tests.hosts import __main__ as tool
from tests.hosts import public, vm
from tests.integration.conftest import ROOT

from . import figures
from .conftest import SITE, Machine

_AnsibleCollectionFinder(paths=[str(ROOT / "build/collections")])._install()

from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.catalogue import Catalogue

SUITES = [name for name in os.environ.get("UNIFIED_PUBLIC", "").split(",") if name]
EVIDENCE = ROOT / "build/evidence"
ANSSI = {"name": "anssi", "level": "minimal"}
BENCHMARKS = {
    "almalinux10": [],
    "rocky9": [],
    "ubuntu2204": [ANSSI],
    "ubuntu2404": [ANSSI, {"name": "stig", "level": "cat_3"}],
}
READ = """---
- name: Read
  hosts: all
  gather_facts: false
  become: true
  tasks:
    - name: Evidence
      unified.deploy.evidence:
        request: "{{ request }}"
      register: __evidence

    - name: Keep it
      ansible.builtin.copy:
        content: "{{ __evidence | to_json }}"
        dest: "{{ kept }}"
        mode: "0600"
      delegate_to: localhost
      become: false
"""


def test_every_public_image_has_a_row_here() -> None:
    assert BENCHMARKS.keys() == public.IMAGES.keys()


@pytest.fixture(scope="module", params=SUITES)
def system(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Machine]:
    if lacks := vm.missing():
        pytest.fail(f"this machine cannot run virtual machines: {'; '.join(lacks)}")
    name = f"public-{request.param}"
    try:
        yield Machine(tool.up(name, "vm", request.param), tmp_path_factory.mktemp(name))
    finally:
        tool.down([name])


def test_public_system_is_read_and_its_benchmarks_hold_after_a_boot(system: Machine) -> None:
    sections = read(system)
    assert {name: one["left_out"] for name, one in sections.items() if one["items"] is None} == {}
    if benchmarks := BENCHMARKS[system.host.suite]:
        hold_after_a_boot(system, {**SITE, "compliance_benchmarks": benchmarks})
    figures.keep("systems", system.host.suite, {})


def read(system: Machine) -> dict[str, t.Any]:
    """Sections of all that the collector knows to read; kept below build/, to be judged elsewhere."""
    EVIDENCE.mkdir(parents=True, exist_ok=True)
    kept = EVIDENCE / f"{system.host.suite}.json"
    book = system.directory / "read.yml"
    book.write_text(READ)
    system.play(str(book), variables={"request": Catalogue().request(walk=True), "kept": str(kept)})
    evidence = json.loads(zlib.decompress(base64.b64decode(json.loads(kept.read_text())["evidence"])))
    kept.write_text(json.dumps(evidence, indent=1, sort_keys=True) + "\n")
    return t.cast("dict[str, t.Any]", evidence["sections"])


def hold_after_a_boot(system: Machine, site: dict[str, t.Any]) -> None:
    before = system.rules(system.play("harden_hosts", variables=site))
    vm.restart(system.host)
    after = system.rules(system.play("audit_hosts", variables=site))
    worse = {
        rule: (before[rule]["verdict"], one["verdict"], one["actual"])
        for rule, one in after.items()
        if one["verdict"] not in ("pass", before[rule]["verdict"])
    }
    assert worse == {}
    assert system.play("harden_hosts", variables=site).changed(system.host.name) == 0
