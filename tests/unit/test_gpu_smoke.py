"""Smoke checks: what vulkaninfo, clinfo, the loader of Level Zero, nvidia-smi and KFD show, and that a processor is no GPU."""

from __future__ import annotations

import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._change import programs
from ansible_collections.unified.deploy.plugins.module_utils._change.errors import ChangeError
from ansible_collections.unified.deploy.plugins.module_utils._change.programs import Answer
from ansible_collections.unified.deploy.plugins.module_utils._gpu import smoke
from ansible_collections.unified.deploy.plugins.module_utils._gpu.facts import gather
from ansible_collections.unified.deploy.plugins.module_utils._gpu.tree import Tree
from ansible_collections.unified.deploy.plugins.plugin_utils._gpu.model import Request
from ansible_collections.unified.deploy.plugins.plugin_utils._gpu.plan import plan
from ansible_collections.unified.deploy.plugins.plugin_utils._gpu.tables import tables

from tests.fakes.nvidia_smi import FakeXml
from tests.secrets.modules import run
from tests.unit.gpu_machines import MACHINES, build, put

SLOT = "0000:83:00.0"
LLVMPIPE = """Devices:
========
GPU0:
\tapiVersion         = 1.4.305
\tvendorID           = 0x10005
\tdeviceType         = PHYSICAL_DEVICE_TYPE_CPU
\tdeviceName         = llvmpipe (LLVM 19.1.7, 256 bits)
\tdriverID           = DRIVER_ID_MESA_LLVMPIPE
"""
NAVI31 = """GPU1:
\tapiVersion         = 1.4.305
\tdeviceType         = PHYSICAL_DEVICE_TYPE_DISCRETE_GPU
\tdeviceName         = AMD Radeon RX 7900 XTX (RADV NAVI31)
"""
POCL = """#PLATFORMS                                        1
[POCL/*] CL_PLATFORM_NAME                                  Portable Computing Language
[POCL/0] CL_DEVICE_NAME                                    cpu-haswell-Intel(R) Xeon(R)
[POCL/0] CL_DEVICE_TYPE                                    CL_DEVICE_TYPE_CPU
"""
INTEL = """[INTEL/0] CL_DEVICE_NAME                                    Intel(R) Arc(TM) A380 Graphics
[INTEL/0] CL_DEVICE_TYPE                                    CL_DEVICE_TYPE_GPU
"""


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> dict[str, Answer]:
    """What each program answers; one that is not here is not installed."""
    answers: dict[str, Answer] = {}

    def fake(argv: t.Sequence[str], **_options: t.Any) -> Answer:
        if argv[0] not in answers:
            raise ChangeError(f"'{argv[0]}' is not installed")
        return answers[argv[0]]

    monkeypatch.setattr(programs, "run", fake)
    return answers


def asked(way: str, *slots: str, software: bool = False) -> dict[str, t.Any]:
    return run("gpu_smoke_info", {"ways": {way: list(slots)}, "software": software})


def test_processor_that_renders_is_no_gpu_though_vulkaninfo_ends_well(says: dict[str, Answer]) -> None:
    says["vulkaninfo"] = Answer(0, LLVMPIPE, "")
    answer = asked("vulkan", SLOT)
    assert answer["passed"] is False
    assert answer["lines"] == ["vulkan: it shows only the processor (llvmpipe (LLVM 19.1.7, 256 bits))"]
    assert asked("vulkan", software=True)["passed"] is True


def test_gpu_beside_the_processor_is_seen(says: dict[str, Answer]) -> None:
    says["vulkaninfo"] = Answer(0, LLVMPIPE + NAVI31, "")
    answer = asked("vulkan", SLOT)
    assert answer["passed"] is True and answer["ways"]["vulkan"]["gpus"] == ["AMD Radeon RX 7900 XTX (RADV NAVI31)"]
    assert asked("vulkan", SLOT, "0000:84:00.0")["lines"][0].startswith("vulkan: it shows 1 of 2 GPUs")


def test_opencl_on_the_processor_and_an_empty_platform_are_no_gpu(says: dict[str, Answer]) -> None:
    says["clinfo"] = Answer(0, POCL, "")
    assert "only the processor (cpu-haswell" in asked("opencl", SLOT)["lines"][0]
    says["clinfo"] = Answer(0, "#PLATFORMS   1\n[RUSTICL/*] CL_PLATFORM_NAME   rusticl\n", "")
    assert asked("opencl", SLOT)["lines"] == ["opencl: it shows no device"]
    assert asked("opencl", software=True)["lines"] == ["opencl: it shows no device, not even the processor"]
    says["clinfo"] = Answer(0, POCL + INTEL, "")
    assert asked("opencl", SLOT)["ways"]["opencl"] == {
        "gpus": ["Intel(R) Arc(TM) A380 Graphics"],
        "processors": ["cpu-haswell-Intel(R) Xeon(R)"],
        "because": "",
    }


def test_output_that_does_not_fit_together_is_not_believed(says: dict[str, Answer]) -> None:
    says["clinfo"] = Answer(0, INTEL.splitlines()[0] + "\n", "")
    assert asked("opencl", SLOT)["lines"] == ["opencl: clinfo tells 1 names and 0 types of devices"]


def test_nvidia_smi_must_list_the_slots(says: dict[str, Answer]) -> None:
    says["nvidia-smi"] = Answer(0, FakeXml(SLOT, "580.178.04").xml(), "")
    assert asked("nvidia_smi", SLOT)["passed"] is True
    assert asked("nvidia_smi", SLOT, "0000:84:00.0")["lines"] == ["nvidia_smi: it does not show 0000:84:00.0"]
    says["nvidia-smi"] = Answer(18, "Failed to initialize NVML: Driver/library version mismatch\n", "")
    assert "Driver/library version mismatch" in asked("nvidia_smi", SLOT)["lines"][0]


def test_program_that_is_not_installed_is_no_proof(says: dict[str, Answer]) -> None:
    for way in ("vulkan", "opencl", "level_zero", "nvidia_smi"):
        answer = asked(way, SLOT)
        assert answer["passed"] is False and "is not installed" in answer["lines"][0]


def test_nothing_asked_is_nothing_proven(says: dict[str, Answer]) -> None:
    assert run("gpu_smoke_info", {"ways": {}})["passed"] is False
    assert run("gpu_smoke_info", {"ways": {"glx": []}})["msg"].startswith("ways: there is no 'glx'")


def test_kfd_must_name_every_slot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = build(tmp_path, MACHINES["mi300x-8-cpx"])
    slots = [one["slot"] for one in MACHINES["mi300x-8-cpx"]["pci"] if one["vendor"] == "0x1002"]
    monkeypatch.setattr(smoke, "Tree", lambda: Tree(str(root)))
    assert "/dev/kfd is not there" in asked("kfd", *slots)["lines"][0]
    put(root, "dev/kfd", "")
    assert asked("kfd", *slots)["passed"] is True
    assert "it does not show 0000:ff:00.0" in asked("kfd", *slots, "0000:ff:00.0")["lines"][0]


STUB = """
static int drivers = 1;
int zeInit(unsigned flags) { return flags == 1 ? %(init)s : 0x78000004; }
int zeDriverGet(unsigned *count, void **handles) { *count = 1; if (handles) handles[0] = &drivers; return 0; }
int zeDeviceGet(void *driver, unsigned *count, void **devices) { if (driver != &drivers) return 1; *count = %(devices)s; return 0; }
"""


@pytest.mark.skipif(not shutil.which("gcc"), reason="the stub of Level Zero's loader is compiled")
@pytest.mark.parametrize(("init", "devices", "gpus"), [("0", "2", 2), ("0", "0", 0), ("0x78000001", "2", None)])
def test_level_zero_is_asked_by_its_interface(init: str, devices: str, gpus: int | None, tmp_path: Path) -> None:
    """A stub in the place of libze_loader.so.1: the calls are the specification's, a driver of Level Zero was never seen."""
    (tmp_path / "stub.c").write_text(STUB % {"init": init, "devices": devices})
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-o", str(tmp_path / "libze_loader.so.1"), str(tmp_path / "stub.c")], check=True
    )
    ran = subprocess.run(
        [sys.executable, "-c", smoke.LEVEL_ZERO],
        env={"LD_LIBRARY_PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    if gpus is None:
        assert ran.returncode == 1 and "zeInit ended with 0x78000001" in ran.stderr
    else:
        assert (ran.returncode, ran.stdout) == (0, f"devices {gpus}\n")


@pytest.mark.parametrize(
    ("machine", "system", "purpose", "ways"),
    [
        ("h200", "ubuntu2404", "compute", {"nvidia_smi": [SLOT]}),
        ("rtx-4090", "debian13", "desktop", {"nvidia_smi", "vulkan"}),
        ("mi210-8", "debian13", "compute", {"kfd", "opencl"}),
        ("amd-rx7900xtx", "debian13", "desktop", {"vulkan"}),
        ("intel-b580", "ubuntu2604", "compute", {"level_zero", "opencl"}),
        # Debian 13 has no runtime of Intel's: there is nothing that could pass.
        ("intel-b580", "debian13", "compute", set()),
        ("mi210-8", "debian13", "passthrough", set()),
    ],
)
def test_ways_follow_driver_and_purpose(
    machine: str, system: str, purpose: str, ways: t.Collection[str], tmp_path: Path
) -> None:
    facts = gather(str(build(tmp_path, MACHINES[machine], system)), machine="x86_64")
    planned = plan(tables(), facts, Request(purpose=purpose))
    smoke_checks = planned["smoke"]
    assert set(smoke_checks["ways"]) == set(ways) and smoke_checks["software"] is False
    if isinstance(ways, dict):
        assert smoke_checks["ways"] == ways
    for way, program in (("vulkan", "vulkan-tools"), ("opencl", "clinfo")):
        if way in ways and planned["install"]:
            assert program in planned["install"]["extra"]


def test_rendering_on_the_processor_that_was_decided_is_enough(tmp_path: Path) -> None:
    facts = gather(str(build(tmp_path, MACHINES["visionfive-2"])), machine="riscv64")
    install = plan(tables(), facts, Request(purpose="desktop"))["install"]
    assert install["extra"] == ["mesa-vulkan-drivers", "libgl1-mesa-dri", "vulkan-tools"] and not install["packages"]
    assert plan(tables(), facts, Request(purpose="desktop"))["smoke"] == {"ways": {"vulkan": []}, "software": True}
