"""A real DKMS package of Debian's archive, built for Debian's own kernel and proven; and all of it away again."""

from __future__ import annotations

import pytest

from tests.gpu.conftest import Vendor, vendor
from tests.integration.conftest import Target

# A trivial module, with which Debian tests DKMS.
DRIVER = {"name": "dkms", "packages": ["dkms-test-dkms"], "branch": "3"}


@pytest.fixture(scope="module")
def debian(host: Target) -> Vendor:
    return vendor(host, ["linux-image-cloud-amd64", "openssl"])


def test_module_is_built_for_the_kernel_and_its_symbols_are_there(debian: Vendor) -> None:
    made = debian.module("gpu_driver", DRIVER)
    kernel = debian.target.shell("ls /lib/modules").strip()
    assert (made["changed"], made["blocked"], made["proofs"]) == (True, False, {kernel: []}), made
    assert debian.target.shell(f"modinfo -k {kernel} -F vermagic dkms_test").split()[0] == kernel
    assert debian.target.shell(f"modprobe --dry-run -S {kernel} dkms_test && echo resolves").strip() == "resolves"
    # DKMS signs with the key that it made.
    assert "DKMS module signing key" in debian.target.shell(f"modinfo -k {kernel} -F signer dkms_test")
    assert debian.module("gpu_driver", DRIVER)["changed"] is False


def test_it_goes_with_all_that_came_for_it(debian: Vendor) -> None:
    assert debian.module("gpu_driver", {"state": "absent"})["changed"] is True
    left = debian.target.shell(
        "dpkg-query -W -f '${Package} ${db:Status-Status}\n' '*dkms*' 'linux-headers-*' 2>/dev/null || true"
    )
    assert [line for line in left.splitlines() if line.endswith(" installed")] == []
