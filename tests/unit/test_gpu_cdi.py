"""Specifications for container runtimes, of recorded machines; tests/integration/test_gpu_cdi.py gives one to Podman."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._change import programs
from ansible_collections.unified.deploy.plugins.module_utils._gpu import cdi, cdi_boot, tree
from ansible_collections.unified.deploy.plugins.module_utils._gpu.facts import gather

from tests.secrets.modules import five_steps, run
from tests.unit.gpu_machines import MACHINES, build, link, put


def specifications(root: Path, machine: str, **more: t.Any) -> tuple[dict[str, t.Any], dict[str, str]]:
    facts = gather(str(build(root, MACHINES[machine])), machine="x86_64")
    return cdi.specifications(facts["devices"] + facts["board"].get("gpus", []), kfd=True, **more)


def nodes(device: dict[str, t.Any]) -> list[str]:
    return [node["path"] for node in device["containerEdits"]["deviceNodes"]]


def test_partitions_are_devices_beside_their_gpu(tmp_path: Path) -> None:
    specs, left_out = specifications(tmp_path, "mi300x-8-cpx")
    assert list(specs) == ["amd.com/gpu"] and left_out == {}
    devices = {device["name"]: nodes(device) for device in specs["amd.com/gpu"]["devices"]}
    # Eight GPUs, 63 partitions as recorded, and all.
    assert len(devices) == 8 + 63 + 1
    assert devices["0000:05:00.0"] == [f"/dev/dri/renderD{number}" for number in range(128, 136)]
    assert devices["0000:05:00.0-3"] == ["/dev/dri/renderD131"]
    assert len(devices["all"]) == len(set(devices["all"])) == 63
    assert nodes(specs["amd.com/gpu"]) == ["/dev/kfd"]


def test_intel_gets_no_node_of_amds_compute_driver(tmp_path: Path) -> None:
    root = build(tmp_path, MACHINES["intel-b580"])
    slot = MACHINES["intel-b580"]["pci"][0]["slot"]
    put(root, f"sys/bus/pci/devices/{slot}/drm/renderD128/dev", "226:128\n")
    specs, _left_out = cdi.specifications(gather(str(root), machine="x86_64")["devices"], kfd=True)
    assert "containerEdits" not in specs["intel.com/gpu"]
    assert [nodes(device) for device in specs["intel.com/gpu"]["devices"]] == [["/dev/dri/renderD128"]] * 2


def test_board_is_named_by_its_node(tmp_path: Path) -> None:
    root = build(tmp_path, MACHINES["rock-5b"])
    device = "sys/bus/platform/devices/fb000000.gpu"
    put(root, f"{device}/uevent", "DRIVER=panthor\nOF_NAME=gpu\nOF_FULLNAME=/soc/gpu@00000000\n")
    put(root, f"{device}/drm/renderD128/dev", "226:128\n")
    put(root, f"{device}/drm/card0/dev", "226:0\n")
    link(root, f"{device}/driver", "../../../bus/platform/drivers/panthor")
    (gpu,) = gather(str(root), machine="aarch64")["board"]["gpus"]
    assert (gpu["driver"], gpu["renders"]) == ("panthor", ["renderD128"])
    specs, _left_out = cdi.specifications([gpu], kfd=False)
    devices = {device["name"]: nodes(device) for device in specs["freedesktop.org/gpu"]["devices"]}
    assert devices == {"gpu-00000000": ["/dev/dri/renderD128"], "all": ["/dev/dri/renderD128"]}


def test_what_is_left_out_has_its_reason(tmp_path: Path) -> None:
    slot = MACHINES["amd-hd7870"]["pci"][0]["slot"]
    assert specifications(tmp_path, "amd-hd7870") == ({}, {slot: "no render node: radeon gives it none"})


def test_nvidia_is_left_to_its_own_tool() -> None:
    gpu = {"bus": "pci", "slot": "0000:01:00.0", "driver": "nvidia", "renders": ["renderD128"]}
    assert cdi.specifications([gpu], kfd=False) == ({}, {"0000:01:00.0": cdi.NVIDIA})


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recorded machine in the place of this one."""
    root = build(tmp_path / "root", MACHINES["mi300x-8-cpx"])
    real = tree.Tree.__init__
    monkeypatch.setattr(tree.Tree, "__init__", lambda self, _root="/": real(self, str(root)))
    monkeypatch.setattr(cdi_boot, "PROGRAM", str(tmp_path / "lib/unified_gpu_cdi"))
    monkeypatch.setattr(programs, "run", lambda _argv, **_options: programs.Answer(0, "", ""))
    return root


def asked(tmp_path: Path, **more: str) -> dict[str, str]:
    return {"directory": str(tmp_path / "cdi"), "unit_directory": str(tmp_path / "units"), **more}


def test_module_writes_compares_and_removes(machine: Path, tmp_path: Path) -> None:
    directory = tmp_path / "cdi"
    # A hardened host's.
    before = os.umask(0o077)
    try:
        result = five_steps("gpu_cdi", asked(tmp_path))
    finally:
        os.umask(before)
    (path,) = (path for path in result["files"] if path.startswith(str(directory)))
    assert Path(path).name == "unified-amd.com-gpu.json" and Path(path).stat().st_mode & 0o777 == 0o644
    assert directory.stat().st_mode & 0o777 == 0o755
    assert "amd.com/gpu=0000:05:00.0-3" in result["devices"]
    assert json.loads(Path(path).read_text())["kind"] == "amd.com/gpu"
    (directory / "other.json").write_text("{}")
    five_steps("gpu_cdi", asked(tmp_path, state="absent"))
    assert [file.name for file in directory.iterdir()] == ["other.json"]
    assert list((tmp_path / "units").iterdir()) == [] == list((tmp_path / "lib/unified_gpu_cdi").iterdir())


def test_check_mode_makes_nothing(machine: Path, tmp_path: Path) -> None:
    assert run("gpu_cdi", asked(tmp_path), check=True)["changed"]
    assert not (tmp_path / "cdi").exists()


def test_stale_specification_is_written_anew(machine: Path, tmp_path: Path) -> None:
    directory = tmp_path / "cdi"
    run("gpu_cdi", asked(tmp_path))
    put(machine, "sys/class/kfd/kfd/topology/nodes/190/properties", "simd_count 0\n")
    result = run("gpu_cdi", asked(tmp_path))
    assert result["changed"] and "renderD190" in result["diff"][0]["before"]
    assert "renderD190" not in (directory / "unified-amd.com-gpu.json").read_text()


def as_the_unit(tmp_path: Path, root: Path) -> subprocess.CompletedProcess[str]:
    """What the unit starts, in an interpreter of its own, with ROOT for the host's."""
    (line,) = re.findall("^ExecStart=(.*)$", (tmp_path / "units" / cdi_boot.SERVICE).read_text(), re.MULTILINE)
    program, *options = shlex.split(line)
    assert program == "/usr/bin/python3"
    options[-1] = re.sub(r"main\((.*)\)$", rf'main(\1, "{root}")', options[-1])
    return subprocess.run([sys.executable, *options], capture_output=True, text=True, timeout=60, check=False)


def test_boot_that_numbers_nodes_otherwise_gives_no_container_another_gpu(machine: Path, tmp_path: Path) -> None:
    run("gpu_cdi", asked(tmp_path))
    file = tmp_path / "cdi/unified-amd.com-gpu.json"
    before = file.read_text()
    for _boot in range(2):
        ran = as_the_unit(tmp_path, machine)
        assert (ran.returncode, ran.stderr, file.read_text()) == (0, "", before)
    # Two GPUs of one node each, found the other way round.
    gpus = [
        {"slot": slot, "vendor": "0x1002", "device": "0x744c", "class": "0x030000", "driver": "amdgpu"}
        for slot in ("0000:03:00.0", "0000:43:00.0")
    ]
    for boot, numbers in enumerate(((128, 129), (129, 128))):
        root = build(tmp_path / f"boot{boot}", {"pci": gpus})
        for gpu, number in zip(gpus, numbers):
            put(root, f"sys/bus/pci/devices/{gpu['slot']}/drm/renderD{number}/dev", f"226:{number}\n")
        ran = as_the_unit(tmp_path, root)
        assert (ran.returncode, ran.stderr) == (0, "")
        described = {one["name"]: nodes(one) for one in json.loads(file.read_text())["devices"]}
        assert described["0000:03:00.0"] == [f"/dev/dri/renderD{numbers[0]}"] and file.stat().st_mode & 0o777 == 0o644
    # Where no driver has come yet, none is described: a container fails, and gets no other's node.
    assert as_the_unit(tmp_path, build(tmp_path / "bare", {})).returncode == 0 and not file.exists()


def test_file_that_is_a_directory_is_an_error_with_its_path(machine: Path, tmp_path: Path) -> None:
    (tmp_path / "cdi" / "unified-amd.com-gpu.json").mkdir(parents=True)
    result = run("gpu_cdi", asked(tmp_path))
    assert result["failed"] and result["msg"].endswith("unified-amd.com-gpu.json: Is a directory")


def test_host_without_gpus_gets_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = tree.Tree.__init__
    monkeypatch.setattr(tree.Tree, "__init__", lambda self, _root="/": real(self, str(tmp_path)))
    result = run("gpu_cdi", asked(tmp_path))
    assert (result["changed"], result["devices"], (tmp_path / "cdi").exists()) == (False, [], False)
