"""Hosts of kind `uml`: a Linux kernel of their own in user space (amd64 only).

Real sysctls, modules, mounts, kernel audit and reboot; computing is native, a fork costs about 6 ms.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import signal
import subprocess
import time
from pathlib import Path

from .archive import download
from .network import link_down, link_up, power_off, reboot, wait_for_ssh
from .rootfs import rootfs
from .store import CACHE, Host, HostsError, lacking, locked, need, process_start, run, say

PROGRAMS = {
    "mkfs.ext4": "e2fsprogs",
    "ip": "iproute2",
    "unshare": "util-linux",
    "ssh": "openssh-client",
    "dpkg-deb": "dpkg",
    "ethtool": "ethtool",
}
# 6.1 and 6.12 panic on processors with AMX ("ptrace set fp regs failed"); 7.x does not.
PACKAGE, SUITE = "user-mode-linux", "unstable"
BOOT_SECONDS = 180
# Bumped when disk() changes, so that an old image is not taken for a new one.
LAYOUT = 2
# There is no way out to the archive from such a host, so what the kernel's tests need is put on its disk.
EXTRA = ["auditd", "goss"]

NETWORK = """[Match]
Name=vec0
[Network]
Address={address}/30
LinkLocalAddressing=no
"""

# The kernel needs a newer C library than Debian 12 has, so it runs in a chroot of the Debian 13 root file system.
# A signal to the process group ends it and everything it started.
START = r"""
set -e
mount --bind {chroot} {chroot}
mount -t proc proc {chroot}/proc
mount --rbind /dev {chroot}/dev
mount -t tmpfs -o size=3g tmpfs {chroot}/tmp
mkdir -p {chroot}/tmp/uml {chroot}/tmp/host
mount --bind {kernel} {chroot}/tmp/uml
mount --bind {directory} {chroot}/tmp/host
cd {chroot}
exec chroot {chroot} /usr/bin/env HOME=/tmp /tmp/uml/linux.uml ubda=/tmp/host/disk.img root=/dev/ubda rw mem=1G \
  seccomp=on audit=1 apparmor=0 vec0:transport=raw,ifname={peer},depth=64 con=null con0=null,fd:2 umid={name}
"""


def kernel() -> Path:
    """Directory with linux.uml and its modules, from Debian's package."""
    target = CACHE / "uml"
    with locked("uml-kernel"):
        if (target / "built.json").exists():
            return target
        say(f"fetching the kernel ({PACKAGE} of Debian {SUITE}, 36 MB, once)")
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        package = download(PACKAGE, SUITE, target / "unpacked")
        (target / "unpacked/usr/bin/linux.uml").rename(target / "linux.uml")
        modules = next((target / "unpacked/usr/lib/uml/modules").iterdir())
        modules.rename(target / "modules")
        record = {"package": package, "release": modules.name}
        shutil.rmtree(target / "unpacked")
        (target / "built.json").write_text(json.dumps(record))
    return target


def disk(suite: str) -> Path:
    """An ext4 image of the suite's root file system with the kernel's modules and what the tests need."""
    root, linux = rootfs(suite), kernel()
    release = json.loads((linux / "built.json").read_text())["release"]
    image = CACHE / "images" / root.parent.name / f"uml-{release}-{LAYOUT}.img"
    with locked(f"image-{suite}"):
        if image.exists():
            return image
        say(f"building the disk image of {suite} for kernel {release} (about 30 s, once)")
        work = image.with_suffix(".work")
        shutil.rmtree(work, ignore_errors=True)
        run(["cp", "-a", "--reflink=auto", str(root), str(work)], why="copy the root file system")
        shutil.copytree(linux / "modules", work / "lib/modules" / release, symlinks=True)
        shutil.copy("/etc/resolv.conf", work / "etc/resolv.conf")
        (work / "etc/hostname").write_text("uml\n")
        (work / "etc/hosts").write_text("127.0.0.1 localhost\n127.0.1.1 uml\n::1 localhost\n")
        policy = work / "usr/sbin/policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
        extra = [name for name in EXTRA if name != "goss" or suite == "debian13"]
        install = f"apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get install -qy {' '.join(extra)} && depmod {release}"
        run(["chroot", str(work), "sh", "-c", install], why="install what the kernel's tests need")
        policy.unlink()
        (work / "etc/fstab").write_text("/dev/ubda / ext4 defaults 0 1\n")
        for enabled in ("systemd-networkd.service",):
            run(["systemctl", f"--root={work}", "enable", enabled], why=f"enable {enabled}")
        # It waits for links that no test host has.
        run(["systemctl", f"--root={work}", "disable", "systemd-networkd-wait-online.service"], why="disable waiting")
        part = image.with_suffix(".part")
        run(["mkfs.ext4", "-q", "-F", "-d", str(work), str(part), "3000M"], why="make the image")
        shutil.rmtree(work)
        part.rename(image)
    return image


def start(host: Host) -> None:
    if lacks := missing():
        raise HostsError("this machine cannot run uml hosts: " + "; ".join(lacks))
    need(PROGRAMS)
    host.directory.mkdir(parents=True, exist_ok=True)
    image = host.directory / "disk.img"
    run(["cp", "--sparse=always", host.root or str(disk(host.suite)), str(image)], why="copy the disk")
    network = host.directory / "10-vec0.network"
    network.write_text(NETWORK.format(address=host.address))
    write_address(network, image)
    power_on(host)


def write_address(network: Path, image: Path) -> None:
    """Put the host's address on its disk, in place of that of the host whose snapshot the disk is."""
    target = "/etc/systemd/network/10-vec0.network"
    # debugfs writes over no file, and ends with 0 whatever its commands did.
    for request in (f"rm {target}", f"write {network} {target}"):
        run(["debugfs", "-w", "-R", request, str(image)], why="write the host's address into its disk")
    if run(["debugfs", "-R", f"cat {target}", str(image)], why="read the host's address") != network.read_text():
        raise HostsError(f"{image}: the host's address could not be written into its disk")


def power_on(host: Host) -> None:
    """Boot from the host's disk as it is."""
    link_up(host)
    run(["ip", "link", "set", host.peer, "up", "promisc", "on"], why="bring the kernel's link up")
    for end in (host.link, host.peer):
        # A raw socket sees frames before the checksum is filled in.
        subprocess.run(
            ["ethtool", "-K", end, "tx", "off", "gso", "off", "tso", "off", "gro", "off"],
            capture_output=True,
            check=False,
        )
    script = START.format(
        chroot=rootfs("debian13"), kernel=kernel(), directory=host.directory, peer=host.peer, name=host.name
    )
    with (host.directory / "console.log").open("ab") as console:
        child = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            start_new_session=True,
        )
    host.pid, host.started = child.pid, process_start(child.pid)
    host.save()
    wait_for_ssh(host, timeout=BOOT_SECONDS)


def cut_power(host: Host) -> None:
    """Kill the host's kernel, which is one process group; nothing that it had not written to its disk stays."""
    if host.alive():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(host.pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while host.alive() and time.monotonic() < deadline:
            time.sleep(0.05)


def stop(host: Host) -> None:
    """End the host and forget it."""
    cut_power(host)
    link_down(host)
    shutil.rmtree(host.directory, ignore_errors=True)


def snapshot(host: Host, target: Path) -> None:
    """Shut the host down and keep its disk, which new hosts can start from. It does not come back up."""
    power_off(host, timeout=BOOT_SECONDS)
    run(["cp", "--sparse=always", str(host.directory / "disk.img"), str(target)], why=f"copy the disk of {host.name}")


def restart(host: Host) -> None:
    reboot(host, timeout=BOOT_SECONDS)


def missing() -> list[str]:
    """What this machine lacks to run this kind; empty when it can."""
    lacks = lacking(PROGRAMS)
    if platform.machine() != "x86_64":
        lacks.append(f"an x86-64 processor (this is {platform.machine()})")
    return lacks
