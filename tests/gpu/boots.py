"""Debian's own kernels booted under QEMU, with modules that a test host built. The machine has a disk and a console, and no network.

What runs there is a static busybox from an initramfs: it loads the modules one by one and writes what it sees to the serial console.
"""

from __future__ import annotations

import base64
import os
import re
import resource
import select
import subprocess
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

from tests.hosts.network import ssh_options
from tests.hosts.store import ADMIN
from tests.integration.conftest import Target

PACKAGES = ("busybox-static", "cpio")
SECONDS = 300
# FILE lines: which builds are loaded, and what decides below /sys whether a module may load.
INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /tmp
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t securityfs securityfs /sys/kernel/security
echo "SEEN kernel $(uname -r)"
for module in /modules/*.ko; do
  said=$(insmod $module 2>&1); code=$?
  echo "SEEN load $(basename $module .ko | cut -c4-) $code $said"
done
mount -t efivarfs efivarfs /sys/firmware/efi/efivars 2>/dev/null
echo "SEEN taint $(cat /proc/sys/kernel/tainted)"
%(script)s
for file in /sys/module/*/notes/.note.gnu.build-id /sys/kernel/security/lockdown /sys/firmware/efi/mok-variables/* /sys/firmware/efi/efivars/SecureBoot* \\
    /sys/firmware/efi/efivars/SetupMode* /sys/firmware/efi/efivars/Mok*; do
  [ -f "$file" ] && echo "FILE $file $(base64 -w0 $file)"
done
dmesg | grep -E 'NVRM|evdi|Loading of|PKCS' | tail -n 20 | sed 's/^/KERNEL /'
echo SEEN end
poweroff -f
"""
# The modules in the order in which they load, unpacked: busybox unpacks none. PACK leaves the kernel and the initramfs in /srv/boot.
PACK = """
set -e
rm -rf /srv/ram; mkdir -p /srv/ram/bin /srv/ram/modules /srv/boot
cp /bin/busybox /srv/ram/bin/
number=10
for file in $(for one in {modules}; do modprobe --show-depends -S {release} $one; done | sed -n 's/^insmod \\([^ ]*\\).*/\\1/p'); do
  name=$(basename ${{file%%.ko*}})
  case $file in *.xz) xz -dc $file ;; *.zst) zstd -dqc $file ;; *) cat $file ;; esac > /srv/ram/modules/$number-$name.ko
  number=$((number + 1))
done
{more}
cat > /srv/ram/init <<'INIT'
{init}
INIT
chmod 755 /srv/ram/init
(cd /srv/ram && find . | cpio --quiet -o -H newc | gzip -1) > /srv/boot/{name}.initrd
cp /boot/vmlinuz-{release} /srv/boot/{name}.kernel
"""


@dataclass
class Boot:
    """What a machine wrote to its console.

    Attributes:
        seconds: from the start of QEMU to its end.
        processor: seconds of this machine's processors, which others that use them do not stretch.
    """

    console: str
    seconds: float
    processor: float

    def seen(self, what: str) -> list[str]:
        return [one.strip() for one in re.findall(rf"SEEN {what}(.*)", self.console)]

    def loads(self) -> dict[str, tuple[int, str]]:
        """By module the exit status of insmod, and what it said."""
        rows = (line.split(maxsplit=2) for line in self.seen("load"))
        return {row[0].replace("-", "_"): (int(row[1]), row[2] if len(row) > 2 else "") for row in rows}

    def build_id(self, module: str, root: Path) -> str:
        """The GNU build id of a loaded module, in hex; its note ends with it (elf(5))."""
        return (self.files(root) / "sys/module" / module / "notes/.note.gnu.build-id").read_bytes()[-20:].hex()

    def files(self, root: Path) -> Path:
        """The files that the machine showed, below ROOT."""
        for path, content in re.findall(r"FILE (\S+) ([A-Za-z0-9+/=]*)", self.console):
            file = root / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(base64.b64decode(content))
        return root


def pack(target: Target, name: str, release: str, modules: str, *, script: str = "", more: str = "") -> None:
    """Make kernel and initramfs NAME on the host.

    Args:
        modules: those that the machine loads, one after the other, each after what it needs.
        script: what the machine does besides, after the modules were tried.
        more: what the host lays into /srv/ram besides.
    """
    target.shell(PACK.format(release=release, modules=modules, name=name, more=more, init=INIT % {"script": script}))


def fetch(target: Target, names: t.Sequence[str], directory: Path) -> None:
    """Bring files of the host's /srv/boot here."""
    argv = [
        "ssh",
        *ssh_options(target.host),
        f"{ADMIN}@{target.host.address}",
        f"sudo tar -C /srv/boot -cf - {' '.join(names)}",
    ]
    packed = subprocess.run(argv, check=True, stdout=subprocess.PIPE).stdout
    subprocess.run(["tar", "-C", str(directory), "-xf", "-"], input=packed, check=True)


# What a machine of each architecture is; the first has firmware of its own where it is asked for.
# cmpxchg16b: see tests/hosts/vm.py.
EMULATORS = {
    "amd64": ["qemu-system-x86_64", "-cpu", "max,-cx16", "-vga", "none"],
    "arm64": ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72"],
    "riscv64": ["qemu-system-riscv64", "-M", "virt", "-cpu", "rv64"],
}
# One processor: emulated firmware keeps a second one waiting, which costs more than it brings.
SIZE = ["-m", "1024", "-smp", "1", "-nographic", "-net", "none"]


def qemu(arguments: t.Sequence[str], keys: t.Sequence[tuple[str, str]] = (), architecture: str = "amd64") -> Boot:
    """Run a machine to its end.

    Args:
        keys: what somebody at the console types, each after a text that appeared there.
    """
    base = [*EMULATORS[architecture], *SIZE, "-accel", "tcg"]
    base += ["-monitor", "none", "-serial", "stdio", "-no-reboot"]
    begun, used, console, waiting = time.monotonic(), _used(), b"", list(keys)
    process = subprocess.Popen(
        [*base, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdin and process.stdout
    try:
        at = 0
        while time.monotonic() - begun < SECONDS:
            if not select.select([process.stdout], [], [], 1)[0]:
                continue
            if not (part := os.read(process.stdout.fileno(), 65536)):
                break
            console += part
            if waiting and waiting[0][0].encode() in console[at:]:
                at = len(console)
                time.sleep(0.5)
                process.stdin.write(waiting.pop(0)[1].encode())
                process.stdin.flush()
    finally:
        process.kill()
        process.wait()
    text = console.decode(errors="replace").replace("\r", "")
    return Boot(text, time.monotonic() - begun, _used() - used)


def _used() -> float:
    """Seconds of processor time of the programs that ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def direct(directory: Path, name: str, *parameters: str, kernel: str = "", devices: t.Iterable[str] = ()) -> Boot:
    """Boot without firmware: the kernel is QEMU's own to load.

    Args:
        kernel: the one of another name, for which the modules are not built.
        devices: what the machine has besides, as QEMU calls it.
    """
    line = " ".join(["console=ttyS0", "quiet", "panic=-1", *parameters])
    argv = [
        "-kernel",
        str(directory / f"{kernel or name}.kernel"),
        "-initrd",
        str(directory / f"{name}.initrd"),
        "-append",
        line,
    ]
    return qemu([*argv, *(word for device in devices for word in ("-device", device))])
