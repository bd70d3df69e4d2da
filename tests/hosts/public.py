"""Machines from the images that distributions publish for clouds, for the systems that Debian's archive does not have."""

from __future__ import annotations

import hashlib
import re
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from .rootfs import key_pair
from .store import ADMIN, CACHE, Host, HostsError, locked, run, say

# cloud-init's NoCloud: a file system of this label with these two files.
LABEL = "CIDATA"
USER_DATA = """#cloud-config
users:
  - name: {admin}
    groups: [{group}]
    lock_passwd: true
    shell: /bin/bash
    sudo: "ALL=(ALL:ALL) NOPASSWD: ALL"
    ssh_authorized_keys: ["{key}"]
"""


@dataclass(frozen=True)
class Image:
    """An image for clouds.

    Attributes:
        url, sums: of the image and of the list of SHA-256 sums that its makers publish beside it.
        group: whose members administer such a host.
    """

    url: str
    sums: str
    group: str


_UBUNTU = "https://cloud-images.ubuntu.com/releases/{0}/release/ubuntu-{1}-server-cloudimg-amd64.img"
_ROCKY = "https://dl.rockylinux.org/pub/rocky/9/images/x86_64/Rocky-9-GenericCloud-Base.latest.x86_64.qcow2"
_ALMA = (
    "https://repo.almalinux.org/almalinux/10/cloud/x86_64_v2/images/AlmaLinux-10-GenericCloud-latest.x86_64_v2.qcow2"
)
IMAGES = {
    "almalinux10": Image(_ALMA, "CHECKSUM", "wheel"),
    "rocky9": Image(_ROCKY, "CHECKSUM", "wheel"),
    "ubuntu2204": Image(_UBUNTU.format("jammy", "22.04"), "SHA256SUMS", "sudo"),
    "ubuntu2404": Image(_UBUNTU.format("noble", "24.04"), "SHA256SUMS", "sudo"),
}


def checksum(sums: str, name: str) -> str:
    """The SHA-256 of NAME in a list as coreutils or BSD write one; empty where it does not stand there."""
    quoted = re.escape(name)
    lines = rf"^([0-9a-f]{{64}}) [ *]{quoted}$|^SHA256 \({quoted}\) = ([0-9a-f]{{64}})$"
    match = re.search(lines, sums, re.MULTILINE)
    return (match[1] or match[2]) if match else ""


def image(name: str) -> Path:
    """The image of a system, fetched once.

    Raises:
        HostsError: it is not what its makers' list of checksums says.
    """
    source = IMAGES[name]
    target = CACHE / "images" / f"{name}.qcow2"
    with locked(f"image-{name}"):
        if not target.exists():
            say(f"fetching {source.url}")
            directory, _mark, file = source.url.rpartition("/")
            with urllib.request.urlopen(f"{directory}/{source.sums}", timeout=60) as answer:
                promised = checksum(answer.read().decode(), file)
            target.parent.mkdir(parents=True, exist_ok=True)
            new = target.with_suffix(".new")
            urllib.request.urlretrieve(source.url, new)
            with new.open("rb") as content:
                is_it = hashlib.file_digest(content, "sha256").hexdigest() == promised
            if not is_it:
                new.unlink()
                raise HostsError(f"{source.url} is not what {source.sums} beside it says: fetch it again later")
            new.rename(target)
    return target


def seed(host: Host) -> Path:
    """The disk that tells cloud-init who administers the host."""
    disk = host.directory / "seed.img"
    if not disk.exists():
        written = {
            "user-data": USER_DATA.format(admin=ADMIN, group=IMAGES[host.suite].group, key=key_pair().strip()),
            "meta-data": f"instance-id: {host.name}\nlocal-hostname: vm\n",
        }
        run(["truncate", "-s", "1440K", str(disk)], why="make the seed")
        run(["mformat", "-i", str(disk), "-v", LABEL, "-f", "1440", "::"], why="make the seed")
        for name, content in written.items():
            file = host.directory / name
            file.write_text(content)
            run(["mcopy", "-i", str(disk), str(file), f"::/{name}"], why="fill the seed")
    return disk
