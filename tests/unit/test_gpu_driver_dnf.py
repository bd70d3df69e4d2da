"""What is asked of NVIDIA's packages where dnf installs. dnf and rpm themselves are in tests/gpu/test_driver_dnf.py."""

from __future__ import annotations

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._gpu import driver_dnf
from ansible_collections.unified.deploy.plugins.module_utils._gpu.driver import Driver

STREAM = Driver("nvidia", ("nvidia-driver:580-open", "nvidia-fabric-manager"), (), "580")


@pytest.mark.parametrize(
    ("asked", "there", "fits"),
    [
        ("", [], False),
        ("", ["580.178.04"], True),
        ("", ["5800.1"], False),
        ("newest", ["580.178.04"], True),
        ("580.178.04", ["580.178.04"], True),
        ("580.178.04", ["580.95.05"], False),
    ],
)
def test_package_of_the_branch_and_of_the_version_that_is_asked_for(asked: str, there: list[str], fits: bool) -> None:
    assert driver_dnf.fits(STREAM._replace(version=asked), there) is fits


def test_commands_are_those_for_what_is_missing() -> None:
    one = driver_dnf.by_hand(STREAM._replace(version="580.178.04"), STREAM.packages[1:], ["amd-gpu-firmware"])
    assert (
        "branch 580, version 580.178.04" in one
        and "; dnf install nvidia-fabric-manager amd-gpu-firmware; dkms status" in one
    )
    assert "dnf module install" not in one
