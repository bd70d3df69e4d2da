"""Smoke checks on real drivers of Mesa and on pocl: processors, and AMD's chips that Mesa's drm-shim simulates. And what watches the GPUs."""

from __future__ import annotations

import json
import typing as t

import pytest

from tests.gpu.conftest import Vendor, vendor
from tests.integration.conftest import Play, Target

PROGRAMS = ("vulkan-tools", "mesa-vulkan-drivers", "clinfo", "pocl-opencl-icd", "mesa-opencl-icd", "mesa-drm-shim")
METRICS, GOSS, MOVED = "/var/lib/node_exporter/unified-gpu.prom", "/etc/goss-gpu.yml", "/etc/goss of gpus.yml"
LEFT = (
    f"ls -d {METRICS} /etc/goss*gpu* /usr/local/sbin/unified-gpu* /usr/local/lib/unified/unified_gpu/*.py"
    " /etc/systemd/system/unified-gpu* 2>/dev/null || true"
)
SHIM = "libamdgpu_noop_drm_shim.so"


@pytest.fixture(scope="module")
def mesa(host: Target) -> Vendor:
    made = vendor(host, [*PROGRAMS, "openssl"])
    for name in ("vulkaninfo", "clinfo"):
        # The modules start programs without an environment of the caller's.
        wrapper = f'#!/bin/sh\n. /etc/smoke-environment\nexec /usr/bin/{name}.real "$@"\n'
        host.shell(
            f"mv /usr/bin/{name} /usr/bin/{name}.real; cat > /usr/bin/{name} <<'END'\n{wrapper}END\nchmod 755 /usr/bin/{name}"
        )
    return made


def seen(mesa: Vendor, way: str, *, software: bool = False, **environment: str) -> dict[str, t.Any]:
    """What the module says of a way, with variables for the program that it starts."""
    lines = "".join(f"export {name}={value}\n" for name, value in environment.items())
    mesa.target.shell(f"cat > /etc/smoke-environment <<'END'\n{lines}END")
    answer = mesa.module("gpu_smoke_info", {"ways": {way: []}, "software": software})
    assert not answer["failed"], answer
    return answer


def test_llvmpipe_is_no_gpu_unless_it_was_decided(mesa: Vendor) -> None:
    answer = seen(mesa, "vulkan")
    assert answer["passed"] is False and "only the processor (llvmpipe" in answer["lines"][0]
    assert seen(mesa, "vulkan", software=True)["passed"] is True


@pytest.mark.parametrize("chip", ["navi31", "navi21", "vega10", "polaris12"])
def test_simulated_chip_is_a_gpu_to_the_real_driver(chip: str, mesa: Vendor) -> None:
    answer = seen(mesa, "vulkan", AMDGPU_GPU_ID=chip, LD_PRELOAD=SHIM)
    assert answer["passed"] is True, answer
    assert any(f"RADV {chip.upper()}" in name for name in answer["ways"]["vulkan"]["gpus"])
    # llvmpipe is listed beside it.
    assert all("llvmpipe" not in name for name in answer["ways"]["vulkan"]["gpus"])


def test_pocl_and_an_empty_platform_are_no_gpu(mesa: Vendor) -> None:
    pocl = seen(mesa, "opencl", OCL_ICD_VENDORS="/etc/OpenCL/vendors/pocl.icd")
    assert pocl["passed"] is False and "only the processor (" in pocl["lines"][0]
    empty = seen(mesa, "opencl", OCL_ICD_VENDORS="/etc/OpenCL/vendors/rusticl.icd")
    assert empty["lines"] == ["opencl: it shows no device"]


def test_opencl_of_a_simulated_chip_is_a_gpu(mesa: Vendor) -> None:
    vendors = "/etc/OpenCL/vendors/rusticl.icd"
    answer = seen(
        mesa, "opencl", OCL_ICD_VENDORS=vendors, RUSTICL_ENABLE="radeonsi", AMDGPU_GPU_ID="navi31", LD_PRELOAD=SHIM
    )
    assert answer["passed"] is True, answer


def test_what_is_not_installed_is_no_proof(mesa: Vendor) -> None:
    assert "the loader of Level Zero is not installed" in seen(mesa, "level_zero")["lines"][0]


def role(target: Target, *arguments: str, **variables: t.Any) -> Play:
    book = target.directory / "gpu.yml"
    book.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "roles": ["unified.deploy.gpu"]}]))
    return target.play(str(book), *arguments, variables=variables)


def test_watch_is_installed_once_runs_and_goes_without_a_trace(mesa: Vendor) -> None:
    target = mesa.target
    target.shell("mkdir -p /var/lib/node_exporter")
    wish = {"gpu_textfile": METRICS, "gpu_goss_file": GOSS}
    assert role(target, "--check", **wish).changed(target.host.name) > 0
    assert target.shell(LEFT) == ""
    role(target, **wish)
    again = role(target, "-vvv", **wish)
    assert (again.changed(target.host.name), again.executions()) == (0, 1), again.output
    target.shell("systemctl is-active unified-gpu-health.timer; systemctl start unified-gpu-health.service")
    assert target.shell(f"stat -c %a {METRICS}; tail -n 1 {METRICS}") == "644\n# EOF\n"
    # The host sees what the machine's sysfs has; the program, and with it Goss, says the same as its metrics.
    code = target.shell("unified-gpu-health >/dev/null && echo 0 || echo $?")
    wrong = target.shell(f"grep -cE 'state=\"(bad|unread)\"\\}} 1$' {METRICS} || true")
    assert (code.strip() == "0") is (wrong.strip() == "0")
    # Metrics that nobody writes any more are not left behind.
    role(target, gpu_goss_file=GOSS)
    assert METRICS not in target.shell(LEFT) and "timer" not in target.shell(LEFT)
    # Nor are checks, where their file has another place, or none.
    role(target, gpu_goss_file=MOVED)
    assert MOVED in target.shell(LEFT) and GOSS not in target.shell(LEFT)
    role(target, gpu_textfile=METRICS)
    assert MOVED not in target.shell(LEFT)
    role(target, **wish)
    role(target, gpu_state="absent")
    assert target.shell(LEFT) == ""
