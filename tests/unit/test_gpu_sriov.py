"""Virtual functions of GPUs, on directories like sysfs: a fake kernel takes the numbers. Never seen on real hardware."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._change import programs
from ansible_collections.unified.deploy.plugins.module_utils._change.programs import Answer
from ansible_collections.unified.deploy.plugins.module_utils._gpu import sriov
from ansible_collections.unified.deploy.plugins.module_utils._gpu.steps import sriov as step

from tests.secrets.modules import five_steps, run
from tests.unit.gpu_machines import build, link, put

CARD, OTHER = "0000:03:00.0", "0000:04:00.0"
GPU = {"vendor": "0x8086", "device": "0xe20b", "class": "0x030000", "driver": "xe"}


class FakeKernel:
    """A card with SR-IOV: sriov_numvfs as the kernel takes it (another number only from none)."""

    def __init__(self, root: Path) -> None:
        self.root = build(root, {"pci": [{**GPU, "slot": CARD}, {**GPU, "slot": OTHER}]})
        self.writes: list[tuple[str, int]] = []
        self.refuses: set[int] = set()
        for slot in (CARD, OTHER):
            put(self.root, f"sys/bus/pci/devices/{slot}/sriov_totalvfs", "24\n")
            put(self.root, f"sys/bus/pci/devices/{slot}/sriov_numvfs", "0\n")

    def write(self, tree: t.Any, slot: str, number: int) -> None:
        path = self.root / f"sys/bus/pci/devices/{slot}/sriov_numvfs"
        self.writes.append((slot, number))
        if number in self.refuses or (number and int(path.read_text())):
            raise OSError(16, "Device or resource busy")
        path.write_text(f"{number}\n")

    def number(self, slot: str = CARD) -> int:
        return int((self.root / f"sys/bus/pci/devices/{slot}/sriov_numvfs").read_text())

    def function_in_use(self) -> None:
        """A virtual machine has the first function."""
        device = self.root / f"sys/bus/pci/devices/{CARD}"
        put(self.root, "sys/bus/pci/devices/0000:03:00.1/class", "0x030000\n")
        link(device.resolve(), "virtfn0", "../0000:03:00.1")
        link(self.root / "sys/bus/pci/devices/0000:03:00.1", "iommu_group", "../../../../kernel/iommu_groups/17")
        (self.root / "proc/4711/fd").mkdir(parents=True)
        (self.root / "proc/4711/fd/9").symlink_to("/dev/vfio/17")


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeKernel:
    made = FakeKernel(tmp_path / "root")
    monkeypatch.setattr(sriov, "_write", made.write)
    monkeypatch.setattr(step, "ROOT", str(made.root))
    monkeypatch.setattr(step, "UNIT", str(tmp_path / "unified-gpu-sriov.service"))
    monkeypatch.setattr(programs, "run", lambda _argv, **_options: Answer(0, "", ""))
    return made


def asked(**numbers: t.Any) -> dict[str, t.Any]:
    return {"functions": {{"card": CARD, "other": OTHER}[name]: number for name, number in numbers.items()}}


def test_functions_come_stay_change_and_go(kernel: FakeKernel) -> None:
    assert five_steps("gpu_sriov", asked(card=4))["slots"] == [CARD]
    assert kernel.number() == 4 and kernel.writes == [(CARD, 4)]
    unit = Path(step.UNIT)
    assert f"echo 4 >/sys/bus/pci/devices/{CARD}/sriov_numvfs" in unit.read_text()
    # Another number by way of none.
    run("gpu_sriov", asked(card=2))
    assert kernel.writes[1:] == [(CARD, 0), (CARD, 2)]
    # A card that nobody names any more loses what the unit made.
    assert run("gpu_sriov", asked(other=1))["slots"] == [CARD, OTHER]
    assert (kernel.number(), kernel.number(OTHER)) == (0, 1)
    five_steps("gpu_sriov", {"state": "absent"})
    assert kernel.number(OTHER) == 0 and not unit.exists()


def test_unit_that_systemd_refuses_is_no_success_and_is_tried_again(
    kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking: list[list[str]] = []

    def refuse(argv: list[str], **_options: t.Any) -> Answer:
        asking.append(argv)
        return Answer(1, "", "Failed to enable unit") if argv[1] == "enable" else Answer(0, "", "")

    monkeypatch.setattr(programs, "run", refuse)
    for _turn in range(2):
        answer = run("gpu_sriov", asked(card=4))
        assert answer["failed"] and "Failed to enable unit" in answer["msg"] and not Path(step.UNIT).exists()
    assert sum(argv[1] == "enable" for argv in asking) == 2


def test_functions_that_somebody_else_made_stay(kernel: FakeKernel) -> None:
    kernel.write(None, OTHER, 3)
    run("gpu_sriov", asked(card=1))
    run("gpu_sriov", {"state": "absent"})
    assert (kernel.number(), kernel.number(OTHER)) == (0, 3)


@pytest.mark.parametrize("wish", [{"card": 2}, {"card": 2, "other": 1}])
def test_card_in_use_is_left_alone_with_all_others(wish: dict[str, int], kernel: FakeKernel) -> None:
    kernel.write(None, CARD, 4)
    kernel.function_in_use()
    for check in (True, False):
        answer = run("gpu_sriov", asked(**wish), check=check)
        assert answer["failed"] and "in use by process 4711 (/dev/vfio/17)" in answer["msg"]
    assert (kernel.number(), kernel.number(OTHER)) == (4, 0) and not Path(step.UNIT).exists()
    # The number that it has already changes nothing, and is no harm.
    assert not run("gpu_sriov", asked(card=4)).get("failed")


def test_check_mode_changes_nothing(kernel: FakeKernel) -> None:
    assert run("gpu_sriov", asked(card=4), check=True)["changed"] is True
    assert kernel.writes == [] and not Path(step.UNIT).exists()


def test_number_that_the_kernel_refuses_brings_the_old_one_back(kernel: FakeKernel) -> None:
    kernel.write(None, CARD, 4)
    kernel.refuses = {7}
    answer = run("gpu_sriov", asked(card=7))
    assert answer["failed"] and "the kernel refuses 7" in answer["msg"] and "it has 4 again" in answer["msg"]
    assert kernel.number() == 4 and not Path(step.UNIT).exists()


@pytest.mark.parametrize(
    ("number", "said"), [(25, "at most 24"), (-1, "has a number"), ("4", "has a number"), (True, "has a number")]
)
def test_number_that_the_card_cannot_have_is_refused(number: t.Any, said: str, kernel: FakeKernel) -> None:
    answer = run("gpu_sriov", asked(card=number))
    assert answer["failed"] and said in answer["msg"] and kernel.writes == []


def test_device_without_functions_without_driver_and_of_nvidia_are_refused(kernel: FakeKernel) -> None:
    device = (kernel.root / f"sys/bus/pci/devices/{CARD}").resolve()
    (device / "sriov_totalvfs").unlink()
    assert "Is SR-IOV on in the firmware?" in run("gpu_sriov", asked(card=1))["msg"]
    put(kernel.root, f"sys/bus/pci/devices/{CARD}/sriov_totalvfs", "24\n")
    (device / "driver").unlink()
    assert "has no driver" in run("gpu_sriov", asked(card=1))["msg"]
    os.symlink("../../../bus/pci/drivers/nvidia", device / "driver")
    assert "vGPU" in run("gpu_sriov", asked(card=1))["msg"]
    for slot in ("0000:99:00.0", "../../etc"):
        assert "is not there" in run("gpu_sriov", {"functions": {slot: 1}})["msg"]
    assert kernel.writes == []
