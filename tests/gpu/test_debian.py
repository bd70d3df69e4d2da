"""A real out-of-tree module of Debian's archive (evdi, a DRM driver), built for Debian's own kernel and proven."""

from __future__ import annotations

import pytest

from tests.gpu.conftest import Vendor, vendor
from tests.integration.conftest import Target

EVDI = {"name": "evdi", "packages": ["evdi-dkms"], "branch": "1"}


@pytest.fixture(scope="module")
def debian(host: Target) -> Vendor:
    return vendor(host, ["linux-image-amd64", "openssl"])


def test_evdi_is_built_for_the_kernel_and_its_symbols_are_there(debian: Vendor) -> None:
    made = debian.module("gpu_driver", EVDI)
    (kernel,) = made["proofs"]
    assert (made["changed"], made["blocked"], made["proofs"]) == (True, False, {kernel: []}), made
    assert kernel.endswith("-amd64") and kernel == debian.target.shell("ls /lib/modules").strip()
    assert debian.target.shell(f"modinfo -k {kernel} -F vermagic evdi").split()[0] == kernel
    assert debian.target.shell(f"modprobe --dry-run -S {kernel} evdi && echo resolves").strip() == "resolves"
    # DKMS signs with the key that it made.
    assert "DKMS module signing key" in debian.target.shell(f"modinfo -k {kernel} -F signer evdi")
    assert debian.module("gpu_driver", EVDI)["changed"] is False


def test_evdi_goes_with_all_that_came_for_it(debian: Vendor) -> None:
    assert debian.module("gpu_driver", {"state": "absent"})["changed"] is True
    assert (
        debian.target.shell(
            "dpkg-query -W -f '${Package} ${db:Status-Status}\\n' evdi-dkms dkms 'linux-headers-*' | grep -w installed || true"
        )
        == ""
    )
