"""GPUs in the evidence of compliance and in its reports."""

from __future__ import annotations

import csv
import io
import json
import time
import typing as t
from pathlib import Path
from xml.etree import ElementTree

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._collect import gpu
from ansible_collections.unified.deploy.plugins.module_utils._gpu import health as _health
from ansible_collections.unified.deploy.plugins.module_utils._gpu import report as _report
from ansible_collections.unified.deploy.plugins.module_utils._gpu.tree import Tree
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import gpus as _gpus
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import plan as _plan
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import results as _results
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import selection as _selection
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.evidence import Evidence, conform
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.kinds.base import Connection
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.reports import FORMATS
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.reports import model as _model
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.reports.html import GPU_COLOURS
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.reports.table import table

from tests.unit.gpu_machines import MACHINES, build

SLOT = "0000:83:00.0"
GPU = {"where": SLOT, "id": "10de:2335", "driver": "nvidia"}
OK = {"name": "ecc", "where": SLOT, "state": "ok", "said": "0 uncorrected errors"}
LOST = {"name": "xid", "where": SLOT, "state": "bad", "said": "XID 79: GPU has <b>fallen</b> off the bus"}
SILENT = {"name": "temperature", "where": SLOT, "state": "unread", "said": "nvidia-smi is not installed"}
NOTHING = {"name": "throttle", "where": SLOT, "state": "absent", "said": "the driver does not tell"}
NONE_SEEN: dict[str, t.Any] = {"gpus": [], "checks": []}


@pytest.fixture
def rendered(catalogue: t.Any, hardened: Evidence) -> t.Callable[..., dict[str, str]]:
    """Every format, the terminal's too, of a host with such GPUs."""

    def render(section: t.Any, *, purposes: t.Collection[str] = (), left_out: dict[str, str] | None = None) -> t.Any:
        del hardened.document["sections"]["gpu"]
        if section is not None:
            left = left_out or {}
            hardened.document["sections"]["gpu"] = {"items": section, "whole": not left, "left_out": left}
        evidence = Evidence(conform(hardened.document), hardened.platform)
        overlay = _selection.Overlay(purposes=frozenset(purposes))
        selection = _selection.select(catalogue, [("cis", "l1_server")], overlay, evidence["host"])
        model = _results.host_model(
            "train1", catalogue, selection, _plan.plan(selection, evidence, Connection()), evidence
        )
        report = _model.build([_results.summarise(model)])
        return {**{name: form.render(report) for name, form in FORMATS.items()}, "terminal": table(report)}

    return render


def junit(texts: dict[str, str]) -> dict[str, str]:
    """What the suite of the GPUs says of each of its cases; empty where there is no such suite."""
    suite = ElementTree.fromstring(texts["junit"]).find("testsuite[@name='train1 GPUs']")
    if suite is None:
        return {}
    said = {str(case.get("name")): next((child.tag for child in case), "passes") for case in suite}
    for tag, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert int(str(suite.get(name))) == list(said.values()).count(tag)
    assert int(str(suite.get("tests"))) == len(said)
    return said


def rows(texts: dict[str, str]) -> dict[str, str]:
    """Verdicts of the GPUs in the spreadsheet."""
    listed = csv.DictReader(io.StringIO(texts["csv"]))
    return {row["rule"]: row["verdict"] for row in listed if row["rule"].startswith("gpu/")}


def test_every_format_says_how_the_gpus_are(rendered: t.Any) -> None:
    texts = rendered({"gpus": [GPU], "checks": [OK, NOTHING, SILENT, LOST]})
    said = "1 GPU, not healthy: 1 bad, 1 unread, 1 absent, 1 ok"
    for name in ("html", "markdown", "terminal", "csv"):
        assert said in texts[name], name
        assert "nvidia-smi is not installed" in texts[name], name
    assert junit(texts) == {
        f"xid {SLOT}": "failure",
        f"temperature {SLOT}": "error",
        f"throttle {SLOT}": "skipped",
        f"ecc {SLOT}": "passes",
    }
    assert rows(texts) == {
        "gpu/GPUs": "not healthy",
        f"gpu/xid {SLOT}": "bad",
        f"gpu/temperature {SLOT}": "unread",
        f"gpu/throttle {SLOT}": "absent",
        f"gpu/ecc {SLOT}": "ok",
    }
    (host,) = json.loads(texts["json"])["hosts"]
    assert [check["state"] for check in host["gpus"]["checks"]] == ["bad", "unread", "absent", "ok"]
    # What the host said reaches no page as markup, and the worst comes first.
    assert "&lt;b&gt;fallen" in texts["html"] and "<b>fallen" not in texts["html"] + texts["markdown"]
    assert texts["terminal"].index("XID 79") < texts["terminal"].index("nvidia-smi is not installed")


def test_gpus_count_in_no_score(rendered: t.Any) -> None:
    before = json.loads(rendered(NONE_SEEN)["json"])["hosts"][0]["summary"]
    after = json.loads(rendered({"gpus": [GPU], "checks": [LOST]})["json"])["hosts"][0]["summary"]
    assert after == before


def test_healthy_gpu_is_said_to_be_so(rendered: t.Any) -> None:
    texts = rendered({"gpus": [GPU], "checks": [OK, NOTHING]})
    assert "GPUs: 1 GPU: 1 absent, 1 ok" in texts["terminal"] and rows(texts)["gpu/GPUs"] == "healthy"
    assert junit(texts) == {f"throttle {SLOT}": "skipped", f"ecc {SLOT}": "passes"}


def test_host_without_gpus_has_no_section(rendered: t.Any) -> None:
    for section in (NONE_SEEN, None):
        texts = rendered(section)
        assert "GPU" not in texts["markdown"] + texts["terminal"] + texts["csv"] + texts["junit"]
        assert "<h3>GPUs" not in texts["html"]
        assert json.loads(texts["json"])["hosts"][0]["gpus"]["healthy"] is False


@pytest.mark.parametrize(
    ("section", "left_out", "said"),
    [
        (NONE_SEEN, {}, "no GPU is seen, and the overlay names the purpose gpu_host"),
        (None, {}, "not looked at: gpu was not collected"),
        ({"gpus": "odd", "checks": []}, {}, "not looked at: not what the collector writes: gpu.gpus must be a list"),
        (
            NONE_SEEN,
            {"/sys/bus/pci/devices": "Permission denied"},
            "not looked at: /sys/bus/pci/devices: Permission denied",
        ),
        ({"gpus": [GPU], "checks": []}, {}, "1 GPU, not healthy: nothing was checked"),
        ({"gpus": [GPU], "checks": [NOTHING]}, {}, "1 GPU, not healthy: 1 absent"),
        ({"gpus": [GPU], "checks": [OK]}, {"/x": "gone"}, "1 GPU, not healthy: 1 ok; not looked at: /x: gone"),
        ({"gpus": [GPU], "checks": [{**OK, "state": "fine"}]}, {}, "1 GPU, not healthy: 1 unread"),
    ],
)
def test_what_was_not_looked_at_is_never_green(rendered: t.Any, section: t.Any, left_out: t.Any, said: str) -> None:
    texts = rendered(section, purposes=["gpu_host"], left_out=left_out)
    flat = " ".join(texts["terminal"].split())
    assert said in flat and said in texts["html"]
    assert "error" in junit(texts).values() and rows(texts)["gpu/GPUs"] == "not healthy"


def test_states_of_the_report_are_those_of_the_checks() -> None:
    assert sorted(_gpus.WORST_FIRST) == sorted(_report.STATES) == sorted(GPU_COLOURS)


class Machine(Tree):
    """A recorded machine in the place of the host's own."""

    place = ""

    def __init__(self, root: str = "/") -> None:
        super().__init__(self.place)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> t.Callable[[str], None]:
    def put(name: str) -> None:
        monkeypatch.setattr(Machine, "place", str(build(tmp_path, MACHINES[name])))
        monkeypatch.setattr(gpu, "Tree", Machine)
        # The reader forks: what the child calls is of this process too.
        look = _health.look
        monkeypatch.setattr(_health, "look", lambda: look(Machine.place, lambda argv: (127, "", f"no {argv[0]}")))

    return put


def test_collector_reads_gpus_and_every_check(machine: t.Any) -> None:
    machine("mi210-8")
    section = gpu.Gpus().read()
    assert section.whole and len(section.items["gpus"]) == 8
    assert {one["name"] for one in section.items["checks"]} == set(_health.CHECKS)
    assert {one["where"] for one in section.items["gpus"]} <= {one["where"] for one in section.items["checks"]}


def test_driver_that_hangs_costs_its_checks_only(machine: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    machine("mi210-8")
    monkeypatch.setattr(_health, "look", lambda: time.sleep(30))
    monkeypatch.setattr(gpu, "SECONDS", 0.3)
    begun = time.monotonic()
    section = gpu.Gpus().read()
    assert time.monotonic() - begun < 5 and len(section.items["gpus"]) == 8
    assert [(one["state"], one["said"]) for one in section.items["checks"]] == [
        ("unread", "the checks took longer than 0.3 s")
    ]
