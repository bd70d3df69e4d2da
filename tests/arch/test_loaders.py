"""Boot loaders other than GRUB: Debian's own programs make their entries, the collection changes them, and firmware boots them.

The entries are made in a tree of each architecture (`trees.py`), by what Debian's kernel packages run when a kernel is installed.
"""

from __future__ import annotations

import os
import re
import shutil
import typing as t
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.hosts import archive, vm
from tests.hosts.store import run

from . import trees
from .conftest import ARCHITECTURES
from .firmware import console
from .plans import make, planned
from .trees import Tree

ADDED = {"apparmor=1", "audit=1", "audit_backlog_limit=8192", "security=apparmor"}
ESP = "/boot/efi"
# A directory stands for the EFI system partition, and no firmware of this machine's is told of it. A tree is a chroot, which a program
# that looks at its first process cannot see.
ENVIRONMENT = {
    "BOOT_MNT": ESP, "DEB_MAINT_PARAMS": "configure", "FAKECHROOT": "true", "SYSTEMD_ESP_PATH": ESP, "SYSTEMD_IN_CHROOT": "1",
}  # fmt: skip
SITE = "root=/dev/vda1 ro console=ttyS0 site.word=kept\n"
U_BOOT_DROP_IN, WINS = (f"etc/u-boot-menu/conf.d/{name}.conf" for name in ("site", "zzz-site"))


@dataclass(frozen=True)
class Loader:
    """A boot loader as Debian has it.

    Attributes:
        hook: what makes its entries when a kernel is installed.
        lines: the files with command lines, and a pattern of those.
        first: what sets it up, besides its packages.
        settings: what the site may have set: files and their contents.
    """

    packages: tuple[str, ...]
    hook: str
    lines: tuple[str, str]
    settings: tuple[dict[str, str], ...]
    first: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ("amd64", "arm64", "riscv64")


LOADERS = {
    "extlinux": Loader(
        ("u-boot-menu",), "zz-u-boot-menu", ("boot/extlinux/extlinux.conf", r"^\tappend (.*)$"),
        ({}, {"etc/kernel/cmdline": SITE}, {U_BOOT_DROP_IN: f'U_BOOT_PARAMETERS="{SITE.strip()}"\n'}),
    ),
    "raspberry": Loader(
        ("raspi-firmware",), "z50-raspi-firmware", ("boot/firmware/cmdline.txt", r"\A(.*)"),
        ({}, {"etc/default/raspi-extra-cmdline": "site.word=kept\n"}),
        # On others the hook does nothing.
        architectures=("arm64",),
    ),
    "systemd-boot": Loader(
        ("systemd-boot", "systemd-boot-efi", "systemd-boot-tools"), "zz-systemd-boot",
        (f"{ESP[1:]}/loader/entries/*.conf", r"^options +(.*)$"),
        ({}, {"etc/kernel/cmdline": SITE}),
        first=("bootctl", "install", "--no-variables"),
    ),
}  # fmt: skip
INSTALLED = [(name, one) for one in ARCHITECTURES for name in LOADERS if one in LOADERS[name].architectures]


@dataclass
class Installed:
    """A tree with the packages of one boot loader, which any test can begin with anew."""

    name: str
    architecture: str
    tree: Tree

    @property
    def loader(self) -> Loader:
        return LOADERS[self.name]

    def kept(self, part: str) -> Path:
        return self.tree.work / f"kept-{part}"

    def begin(self, settings: dict[str, str]) -> None:
        """Set the boot loader up as if its packages had just been installed on a host with SETTINGS."""
        for part in ("boot", "etc"):
            shutil.rmtree(self.tree.path / part)
            shutil.copytree(self.kept(part), self.tree.path / part, symlinks=True)
        for path, content in settings.items():
            (self.tree.path / path).parent.mkdir(parents=True, exist_ok=True)
            (self.tree.path / path).write_text(content)
        if self.loader.first:
            self.run(*self.loader.first)
        self.install_kernel(self.kernel)

    def run(self, *argv: str) -> None:
        self.tree.run("env", *(f"{name}={value}" for name, value in ENVIRONMENT.items()), *argv)

    @property
    def kernel(self) -> Path:
        return min((self.tree.path / "boot").glob("vmlinu[xz]-*"))

    def install_kernel(self, kernel: Path) -> None:
        """What a kernel's package does with the boot loader."""
        version = kernel.name.partition("-")[2]
        self.run(f"/etc/kernel/postinst.d/{self.loader.hook}", version, f"/boot/{kernel.name}")

    def lines(self) -> list[frozenset[str]]:
        """The words of each command line that the boot loader has stored."""
        pattern, line = self.loader.lines
        texts = [path.read_text() for path in sorted(self.tree.path.glob(pattern))]
        return [frozenset(found.split()) for text in texts for found in re.findall(line, text, re.MULTILINE)]


@pytest.fixture(scope="module", params=INSTALLED, ids="-".join)
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Installed]:
    name, architecture = request.param
    tree = trees.tree(architecture, tmp_path_factory.mktemp(name))
    made = Installed(name, architecture, tree)
    debs = archive.debs(made.loader.packages, "trixie", architecture)
    for deb in debs:
        shutil.copy(deb, tree.path / "tmp")
    # It has no modules to make one of.
    (tree.path / "etc/initramfs-tools/update-initramfs.conf").write_text("update_initramfs=no\n")
    # The tree's packages may be of an older point release than these.
    tree.run("env", "FAKECHROOT=true", "dpkg", "--force-depends", "-i", *(f"/tmp/{deb.name}" for deb in debs))
    (tree.path / "etc/machine-id").write_text(f"{uuid.uuid4().hex}\n")
    for directory in ("efi", "extlinux", "firmware"):
        shutil.rmtree(tree.path / "boot" / directory, ignore_errors=True)
    (tree.path / ESP[1:]).mkdir()
    for part in ("boot", "etc"):
        shutil.copytree(tree.path / part, made.kept(part), symlinks=True)
    yield made
    shutil.rmtree(tree.path)


def test_entries_of_the_loader_s_own_program_get_parameters_once_and_for_later_kernels(installed: Installed) -> None:
    for settings in installed.loader.settings:
        installed.begin(settings)
        gets_parameters(installed)


def gets_parameters(installed: Installed) -> None:
    tree, before = installed.tree, installed.lines()
    boot = planned(tree)[1]["boot"]
    assert (list(boot["loaders"]), boot["outside"]) == ([installed.name], "")
    assert len(boot["loaders"][installed.name]["entries"]) == len(before) > 0

    assert len(make(tree)) == len(ADDED)
    after = installed.lines()
    assert [line - ADDED for line in after] == before, "other parameters are kept"
    assert all(line >= ADDED for line in after)

    installed.install_kernel(installed.kernel)  # as a new initramfs does
    assert installed.lines() == after
    made, _evidence = planned(tree)
    assert made.changes == [] and made.desired.empty()

    later = installed.kernel.with_name(installed.kernel.name.partition("-")[0] + "-9.9.9-test")
    os.link(installed.kernel, later)
    initramfs = next((tree.path / "boot").glob("initrd.img-*"))
    os.link(initramfs, initramfs.with_name("initrd.img-9.9.9-test"))
    installed.install_kernel(later)
    lines = installed.lines()
    assert set(lines) >= set(after) and all(line >= ADDED for line in lines)
    # The Raspberry Pi's firmware has one command line for the one kernel that it starts.
    assert len(lines) == (len(before) if installed.name == "raspberry" else 2 * len(before))
    assert make(tree) == []


@pytest.mark.parametrize("installed", [one for one in INSTALLED if one[0] == "extlinux"], ids="-".join, indirect=True)
def test_drop_in_of_u_boot_s_menu_that_wins_is_held_by_name(installed: Installed) -> None:
    installed.begin({WINS: 'U_BOOT_PARAMETERS="ro"\n'})
    make(installed.tree)
    made, _evidence = planned(installed.tree)
    assert made.changes == [] and f"/{WINS}" in made.verdicts["boot/audit"].held


# That for amd64 (2023.01) sets the whole command line in quotes, which makes one parameter of it.
U_BOOTS = {
    "arm64": [
        "qemu-system-aarch64",
        "-M",
        "virt",
        "-cpu",
        "cortex-a72",
        "-bios",
        "/usr/lib/u-boot/qemu_arm64/u-boot.bin",
    ],
    "riscv64": vm.MACHINES["riscv64"].argv(Path()),
}
# QEMU starts the kernel of its Raspberry Pis itself: their firmware runs on a processor that it does not have.
BOOTED = [one for one in INSTALLED if one[0] == "systemd-boot" or (one[0] == "extlinux" and one[1] in U_BOOTS)]


@pytest.mark.parametrize("installed", BOOTED, ids="-".join, indirect=True)
def test_kernel_is_started_with_the_parameters(installed: Installed, tmp_path: Path) -> None:
    machine = vm.MACHINES[installed.architecture]
    installed.begin({"etc/kernel/cmdline": SITE.replace("ttyS0", machine.console)})
    assert len(make(installed.tree)) == len(ADDED)
    if installed.name == "extlinux":
        argv, partition = U_BOOTS[installed.architecture], ext4(installed.tree, tmp_path)
    else:
        argv, partition = machine.argv(machine.fresh(tmp_path)), fat(installed.tree, tmp_path)
    started = r"Kernel command line: (.*)\r?\n"
    said = re.search(started, console(argv, disk(partition, tmp_path), tmp_path, started, seconds=vm.BOOT_SECONDS))
    assert said
    words = said[1].split()
    assert {"root=/dev/vda1", "ro", "site.word=kept"} <= set(words)
    assert sorted(word for word in words if word in ADDED) == sorted(ADDED), "each once"


def ext4(tree: Tree, work: Path) -> Path:
    """A file system with what U-Boot reads of a tree."""
    root, image = work / "root", work / "ext4"
    root.mkdir()
    (tree.path / "boot").rename(root / "boot")
    run(["mkfs.ext4", "-q", "-F", "-d", str(root), str(image), "400M"], why="make a file system")
    shutil.rmtree(root)
    return image


def fat(tree: Tree, work: Path) -> Path:
    """An EFI system partition with what the directory that stands for it has."""
    image = work / "fat"
    run(["truncate", "-s", "400M", str(image)], why="make a partition")
    run(["mformat", "-F", "-i", str(image), "::"], why="make a file system")
    parts = [str(path) for path in (tree.path / ESP[1:]).iterdir()]
    run(["mcopy", "-s", "-i", str(image), *parts, "::/"], why="fill it")
    return image


def disk(partition: Path, work: Path) -> Path:
    """A disk with one partition, from which both UEFI and U-Boot boot."""
    image = work / "disk"
    run(["truncate", "-s", f"{partition.stat().st_size + (2 << 20)}", str(image)], why="make a disk")
    table = ["sgdisk", "-n", f"1:1M:+{partition.stat().st_size >> 20}M", "-t", "1:ef00", "-A", "1:set:2", str(image)]
    run(table, why="make its partition table")
    run(
        ["dd", f"if={partition}", f"of={image}", "bs=1M", "seek=1", "conv=notrunc,sparse", "status=none"], why="fill it"
    )
    partition.unlink()
    return image
