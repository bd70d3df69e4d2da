"""NVIDIA's GPUs for containers, by a fake nvidia-ctk. It answers what 1.20.1 was recorded to, and tests/gpu/test_nvidia_ctk.py has the real one."""

from __future__ import annotations

import copy
import json
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._change import programs
from ansible_collections.unified.deploy.plugins.module_utils._change.errors import PathError
from ansible_collections.unified.deploy.plugins.module_utils._gpu import cdi_nvidia, tree

from tests.secrets.modules import five_steps, run
from tests.unit.gpu_machines import FIXTURES, MACHINES, build

MACHINE = "h200"
VERSION = "580.178.04"
RECORDED = json.loads((FIXTURES / "nvidia_ctk.json").read_text())


@dataclass
class FakeNvidiaCtk:
    """In the place of programs.run. The recorded host lies below ROOT.

    Attributes:
        unfound: part of the path of what the host lacks: nvidia-ctk leaves nodes and libraries out, and names programs of hooks all the same.
        logged: what it says in place of a specification.
    """

    root: Path
    version: str = VERSION
    installed: bool = True
    unfound: str = ""
    logged: str = ""
    kind: str = "nvidia.com/gpu"
    calls: list[list[str]] = field(default_factory=list)

    def __call__(self, argv: t.Sequence[str], **_options: t.Any) -> programs.Answer:
        self.calls.append(list(argv))
        if argv[0] != "nvidia-ctk":
            return programs.Answer(0, "", "")
        if not self.installed:
            raise PathError(2, "is not installed", "nvidia-ctk")
        if self.logged:
            said = self.logged.replace('"', r"\"")
            return programs.Answer(1, "", f'time="2026-11-22T14:43:28Z" level=error msg="{said}"\n')
        return programs.Answer(0, self.specification(), "")

    def specification(self) -> str:
        spec = copy.deepcopy(RECORDED)
        spec["kind"] = self.kind
        for edits in (spec["containerEdits"], *(device["containerEdits"] for device in spec["devices"])):
            for name, key in (("deviceNodes", "path"), ("mounts", "hostPath")):
                found = [one for one in edits.get(name, ()) if not self.unfound or self.unfound not in one[key]]
                # nvidia-ctk writes no empty lists.
                edits.pop(name, None)
                edits.update({name: [{**one, "hostPath": self.there(one[key])} for one in found]} if found else {})
            for hook in edits.get("hooks", ()):
                hook["path"] = self.there(hook["path"])
        return json.dumps(spec, separators=(",", ":")).replace(VERSION, self.version)

    def there(self, path: str) -> str:
        place = self.root / path.replace(VERSION, self.version).lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if not self.unfound or self.unfound not in path:
            place.touch()
        return str(place)


@pytest.fixture
def ctk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeNvidiaCtk:
    """A host whose H200 has its driver, with a fake toolkit."""
    root = build(tmp_path / "root", MACHINES[MACHINE])
    slot = MACHINES[MACHINE]["pci"][0]["slot"]
    driver = root / "sys/bus/pci/devices" / slot / "driver"
    if not driver.is_symlink():
        driver.symlink_to("../../../bus/pci/drivers/nvidia")
    real = tree.Tree.__init__
    monkeypatch.setattr(tree.Tree, "__init__", lambda self, _root="/": real(self, str(root)))
    monkeypatch.setattr(cdi_nvidia, "DIRECTORIES", ())
    fake = FakeNvidiaCtk(tmp_path / "host")
    monkeypatch.setattr(programs, "run", fake)
    return fake


def arguments(tmp_path: Path, **more: str) -> dict[str, str]:
    (tmp_path / "units").mkdir(exist_ok=True)
    return {"directory": str(tmp_path / "cdi"), "unit_directory": str(tmp_path / "units"), **more}


def test_specification_is_written_with_the_units_that_refresh_it_and_removed(
    ctk: FakeNvidiaCtk, tmp_path: Path
) -> None:
    made = five_steps("gpu_cdi", arguments(tmp_path))
    names = ("0", "GPU-5a1e0c1f-2b3c-4d5e-8f90-a1b2c3d4e5f6", "all")
    assert made["devices"] == [f"nvidia.com/gpu={name}" for name in names] and made["left_out"] == {}
    assert json.loads((tmp_path / "cdi/unified-nvidia.com-gpu.json").read_text())["kind"] == "nvidia.com/gpu"
    service = (tmp_path / "units/unified-gpu-cdi.service").read_text()
    assert f"--output={tmp_path}/cdi/unified-nvidia.com-gpu.json" in service
    # Whatever changes the partitions writes this file.
    assert (
        "PathChanged=/etc/systemd/system/unified-gpu-mig.service"
        in (tmp_path / "units/unified-gpu-cdi.path").read_text()
    )
    assert ["systemctl", "start", "unified-gpu-cdi.path"] in ctk.calls
    five_steps("gpu_cdi", arguments(tmp_path, state="absent"))
    assert list((tmp_path / "units").iterdir()) == [] == list((tmp_path / "cdi").iterdir())


def test_gpu_that_containers_must_have_passes_only_where_it_is_described(ctk: FakeNvidiaCtk, tmp_path: Path) -> None:
    (slot,) = (one["slot"] for one in MACHINES[MACHINE]["pci"])
    asked: dict[str, t.Any] = {**arguments(tmp_path), "required": [slot]}
    ctk.installed = False
    answer = run("gpu_cdi", asked)
    assert answer["passed"] is False and answer["lines"][0].startswith(f"{slot}: nvidia-ctk")
    assert "install the package nvidia-container-toolkit" in answer["lines"][0]
    # Of one that no driver has, or that another's file describes, nothing is wrong.
    assert run("gpu_cdi", arguments(tmp_path))["passed"] is True
    (tmp_path / "cdi").mkdir()
    (tmp_path / "cdi/nvidia.yaml").write_text("kind: nvidia.com/gpu\n")
    assert run("gpu_cdi", asked)["passed"] is True
    (tmp_path / "cdi/nvidia.yaml").unlink()
    ctk.installed = True
    assert run("gpu_cdi", asked)["passed"] is True
    assert run("gpu_cdi", {**asked, "required": ["0000:99:00.0"]})["lines"] == ["0000:99:00.0: it is not there"]


def test_specification_as_the_unit_writes_it_stays(ctk: FakeNvidiaCtk, tmp_path: Path) -> None:
    run("gpu_cdi", arguments(tmp_path))
    file = tmp_path / "cdi/unified-nvidia.com-gpu.json"
    file.write_text(ctk.specification())
    assert run("gpu_cdi", arguments(tmp_path))["changed"] is False
    assert file.read_text() == ctk.specification()
    ctk.version = "580.200.00"
    shown = run("gpu_cdi", arguments(tmp_path))["diff"][0]
    # One line of the file would say nothing.
    assert len(shown["before"].splitlines()) == len(shown["after"].splitlines()) > 100


def test_units_stay_where_the_driver_answers_after_the_next_boot(ctk: FakeNvidiaCtk, tmp_path: Path) -> None:
    run("gpu_cdi", arguments(tmp_path))
    ctk.logged = "failed to initialize NVML: Driver/library version mismatch"
    answer = run("gpu_cdi", arguments(tmp_path))
    assert answer["files"] == [str(tmp_path / "cdi/unified-nvidia.com-gpu.json")]
    assert len(list((tmp_path / "units").iterdir())) == 2
    assert run("gpu_cdi", arguments(tmp_path))["changed"] is False


def test_specification_of_another_driver_version_is_written_anew(ctk: FakeNvidiaCtk, tmp_path: Path) -> None:
    run("gpu_cdi", arguments(tmp_path))
    ctk.version = "580.200.00"
    again = run("gpu_cdi", arguments(tmp_path))
    shown = again["diff"][0]
    assert again["changed"] and "580.178.04" in shown["before"] and "580.200.00" in shown["after"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"installed": False},
            "nvidia-ctk of NVIDIA's container toolkit describes it (nvidia-ctk cdi generate): nvidia-ctk: is not installed: "
            "install the package nvidia-container-toolkit",
        ),
        (
            {"logged": "failed: ERROR_LIBRARY_NOT_FOUND"},
            "nvidia-ctk ended with 1: failed: ERROR_LIBRARY_NOT_FOUND: libnvidia-ml.so.1 is not there",
        ),
        (
            {"logged": 'failed add device "all": invalid device, empty device edits'},
            'device "all": invalid device, empty device edits: the driver shows no GPU',
        ),
        ({"logged": "invalid output format: toml"}, "nvidia-ctk ended with 1: invalid output format: toml"),
        (
            {"unfound": "nvidia-cdi-hook"},
            "/usr/bin/nvidia-cdi-hook. Are the driver and NVIDIA's container toolkit wholly installed",
        ),
        ({"unfound": "/dev/nvidia0"}, "no node /dev/nvidia<number> of device '0'"),
        ({"unfound": "/dev/nvidia"}, "no node /dev/nvidia<number> of device '0'"),
        (
            {"unfound": "/dev/nvidia-uvm"},
            "nvidia-ctk finds no /dev/nvidia-uvm: run 'nvidia-ctk system create-device-nodes",
        ),
        ({"unfound": "libcuda"}, "nvidia-ctk finds no libcuda of the driver's version"),
        ({"kind": "example.com/gpu"}, "described 'example.com/gpu'"),
    ],
)
def test_what_is_not_wholly_there_is_left_out_with_the_reason(
    ctk: FakeNvidiaCtk, tmp_path: Path, change: dict[str, t.Any], said: str
) -> None:
    for name, value in change.items():
        setattr(ctk, name, value)
    answer = run("gpu_cdi", arguments(tmp_path))
    assert (
        answer["changed"] is False
        and all(said in reason for reason in answer["left_out"].values())
        and answer["left_out"]
    )
    assert not (tmp_path / "cdi").exists()


def test_second_description_beside_another_is_not_written(ctk: FakeNvidiaCtk, tmp_path: Path) -> None:
    (tmp_path / "cdi").mkdir()
    (tmp_path / "cdi/nvidia.yaml").write_text("cdiVersion: 0.5.0\nkind: nvidia.com/gpu\n")
    answer = run("gpu_cdi", arguments(tmp_path))
    assert answer["changed"] is False and "nvidia.yaml describes NVIDIA's GPUs already" in str(answer["left_out"])
