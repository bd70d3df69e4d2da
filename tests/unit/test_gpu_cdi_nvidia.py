"""NVIDIA's GPUs for containers, by a fake nvidia-ctk that answers as 1.20 does with --format=json; tests/integration/test_gpu_cdi.py has the real Podman."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._change import programs
from ansible_collections.unified.deploy.plugins.module_utils._change.errors import PathError
from ansible_collections.unified.deploy.plugins.module_utils._gpu import cdi_nvidia, tree

from tests.secrets.modules import five_steps, run
from tests.unit.gpu_machines import MACHINES, build

MACHINE = "h200"


@dataclass
class FakeNvidiaCtk:
    """In the place of programs.run."""

    library: Path
    version: str = "580.178.04"
    installed: bool = True
    code: int = 0
    kind: str = "nvidia.com/gpu"
    calls: list[list[str]] = field(default_factory=list)

    def __call__(self, argv: t.Sequence[str], **_options: t.Any) -> programs.Answer:
        self.calls.append(list(argv))
        if argv[0] != "nvidia-ctk":
            return programs.Answer(0, "", "")
        if not self.installed:
            raise PathError(2, "is not installed", "nvidia-ctk")
        mount = {
            "hostPath": str(self.library),
            "containerPath": f"/usr/lib/libcuda.so.{self.version}",
            "options": ["ro", "bind"],
        }
        spec = {
            "cdiVersion": "0.5.0",
            "kind": self.kind,
            "devices": [
                {"name": name, "containerEdits": {"deviceNodes": [{"path": "/dev/null"}]}} for name in ("0", "all")
            ],
            "containerEdits": {"mounts": [mount]},
        }
        return programs.Answer(self.code, json.dumps(spec), "the driver does not answer" if self.code else "")


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
    (tmp_path / "libcuda").touch()
    monkeypatch.setattr(cdi_nvidia, "DIRECTORIES", ())
    fake = FakeNvidiaCtk(tmp_path / "libcuda")
    monkeypatch.setattr(programs, "run", fake)
    return fake


def arguments(tmp_path: Path, **more: str) -> dict[str, str]:
    (tmp_path / "units").mkdir(exist_ok=True)
    return {"directory": str(tmp_path / "cdi"), "unit_directory": str(tmp_path / "units"), **more}


def test_specification_is_written_with_the_units_that_refresh_it_and_removed(
    ctk: FakeNvidiaCtk, tmp_path: Path
) -> None:
    made = five_steps("gpu_cdi", arguments(tmp_path))
    assert made["devices"] == ["nvidia.com/gpu=0", "nvidia.com/gpu=all"] and made["left_out"] == {}
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


def test_specification_of_another_driver_version_is_written_anew(ctk: FakeNvidiaCtk, tmp_path: Path) -> None:
    run("gpu_cdi", arguments(tmp_path))
    ctk.version = "580.200.00"
    again = run("gpu_cdi", arguments(tmp_path))
    shown = again["diff"][0]
    assert again["changed"] and "580.178.04" in shown["before"] and "580.200.00" in shown["after"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"installed": False}, "nvidia-ctk of NVIDIA's container toolkit"),
        ({"code": 1}, "the driver does not answer"),
        ({"library": Path("/nowhere/libcuda.so")}, "names files that are not there: /nowhere/libcuda.so"),
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
