"""NVIDIA's own open kernel module, of Debian's archive: refused where it does not build, loaded by the kernel that it is built for, and refused by
another. No GPU is there: the module says so itself. It takes a quarter of an hour.
"""

from __future__ import annotations

import time
import typing as t
from pathlib import Path

import pytest

from tests.gpu import boots
from tests.gpu.conftest import Vendor
from tests.hosts.network import ssh
from tests.integration.conftest import Target, _quote

DRIVER = {"name": "nvidia", "packages": ["nvidia-open-kernel-dkms"], "branch": "550"}
# Two point releases of one kernel: between them a function of PCI got another argument.
BUILDS, BUILDS_NOT = "6.12.94+deb13-amd64", "6.12.107+deb13-amd64"
INSTALL = "DEBIAN_FRONTEND=noninteractive apt-get -y -qq install --no-install-recommends"
SOURCES = f"""set -e
sed -i 's/^Components: .*/Components: main contrib non-free non-free-firmware/' /etc/apt/sources.list.d/*.sources 2>/dev/null || true
sed -Ei 's/^(deb .* main).*/\\1 contrib non-free non-free-firmware/' /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null || true
apt-get -qq update
{INSTALL} linux-image-{BUILDS_NOT} >/dev/null
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
    assert answer["blocked"] and f"does not build for {BUILDS_NOT}" in answer["because"], answer
    assert "pci_resize_resource" in answer["because"] and "error:" in answer["because"], answer
    assert debian.target.shell(STATE) == before
    record_property(
        "figure",
        f"NVIDIA 550 open on {BUILDS_NOT}: refused in {time.monotonic() - begun:.0f} s: {answer['because'][:160]}",
    )


def test_module_loads_into_the_kernel_that_it_is_built_for_and_into_no_other(
    debian: Vendor, tmp_path: Path, record_property: t.Callable[[str, object], None]
) -> None:
    host = debian.target
    needed = f"linux-image-{BUILDS} linux-headers-{BUILDS} dkms xz-utils {' '.join(boots.PACKAGES)}"
    host.shell(f"{INSTALL} {needed} >/dev/null")
    # Without its scripts, which would build it for the other kernel too.
    host.shell(
        "cd /srv && apt-get -qq download nvidia-open-kernel-dkms 2>/dev/null && dpkg -x nvidia-open-kernel-dkms_*.deb /"
    )
    name, version = host.shell("ls -d /usr/src/nvidia*").strip().rpartition("/")[2].rsplit("-", 1)
    begun = time.monotonic()
    done = ssh(host.host, f"sudo dkms install -m {name} -v {version} -k {BUILDS}", timeout=1300)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    took = time.monotonic() - begun
    placed = host.shell(f"cd /lib/modules/{BUILDS}/updates/dkms && echo nvidia*.ko*").split()
    # The others' names begin with it.
    module = min(placed, key=len).partition(".ko")[0]
    boots.pack(host, "nvidia", BUILDS, module)
    host.shell(f"cp /boot/vmlinuz-{BUILDS_NOT} /srv/boot/other.kernel")
    boots.fetch(host, ["."], tmp_path)
    right, wrong = boots.direct(tmp_path, "nvidia"), boots.direct(tmp_path, "nvidia", kernel="other")
    assert "No such device" in right.loads()[module.replace("-", "_")][1], right.console
    assert "No NVIDIA GPU found" in right.console
    assert wrong.seen("kernel") == [BUILDS_NOT]
    assert "Invalid argument" in wrong.loads()[module.replace("-", "_")][1], wrong.console
    record_property(
        "figure",
        f"NVIDIA 550 open on {BUILDS}: built in {took:.0f} s; the right kernel says no such device ({right.seconds:.0f} s), the wrong one "
        f"invalid argument ({wrong.seconds:.0f} s)",
    )
