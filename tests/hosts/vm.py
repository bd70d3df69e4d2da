"""Hosts of kind `vm`: whole machines under QEMU, with a boot loader, partitions and Debian's own kernel, on every architecture.

Hardware virtualisation is used where a trial run shows that it works; plain emulation is about ten times slower.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from . import public
from .network import power_off, reboot, ssh, wait_for_ssh
from .rootfs import native, rootfs
from .store import CACHE, Host, HostsError, lacking, locked, need, new, process_start, run, say

PROGRAMS = {
    "qemu-img": "qemu-utils",
    "mkfs.ext4": "e2fsprogs",
    "mformat": "mtools",
    "sgdisk": "gdisk",
    "ssh": "openssh-client",
}
PROCESSORS = os.environ.get("UNIFIED_PROCESSORS", "2")
"""Of each machine; 1 where several are emulated at once."""
BOOT_SECONDS = 900
TURNS = 3
# Bumped when disk() changes, so that an old image is not taken for a new one.
LAYOUT = 3
# Besides what a machine needs, most of what hardening installs: in an emulated machine a package takes minutes (aide-common six).
PACKAGES = (
    "aide", "aide-common", "apparmor-utils", "audispd-plugins", "auditd", "cracklib-runtime", "initramfs-tools", "libpam-pwquality",
    "linux-base", "opensc", "systemd-journal-remote", "systemd-resolved", "ufw",
)  # fmt: skip


@dataclass(frozen=True)
class Machine:
    """What QEMU and Debian call things on one architecture.

    Attributes:
        kernel, grub: Debian's packages.
        target: GRUB's name of the platform.
        loader: the boot loader's name on the EFI system partition (UEFI specification, 3.5.1.1).
        console: the kernel's serial console.
        emulator, package: QEMU's program and the Debian package that has it.
        arguments: the machine; ``{vars}`` stands for its own copy of the firmware's variables.
        firmware: the file that starts what is on its disk.
        variables: what firmware keeps its variables in; empty where it keeps none.
    """

    kernel: str
    grub: str
    target: str
    loader: str
    console: str
    emulator: str
    package: str
    arguments: str
    firmware: str
    variables: str = ""

    def argv(self, variables: Path) -> list[str]:
        """QEMU's program and the machine, with its own copy of the firmware's variables."""
        return [self.emulator, *self.arguments.format(firmware=self.firmware, vars=variables).split()]

    def fresh(self, directory: Path) -> Path:
        """A copy in DIRECTORY of the firmware's variables as they are delivered, where it keeps any."""
        variables = directory / "vars"
        if self.variables:
            shutil.copy(self.variables, variables)
        return variables


# cmpxchg16b: emulated with a thread a processor, QEMU 7.2 spoils the flags and the kernel dies (seen in __kmalloc).
MACHINES = {
    "amd64": Machine(
        kernel="linux-image-cloud-amd64", grub="grub-efi-amd64", target="x86_64-efi", loader="BOOTX64.EFI", console="ttyS0",
        emulator="qemu-system-x86_64", package="qemu-system-x86 ovmf",
        arguments="-M q35 -cpu max,-cx16 -drive if=pflash,format=raw,readonly=on,file={firmware}"
        " -drive if=pflash,format=raw,file={vars}",
        firmware="/usr/share/OVMF/OVMF_CODE_4M.fd", variables="/usr/share/OVMF/OVMF_VARS_4M.fd",
    ),
    "arm64": Machine(
        kernel="linux-image-cloud-arm64", grub="grub-efi-arm64", target="arm64-efi", loader="BOOTAA64.EFI", console="ttyAMA0",
        emulator="qemu-system-aarch64", package="qemu-system-arm qemu-efi-aarch64",
        arguments="-M virt -cpu cortex-a72 -drive if=pflash,format=raw,readonly=on,file={firmware}"
        " -drive if=pflash,format=raw,file={vars}",
        firmware="/usr/share/AAVMF/AAVMF_CODE.fd", variables="/usr/share/AAVMF/AAVMF_VARS.fd",
    ),
    "riscv64": Machine(
        kernel="linux-image-riscv64", grub="grub-efi-riscv64", target="riscv64-efi", loader="BOOTRISCV64.EFI", console="ttyS0",
        emulator="qemu-system-riscv64", package="qemu-system-misc u-boot-qemu",
        arguments="-M virt -cpu rv64 -kernel {firmware}", firmware="/usr/lib/u-boot/qemu-riscv64_smode/uboot.elf",
    ),
}  # fmt: skip
NAMES = {"amd64": "x86_64", "arm64": "aarch64", "riscv64": "riscv64"}
"""What the kernel calls Debian's architectures (uname(2))."""
# By suite, the architectures of its release, and packages that older suites do not have.
SUITES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "debian12": (("amd64", "arm64"), ()),
    "debian13": (("amd64", "arm64", "riscv64"), ("goss",)),
}
# Mount point to size in MiB, in the order of the disk; the EFI system partition comes before them.
PARTITIONS = {
    "/": 3000,
    "/home": 200,
    "/tmp": 300,
    "/var": 1500,
    "/var/tmp": 200,
    "/var/log": 400,
    "/var/log/audit": 200,
}
EFI_MIB = 64
# Modules that GRUB needs to find and read its configuration on the root file system.
GRUB_MODULES = (
    "part_gpt fat ext2 normal configfile search search_fs_uuid linux echo test gzio all_video password_pbkdf2"
)
NETWORK = """[Match]
Name=en*
[Network]
DHCP=yes
"""
# A processor that others use, too, makes an emulated machine slower than systemd's patience of 90 s.
PATIENCE = "[Manager]\nDefaultDeviceTimeoutSec=20min\nDefaultTimeoutStartSec=20min\n"
DEFAULT_GRUB = """GRUB_DEFAULT=0
GRUB_TIMEOUT=0
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX_DEFAULT=""
GRUB_CMDLINE_LINUX="console={console}"
GRUB_TERMINAL=console
"""
FIRST_GRUB = """search --fs-uuid --set=root {root}
linux /boot/{kernel} root=UUID={root} ro console={console}
initrd /boot/{initrd}
boot
"""


def system(suite: str, architecture: str) -> Path:
    """The root file system that a machine is made of.

    Raises:
        HostsError: the suite has no such architecture.
    """
    architectures, newer = SUITES[suite]
    if architecture not in architectures:
        raise HostsError(f"{suite} has no {architecture}, only {', '.join(architectures)}")
    machine = MACHINES[architecture]
    return rootfs(suite, architecture, (machine.kernel, machine.grub, *PACKAGES, *newer))


def disk(suite: str, architecture: str) -> Path:
    """A bootable GPT disk of the suite, with separate partitions, built once."""
    machine = MACHINES[architecture]
    root = system(suite, architecture)
    image = CACHE / "images" / root.parent.name / f"vm-{LAYOUT}.qcow2"
    with locked(f"disk-{suite}-{architecture}"):
        if not image.exists():
            need(PROGRAMS)
            say(f"building the disk of {suite} for {architecture} (some minutes, once)")
            started = time.monotonic()
            raw = assemble(root, machine, image.with_suffix(".parts"))
            finish(raw, suite, architecture)
            run(["qemu-img", "convert", "-O", "qcow2", str(raw), str(image.with_suffix(".new"))], why="keep the disk")
            shutil.rmtree(raw.parent)
            image.with_suffix(".new").rename(image)
            say(f"the disk of {suite} for {architecture} took {time.monotonic() - started:.0f} s")
    return image


def assemble(root: Path, machine: Machine, work: Path) -> Path:
    """Make each partition's file system from its part of the tree, and lay them into one disk. Nothing is mounted."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    tree = work / "tree"
    run(["cp", "-a", "--reflink=auto", str(root), str(tree)], why="copy the root file system")
    identities = {point: str(uuid.uuid4()) for point in PARTITIONS}
    configure(tree, machine, identities)
    loader = work / machine.loader
    make_loader = ["chroot", str(tree), "grub-mkimage", "-O", machine.target, "-p", "/EFI/debian", "-o", "/loader.efi"]
    run([*make_loader, *GRUB_MODULES.split()], why="make the boot loader")
    (tree / "loader.efi").rename(loader)
    efi = efi_partition(tree, work, loader, machine, identities["/"])
    raw = work / "disk.raw"
    total = EFI_MIB + sum(PARTITIONS.values()) + 2
    run(["truncate", "-s", f"{total}M", str(raw)], why="make the disk")
    table = ["sgdisk", "-n", f"1:1M:+{EFI_MIB}M", "-t", "1:ef00"]
    pieces = [(efi, 1)]
    start = 1 + EFI_MIB
    # Deepest first, so that what lies on a partition of its own is gone from the tree above it.
    images = {point: filesystem(tree, point, identities[point], work) for point in reversed(PARTITIONS)}
    for number, (point, size) in enumerate(PARTITIONS.items(), 2):
        table += ["-n", f"{number}:{start}M:+{size}M", "-c", f"{number}:{point.strip('/').replace('/', '-') or 'root'}"]
        pieces.append((images[point], start))
        start += size
    run([*table, str(raw)], why="make the partition table")
    for piece, offset in pieces:
        run(
            ["dd", f"if={piece}", f"of={raw}", "bs=1M", f"seek={offset}", "conv=notrunc,sparse", "status=none"],
            why="lay it in",
        )
        piece.unlink()
    shutil.rmtree(tree)
    return raw


def configure(tree: Path, machine: Machine, identities: dict[str, str]) -> None:
    lines = [f"UUID={identities[point]} {point} ext4 defaults 0 {1 if point == '/' else 2}" for point in PARTITIONS]
    (tree / "etc/fstab").write_text("\n".join(lines) + "\n")
    (tree / "etc/hostname").write_text("vm\n")
    (tree / "etc/hosts").write_text("127.0.0.1 localhost\n127.0.1.1 vm\n::1 localhost\n")
    (tree / "etc/default/grub").write_text(DEFAULT_GRUB.format(console=machine.console))
    (tree / "etc/systemd/network/10-en.network").write_text(NETWORK)
    (tree / "etc/systemd/system.conf.d").mkdir(exist_ok=True)
    (tree / "etc/systemd/system.conf.d/patience.conf").write_text(PATIENCE)
    run(["systemctl", f"--root={tree}", "enable", "systemd-networkd.service"], why="enable the network")
    run(["systemctl", f"--root={tree}", "disable", "systemd-networkd-wait-online.service"], why="disable waiting")
    # In a new machine they are overdue: they would hold apt's lock and a processor as soon as it is up.
    timers = ["apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer"]
    run(["systemctl", f"--root={tree}", "disable", *timers], why="disable what runs now and then")
    # Here it can clear no other machine's table.
    (tree / "etc/systemd/system/systemd-binfmt.service").unlink(missing_ok=True)


def efi_partition(tree: Path, work: Path, loader: Path, machine: Machine, root: str) -> Path:
    """The EFI system partition: GRUB where firmware looks for it, and where GRUB finds its own configuration."""
    names = {
        "kernel": next((tree / "boot").glob("vmlinu[xz]-*")).name,
        "initrd": next((tree / "boot").glob("initrd.img-*")).name,
    }
    (tree / "boot/grub").mkdir(exist_ok=True)
    (tree / "boot/grub/grub.cfg").write_text(FIRST_GRUB.format(root=root, console=machine.console, **names))
    stub = work / "grub.cfg"
    stub.write_text(f"search --fs-uuid --set=root {root}\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n")
    image = work / "efi.img"
    run(["truncate", "-s", f"{EFI_MIB}M", str(image)], why="make the EFI system partition")
    for command in (
        ["mformat", "-F", "-i", image, "::"],
        ["mmd", "-i", image, "::/EFI", "::/EFI/BOOT", "::/EFI/debian"],
        ["mcopy", "-i", image, loader, f"::/EFI/BOOT/{machine.loader}"],
        ["mcopy", "-i", image, stub, "::/EFI/debian/grub.cfg"],
    ):
        run([str(part) for part in command], why="fill the EFI system partition")
    return image


def filesystem(tree: Path, point: str, identity: str, work: Path) -> Path:
    """The ext4 image of a mount point; its content leaves the tree."""
    source = tree / point.lstrip("/")
    image = work / f"{point.strip('/').replace('/', '-') or 'root'}.img"
    run(
        ["mkfs.ext4", "-q", "-F", "-U", identity, "-d", str(source), str(image), f"{PARTITIONS[point]}M"],
        why=f"make {point}",
    )
    for entry in source.iterdir() if point != "/" else ():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    return image


def finish(raw: Path, suite: str, architecture: str) -> None:
    """Boot the disk once, so that its own update-grub writes the real configuration, and shut it down.

    The SSH server's keys stay: to make one takes an emulated machine many seconds, and all that start from the image are tests' own.
    """
    host = new(f"finish-{suite}-{architecture}", "vm", suite, architecture=architecture)
    try:
        boot(host, raw, "raw")
        done = ssh(
            host,
            "sudo update-grub && sudo truncate -s 0 /etc/machine-id",
            timeout=300,
        )
        if done.returncode:
            raise HostsError(f"update-grub failed: {done.stderr[-500:]}")
        power_off(host, timeout=BOOT_SECONDS)
    except BaseException:
        end(host)  # its console log is kept: the only witness of a failed boot
        raise
    stop(host)


def acceleration(architecture: str) -> str:
    """KVM where this machine's firmware really comes through it (a device node proves nothing), else emulation."""
    if architecture == native() == "amd64" and os.access("/dev/kvm", os.W_OK):
        machine = MACHINES[architecture]
        with tempfile.TemporaryDirectory() as directory:
            console, variables = Path(directory) / "console", Path(directory) / "vars"
            shutil.copy(machine.variables, variables)
            trial = [*machine.argv(variables), "-accel", "kvm", "-m", "256"]
            with contextlib.suppress(subprocess.TimeoutExpired):
                quiet = ["-display", "none", "-net", "none", "-serial", f"file:{console}"]
                subprocess.run([*trial, *quiet], capture_output=True, timeout=8, check=False)
            # The part of UEFI firmware that looks for something to boot says its name.
            if console.exists() and "BdsDxe" in console.read_text(errors="replace"):
                return "kvm"
    return "tcg,thread=multi"


def version(architecture: str) -> str:
    """The emulator, as it says itself."""
    return (
        run([MACHINES[architecture].emulator, "--version"], why="ask for its version")
        .splitlines()[0]
        .partition("(")[0]
        .strip()
    )


def launch(host: Host, image: Path, kind: str) -> None:
    machine = MACHINES[host.architecture or native()]
    variables = host.directory / "vars.fd"
    if machine.variables and not variables.exists():
        shutil.copy(machine.variables, variables)
    how = acceleration(host.architecture or native())
    # The systems of the Red Hat family need cmpxchg16b (x86-64-v2): emulated, they get one processor.
    whole = how == "kvm" or host.suite in public.IMAGES
    processors = "1" if whole and how != "kvm" else PROCESSORS
    argv = [
        *(one.replace(",-cx16", "") if whole else one for one in machine.argv(variables)), "-accel", how,
        "-m", "1536", "-smp", processors, "-display", "none", "-monitor", "none", "-serial", f"file:{host.directory / 'console.log'}",
        "-drive", f"if=virtio,format={kind},file={image},cache=unsafe", "-device", "virtio-rng-pci",
        "-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{host.port}-:22", "-device", "virtio-net-pci,netdev=net",
    ]  # fmt: skip
    if host.suite in public.IMAGES:
        argv += ["-drive", f"if=virtio,format=raw,file={public.seed(host)},readonly=on"]
    with (host.directory / "qemu.log").open("ab") as log:
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    host.pid, host.started = child.pid, process_start(child.pid)
    host.save()


def start(host: Host) -> None:
    host.architecture = host.architecture or native()
    if lacks := missing(host.architecture):
        raise HostsError(f"this machine cannot run {host.architecture} machines: " + "; ".join(lacks))
    if host.suite in public.IMAGES:
        host.root = host.root or str(public.image(host.suite))
    base = Path(host.root) if host.root else disk(host.suite, host.architecture)
    overlay = host.directory / "disk.qcow2"
    run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(base), str(overlay)],
        why="make the host's disk",
    )
    boot(host, overlay, "qcow2")


def boot(host: Host, image: Path, kind: str) -> None:
    """Start the machine and wait until it is up.

    Emulated with a thread a processor, QEMU 7.2 loses a kernel now and then in code that patches itself (seen in
    sched_clock_cpu). Such a boot is tried again: what a host did to itself comes back each time.
    """
    for turn in range(1, TURNS + 1):
        launch(host, image, kind)
        try:
            return wait_for_ssh(host, timeout=BOOT_SECONDS, died=lambda: panicked(host))
        except HostsError:
            if turn == TURNS or not panicked(host):
                raise
            say(f"the kernel of {host.name} died while it booted: started again")
            end(host)


def panicked(host: Host) -> bool:
    log = host.directory / "console.log"
    return log.exists() and b"Kernel panic - not syncing" in log.read_bytes()


def end(host: Host) -> None:
    if host.alive():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(host.pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while host.alive() and time.monotonic() < deadline:
            time.sleep(0.05)


def stop(host: Host) -> None:
    end(host)
    shutil.rmtree(host.directory, ignore_errors=True)


def snapshot(host: Host, target: Path) -> None:
    """Shut the host down and keep its disk, which new hosts can start from. It does not come back up."""
    power_off(host, timeout=BOOT_SECONDS)
    run(["qemu-img", "convert", "-O", "qcow2", str(host.directory / "disk.qcow2"), str(target)], why="keep the disk")


def restart(host: Host) -> None:
    try:
        reboot(host, timeout=BOOT_SECONDS, died=lambda: panicked(host))
    except HostsError:
        if not panicked(host):
            raise
        reset(host)


def reset(host: Host) -> None:
    """Cut the power and boot again from the same disk."""
    end(host)
    boot(host, host.directory / "disk.qcow2", "qcow2")


def missing(architecture: str = "") -> list[str]:
    """What this machine lacks to run machines of an architecture (its own by default)."""
    machine = MACHINES[architecture or native()]
    lacks = lacking({**PROGRAMS, machine.emulator: machine.package})
    files = [path for path in (machine.firmware, machine.variables) if path and not Path(path).exists()]
    lacks += [f"{path} (package {machine.package})" for path in files]
    return lacks
