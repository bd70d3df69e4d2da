"""The role where dnf installs: dnf, rpm, DKMS and kernel are real, of Debian's archive, on a host that calls itself RHEL 9; the packages are empty
stand-ins. No host of the RHEL family is to be had.
"""

from __future__ import annotations

import json
import typing as t

import pytest

from tests.gpu.conftest import ARCHIVES, Vendor, vendor
from tests.integration.conftest import Play, Target, _quote
from tests.unit.gpu_machines import pci

# An MI210, driven by the kernel's own amdgpu.
GPU = {"slot": "0000:01:00.0", "vendor": "0x1002", "device": "0x740f", "class": "0x038000", "driver": "amdgpu"}
PACKAGES = "rpm -qa | grep -v gpg-pubkey | sort"
BEFORE = "other-tool-1.0-1.noarch\n"
AFTER = "amd-gpu-firmware-20260101-1.noarch\namd-gpu-licence-1.0-1.noarch\nother-tool-1.0-1.noarch\n"
FIRMWARE = {"name": "amd-gpu-firmware", "version": "20260101", "requires": "amd-gpu-licence"}
LICENCE = {"name": "amd-gpu-licence", "version": "1.0"}


@pytest.fixture(scope="module")
def seller(host: Target, tmp_path_factory: pytest.TempPathFactory) -> Vendor:
    made = vendor(host, (*ARCHIVES["dnf"][0], "linux-image-cloud-amd64", "linux-headers-cloud-amd64", "dkms"))
    made.key("vendor")
    publish(made, FIRMWARE, LICENCE, {"name": "other-tool", "version": "1.0"})
    root = tmp_path_factory.mktemp("machine")
    pci(root, GPU)
    host.send(root, "/srv")
    host.shell(
        "mount --bind /srv/sys/bus/pci /sys/bus/pci && mount -t tmpfs tmpfs /sys/devices && cp -a /srv/sys/devices/. /sys/devices/"
    )
    host.shell("rm /etc/os-release; printf 'ID=rhel\\nVERSION_ID=9.6\\nID_LIKE=fedora\\n' > /etc/os-release")
    # What is no part of the RHEL family, and nobody may need.
    host.shell("mkdir /srv/apt && mv /usr/bin/apt* /usr/bin/dpkg* /usr/sbin/update-initramfs /srv/apt/")
    assert made.module("gpu_repository", made.repository("dnf", "rhel/"))["changed"]
    host.shell("dnf -q -y install other-tool && rm -r /etc/yum.repos.d/* /etc/pki/rpm-gpg/*")
    return made


def publish(seller: Vendor, *packages: dict[str, str]) -> None:
    seller.publish("rhel", "vendor", *packages, manager="dnf")
    # What dnf remembers of the archive as it was.
    seller.target.shell("dnf -q clean all")


def role(seller: Vendor, *arguments: str, fails: bool = False, **variables: t.Any) -> Play:
    book = seller.target.directory / "gpu.yml"
    repository = {**seller.repository("dnf", "rhel/"), "suites": ["/"]}
    mirror = {key: value for key, value in repository.items() if key not in ("name", "manager")}
    book.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "roles": ["unified.deploy.gpu"]}]))
    # No GPU answers here.
    ours = {"gpu_mirrors": {"distribution": mirror}, "gpu_verify": False, **variables}
    return seller.target.play(str(book), *arguments, fails=fails, variables=ours)


def test_check_mode_changes_nothing(seller: Vendor) -> None:
    ran = role(seller, "--check")
    assert "would install of branch : amd-gpu-firmware" in ran.output
    assert seller.target.shell(PACKAGES) == BEFORE


def test_package_that_cannot_come_leaves_what_was_there(seller: Vendor) -> None:
    broken = {**LICENCE, "version": "2.0", "pre": 'error("of the stand-in")'}
    publish(seller, broken)
    ran = role(seller, fails=True)
    assert "dnf cannot install amd-gpu-firmware" in ran.output and "It could not be undone" not in ran.output
    assert seller.target.shell(PACKAGES) == BEFORE
    seller.target.shell("rm /srv/standin/www/rhel/noarch/amd-gpu-licence-2.0*")
    publish(seller)


def test_firmware_comes_and_the_later_stages_run(seller: Vendor) -> None:
    host = seller.target.host.name
    # The recorded GPU has no render node, as the stage that shares it says.
    ran = role(seller, fails=True, gpu_containers=True)
    assert ran.changed(host) > 0 and "no render node" in ran.output
    assert seller.target.shell(PACKAGES) == AFTER
    role(seller)
    assert role(seller, "--check").changed(host) == 0
    again = role(seller, "-vvv")
    assert (again.changed(host), again.executions()) == (0, 1), again.output


def test_what_others_need_stays_and_is_named(seller: Vendor) -> None:
    publish(seller, {"name": "own-tool", "version": "1.0", "requires": "amd-gpu-firmware"})
    seller.target.shell("dnf -q -y --refresh install own-tool")
    ran = role(seller, fails=True, gpu_state="absent")
    assert "amd-gpu-firmware is needed by (installed) own-tool-1.0-1.noarch" in ran.output
    seller.target.shell("dnf -q -y --noautoremove remove own-tool")
    assert seller.target.shell(PACKAGES) == AFTER


def test_absent_takes_back_what_came_and_nothing_else(seller: Vendor) -> None:
    assert role(seller, gpu_state="absent").changed(seller.target.host.name) > 0
    assert seller.target.shell(PACKAGES) == BEFORE
    assert seller.target.shell("ls /etc/yum.repos.d /etc/pki/rpm-gpg") == "/etc/pki/rpm-gpg:\n\n/etc/yum.repos.d:\n"
    assert role(seller, gpu_state="absent").changed(seller.target.host.name) == 0


NVIDIA = {"manager": "dnf", "packages": ["nvidia-driver:580-open"], "branch": "580", "extra": ["amd-gpu-firmware"]}
SOURCE = """
import pathlib, sys
sys.path.insert(0, "/srv")
import standin
root = pathlib.Path("/srv/source")
(root / "DEBIAN").mkdir(parents=True)
one = {"name": "nvidia-kernel-dkms", "version": "580.178.04-1"}
standin.sources(root, one)
standin.dkms(root, root / "DEBIAN", one)
"""


def test_nvidia_is_proven_once_the_operator_has_installed_it(seller: Vendor) -> None:
    target = seller.target
    publish(seller, {"name": "nvidia-driver", "version": "580.178.04"}, {"name": "nvidia-driver", "version": "570.1"})
    seller.module("gpu_repository", seller.repository("dnf", "rhel/"))
    missing = seller.module("gpu_driver", NVIDIA)
    assert missing["blocked"] and missing["because"].endswith(
        "(branch 580). By hand, then run this again: dnf install dkms kernel-devel-matched; dnf module install nvidia-driver:580-open; "
        "dnf install amd-gpu-firmware; dkms status; dnf versionlock add 'nvidia-*' 'kmod-nvidia-*' 'libnvidia-*'"
    ), missing
    target.shell("dnf -q -y --refresh install nvidia-driver-570.1")
    assert "dnf module install nvidia-driver:580-open" in seller.module("gpu_driver", NVIDIA)["because"]
    target.shell("dnf -q -y install nvidia-driver-580.178.04")
    kernel = target.shell("ls /lib/modules").strip()
    without = seller.module("gpu_driver", NVIDIA)
    assert f"{kernel}: the installed packages have no module nvidia for it" in without["because"], without
    target.shell(
        f"python3 -c {_quote(SOURCE)} && cp -r /srv/source/usr/src/nvidia-current-580.178.04 /usr/src/nvidia-580.178.04"
    )
    # Debian alone calls them otherwise.
    target.shell("sed -i s/nvidia-current/nvidia/ /usr/src/nvidia-580.178.04/dkms.conf")
    target.shell(f"dkms install nvidia/580.178.04 -k {kernel} >/dev/null && ls /lib/modules/{kernel}/extra/nvidia.ko*")
    for changed in (True, False):
        answer = seller.module("gpu_driver", NVIDIA)
        assert (answer["changed"], answer["blocked"], answer["proofs"]) == (changed, False, {kernel: []}), answer
        assert answer["reboot_reason"] == "nvidia 580.178.04 is installed and not loaded"
    assert "amd-gpu-firmware" in target.shell(PACKAGES)
    seller.module("gpu_driver", {"manager": "dnf", "state": "absent"})
    # What the operator installed is the operator's.
    assert target.shell(PACKAGES) == "nvidia-driver-580.178.04-1.noarch\n" + BEFORE
