"""NVIDIA's own open kernel module, of Debian's archive, which does not build for Debian's newest kernel: refused by the compiler's line."""

from __future__ import annotations

import time
import typing as t

import pytest

from tests.gpu.conftest import Vendor
from tests.hosts.network import ssh
from tests.integration.conftest import Target, _quote

DRIVER = {"name": "nvidia", "packages": ["nvidia-open-kernel-dkms"], "branch": "550"}
# Since this point release a function of PCI has another argument.
KERNEL = "6.12.107+deb13-amd64"
SOURCES = f"""set -e
sed -i 's/^Components: .*/Components: main contrib non-free non-free-firmware/' /etc/apt/sources.list.d/*.sources 2>/dev/null || true
sed -Ei 's/^(deb .* main).*/\\1 contrib non-free non-free-firmware/' /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null || true
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -y -qq install --no-install-recommends linux-image-{KERNEL} >/dev/null
"""
STATE = """dpkg --audit; ls /etc/apt/preferences.d
dpkg-query -W -f '${db:Status-Status} ${Package}\n' 'nvidia*' 2>/dev/null | grep -v ^not-installed || true
"""


@pytest.fixture(scope="module")
def debian(host: Target) -> Vendor:
    done = ssh(host.host, f"sudo bash -c {_quote(SOURCES)}", timeout=590)
    assert done.returncode == 0, done.stdout + done.stderr
    return Vendor(host)


def test_driver_that_does_not_build_is_named_by_the_compilers_line_and_nothing_comes(
    debian: Vendor, record_property: t.Callable[[str, object], None]
) -> None:
    before = debian.target.shell(STATE)
    begun = time.monotonic()
    answer = debian.module("gpu_driver", DRIVER)
    assert answer["blocked"] and f"does not build for {KERNEL}" in answer["because"], answer
    assert "pci_resize_resource" in answer["because"] and "error:" in answer["because"], answer
    assert debian.target.shell(STATE) == before
    record_property(
        "figure",
        f"NVIDIA 550 open on {KERNEL}: refused in {time.monotonic() - begun:.0f} s: {answer['because'][:160]}",
    )
