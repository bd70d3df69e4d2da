# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernels that a host can boot, and what each of them would do with a device."""

from __future__ import annotations

import fnmatch
import os
import re
import typing as t

from . import module_file
from .boot import LOCAL_KEYS
from .tree import Tree

# Names that Debian, Ubuntu, the RHEL family and boards give to kernels in /boot.
IMAGE = re.compile(r"(?:vmlinuz|vmlinux|Image|kernel)-(.+)")
# Images that end so are not bootable by themselves, or are a rescue copy of another.
NOT_A_KERNEL = re.compile(r"\.(?:old|bak|hmac|sig|dpkg-\w+|efi\.signed)$|^0-rescue")
MODULES = "lib/modules"
DKMS = "var/lib/dkms"


def bootable(tree: Tree) -> list[str]:
    """Releases of the kernels with an image in /boot, or beside their modules where /boot has only loader entries."""
    images = {match.group(1) for name in tree.names("boot") if (match := IMAGE.fullmatch(name))}
    beside = {release for release in tree.names(MODULES) if tree.exists(MODULES, release, "vmlinuz")}
    return sorted(release for release in images | beside if not NOT_A_KERNEL.search(release))


def running(tree: Tree) -> str:
    return tree.text("proc/sys/kernel/osrelease")


def kernel(tree: Tree, release: str, modaliases: t.Sequence[str]) -> dict[str, t.Any]:
    """What there is for one kernel: headers, modules of DKMS, and which of its modules claim each device.

    Args:
        modaliases: of the host's GPUs.
    """
    aliases = "modules.alias"
    return {
        "release": release,
        "running": release == running(tree),
        "modules": tree.exists(MODULES, release, aliases),
        "headers": tree.exists(MODULES, release, "build", "Makefile"),
        "claims": claims(tree.text(MODULES, release, aliases), modaliases) if modaliases else {},
        "dkms": dkms(tree, release),
    }


def claims(aliases: str, modaliases: t.Sequence[str]) -> dict[str, list[str]]:
    """Modules that claim each device, as ``modules.alias`` says (modprobe.d(5), depmod(8)), in its order."""
    buses = tuple({f"alias {modalias.partition(':')[0]}:" for modalias in modaliases})
    vendors = {modalias[4:14] for modalias in modaliases if modalias.startswith("pci:")}
    claimed: dict[str, list[str]] = {modalias: [] for modalias in modaliases}
    for line in aliases.splitlines():
        # Ten thousands of lines: what another vendor's device is called is no pattern to try.
        if not line.startswith(buses) or (line.startswith("alias pci:v0") and line[10:20] not in vendors):
            continue
        words = line.split()
        if len(words) != 3:
            continue
        pattern, module = words[1:]
        for modalias, modules in claimed.items():
            if fnmatch.fnmatchcase(modalias, pattern) and module not in modules:
                modules.append(module)
    return claimed


def dkms(tree: Tree, release: str) -> list[dict[str, t.Any]]:
    """Modules that DKMS keeps and this kernel's state of each: installed, built, failed or added.

    See dkms(8): the directory is ``<module>/<version>/<kernel>/<arch>/module``; a build that failed leaves ``build/make.log``.
    What was built tells too for which kernel and for whose key (`module_file.describe`).
    """
    modules = []
    for name in tree.names(DKMS):
        for version in tree.names(DKMS, name):
            if tree.exists(DKMS, name, version, "source"):
                built = _built(tree, name, version, release)
                module = {
                    "module": name,
                    "version": version,
                    "state": _state(tree, name, version, release, bool(built)),
                }
                modules.append({**module, "kernel": "", "signer": "", "unread": "", **built})
    return modules


def _built(tree: Tree, name: str, version: str, release: str) -> dict[str, str]:
    """What the smallest module of a build says: all are built and signed in one go, and some are large. Empty where there is none."""
    for arch in tree.names(DKMS, name, version, release):
        directory = (DKMS, name, version, release, arch, "module")
        files = [file for file in tree.names(*directory) if ".ko" in file]
        if files:
            smallest = min(files, key=lambda file: os.path.getsize(tree.path(*directory, file)))
            keys = {f"/{path}": der for path in LOCAL_KEYS if (der := tree.content(path))}
            return module_file.describe(smallest, tree.content(*directory, smallest), keys)
    return {}


def linked(tree: Tree, name: str, version: str, release: str) -> bool:
    """Whether DKMS has installed this version of a module for a kernel, by the link that it keeps (_is_module_installed of dkms 3)."""
    links = (link for link in tree.names(DKMS, name) if link.startswith(f"kernel-{release}-"))
    return any(version in os.path.realpath(tree.path(DKMS, name, link)).split("/") for link in links)


def _state(tree: Tree, name: str, version: str, release: str, built: bool) -> str:
    if built:
        return "installed" if linked(tree, name, version, release) else "built"
    log = tree.text(DKMS, name, version, "build", "make.log")
    return "failed" if release in log else "added"
