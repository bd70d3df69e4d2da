"""Real initramfs-tools of Debian: the image has what decides which drivers load, after a run that failed too, and not any more once it has gone."""

from __future__ import annotations

import typing as t

import pytest

from tests.gpu.conftest import Vendor, vendor
from tests.integration.conftest import Target

FILE = "etc/modprobe.d/unified-gpu.conf"
PROGRAM = "/usr/sbin/update-initramfs"


@pytest.fixture(scope="module")
def debian(host: Target) -> Vendor:
    return vendor(host, ["linux-image-cloud-amd64", "openssl"])


def turns(debian: Vendor, content: str | None) -> list[bool]:
    """What two runs change once the file has this content."""
    debian.module("file_set", {"files": [{"path": f"/{FILE}", "content": content}]})
    return [debian.module("gpu_initramfs", {})["changed"] for _turn in range(2)]


def within(debian: Vendor) -> bool:
    return FILE in debian.target.shell("lsinitramfs /boot/initrd.img-*").splitlines()


def test_image_follows_the_file_after_a_failure_too(debian: Vendor) -> None:
    assert debian.module("gpu_initramfs", {})["images"] == []
    debian.target.shell(
        f"mv {PROGRAM} /srv/; printf '#!/bin/sh\\necho no space left >&2; exit 1\\n' > {PROGRAM}; chmod 755 {PROGRAM}"
    )
    debian.module("file_set", {"files": [{"path": f"/{FILE}", "content": "blacklist nouveau\n"}]})
    for _turn in range(2):
        answer: dict[str, t.Any] = debian.module("gpu_initramfs", {})
        assert answer["failed"] and "update-initramfs ended with 1: no space left" in answer["msg"], answer
    debian.target.shell(f"mv /srv/update-initramfs {PROGRAM}")
    assert turns(debian, "blacklist nouveau\n") == [True, False]
    assert within(debian)
    assert turns(debian, None) == [True, False]
    assert not within(debian)


def test_host_whose_images_are_not_to_be_written_is_told(debian: Vendor) -> None:
    debian.target.shell(
        "sed -i 's/^update_initramfs=.*/update_initramfs=no/' /etc/initramfs-tools/update-initramfs.conf"
    )
    debian.module("file_set", {"files": [{"path": f"/{FILE}", "content": "blacklist nouveau\n"}]})
    answer = debian.module("gpu_initramfs", {})
    assert answer["failed"] and "did not write /boot/initrd.img-" in answer["msg"], answer
