# SPDX-License-Identifier: GPL-3.0-or-later
"""What the next boot starts the kernel with, by boot loader, and what the running kernel was started with.

Items: ``live``, the value of each parameter of the request in /proc/cmdline; ``loaders``, by name ``{entries, future}``:
``entries`` is a list of ``{title, source, made_by, values}``, ``future`` is ``{sources, values}``, what entries of kernels that are
installed later get, a mapping for each sort of entry, or None where nothing tells; ``booted_since``, whether the running kernel was
started after the last change of what the entries stand in; ``outside``, why no boot loader of this host starts
its kernel, and ``unknown``, why it cannot be told what does, both empty where loaders are known; ``password``, how GRUB's menu is
locked (`boot_grub.password`), or None without GRUB. A value is None where the parameter does not stand there, "" where it stands
without one, and the last of several. Nothing else of a command line is kept: it can hold secrets.
"""

from __future__ import annotations

import glob
import math
import os
import time
import typing as t

from . import boot_entries, boot_grub
from .boot_words import Stored, values, words
from .configuration import text
from .host import in_container
from .section import Reader, Section

CMDLINE = boot_entries.RUNNING
LOADERS: dict[str, t.Callable[[dict[str, str]], t.Optional[Stored]]] = {
    "bls": boot_grub.snippets,
    "extlinux": boot_entries.extlinux,
    "grub": boot_grub.menu,
    "raspberry": boot_entries.raspberry,
    "systemd-boot": boot_entries.systemd_boot,
}
"""Every boot loader that is known; each returns None where it is not set up."""
KERNELS = (
    "/boot/vmlinu[xz]*",
    "/boot/Image*",
    "/boot/kernel*",
    "/boot/firmware/kernel*.img",
    "/usr/lib/modules/*/vmlinuz",
)
# What started the running kernel says so here (https://systemd.io/BOOT_LOADER_INTERFACE), GRUB since 2.12, too.
EFI_VARIABLES = "/sys/firmware/efi/efivars"
VENDOR = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
ANNOUNCED = {"bls": "GRUB", "grub": "GRUB", "systemd-boot": "systemd-boot"}
# Where a boot loader has its files, when something of its own is mounted there.
PLACES = ("/boot", "/boot/efi", "/boot/firmware", "/efi")


class Boot(Reader):
    """Args: request: names of kernel parameters."""

    def __init__(self, request: list[str] | None = None) -> None:
        super().__init__(list(request or ()))

    def read(self) -> Section:
        left_out: dict[str, str] = {}
        items: dict[str, t.Any] = {
            "live": values(words(text(CMDLINE, left_out) or ""), self.request), "loaders": {},
            "booted_since": False, "outside": outside(), "unknown": "", "password": None,
        }  # fmt: skip
        if items["outside"]:
            return Section(items, left_out)
        sources: set[str] = set()
        for name, look in LOADERS.items():
            stored = look(left_out)
            if stored is not None:
                items["loaders"][name] = stored.as_dict(self.request)
                sources |= {entry.source for entry in stored.entries}
        items["booted_since"] = bool(sources) and max(map(changed, sources)) < started_at()
        boot_entries.unread(left_out)
        boot_grub.other_menus(left_out)
        if announced("StubInfo"):
            left_out["StubInfo"] = f"the running kernel came from {boot_entries.UNIFIED}"
        started = announced("LoaderInfo")
        if not items["loaders"]:
            items["unknown"] = f"none of the boot loaders that are known is found: {', '.join(LOADERS)}"
        elif started and not any(started.startswith(ANNOUNCED.get(name, "\0")) for name in items["loaders"]):
            items["unknown"] = (
                f"{started} started the running kernel, and none of its files is found: mount the partition that it boots from"
            )
        elif not started and items["loaders"].keys() <= {"bls", "grub"} and not started_by_grub():
            items["unknown"] = (
                "what started the running kernel was not GRUB, whose menu is here: its command line has no BOOT_IMAGE="
            )
        if missing := [place for place in PLACES if promised(place) and not os.path.ismount(place)]:
            items["unknown"] = f"{missing[0]} is not mounted: mount it, so that the boot loader's files can be read"
        if {"grub", "bls"} & items["loaders"].keys():
            items["password"] = boot_grub.password(left_out)
        return Section(items, left_out)


def changed(path: str) -> float:
    """When a file was last changed (seconds since the epoch)."""
    try:
        return os.stat(path).st_mtime
    except OSError:
        return math.inf


def started_at() -> float:
    """When the running kernel was started (seconds since the epoch), by the clock as it is set now."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def outside() -> str:
    """Why the kernel of this host is started by something outside of it; empty where it is not."""
    if in_container():
        return "a container runs on its machine's kernel"
    if "User Mode Linux" in (text("/proc/cpuinfo", {}) or ""):
        return "this kernel is a process of another machine, which starts it"
    traces = [word for word in words(text(CMDLINE, {}) or "") if word.startswith("BOOT_IMAGE=")]
    traces += [place for place in PLACES if promised(place)]
    if not traces and not announced("LoaderInfo") and not any(glob.glob(pattern) for pattern in KERNELS):
        return "no kernel is installed: it is started from outside, as clouds and virtual machines do (direct boot)"
    return ""


def started_by_grub() -> bool:
    """By the word that GRUB puts before the parameters of Linux, and its scripts before those of a kernel that Xen starts (20_linux_xen)."""
    return any(word.startswith("BOOT_IMAGE=") or word == "placeholder" for word in words(text(CMDLINE, {}) or ""))


def announced(name: str) -> str:
    """What a boot loader said of itself when it started the running kernel: a text in UTF-16, after four bytes of attributes."""
    return (text(f"{EFI_VARIABLES}/{name}-{VENDOR}", {}) or "")[4:].replace("\0", "")


def promised(place: str) -> bool:
    """Whether fstab(5) mounts something at PLACE."""
    lines = (line.split() for line in (text("/etc/fstab", {}) or "").splitlines())
    return any(len(line) > 1 and not line[0].startswith("#") and line[1].rstrip("/") == place for line in lines)
