"""A real out-of-tree driver (evdi, of Debian's archive), built by gpu_driver and loaded by Debian's kernel: without firmware, and by UEFI with and
without Secure Boot. No GPU is simulated: evdi makes a device of its own.
"""

from __future__ import annotations

import shutil
import subprocess
import time
import typing as t
from pathlib import Path

import pytest

from plugins.module_utils._gpu import boot as facts
from plugins.module_utils._gpu import devices
from plugins.module_utils._gpu.tree import Tree
from tests.gpu import boots
from tests.gpu.conftest import Vendor
from tests.hosts.network import ssh
from tests.integration.conftest import Target, _quote

Record = t.Callable[[str, object], None]
EVDI = {"name": "evdi", "packages": ["evdi-dkms"], "branch": "1"}
REJECTED = "Key was rejected by service"
# Unpacked, not installed: their scripts would look for a boot loader to change.
FIRMWARE = ("ovmf", "shim-signed", "shim-helpers-amd64-signed", "grub-efi-amd64-signed")
UNPACK = f"""
cd /srv; mkdir -p efi boot
apt-get -qq download {" ".join(FIRMWARE)} 2>/dev/null
for file in *.deb; do dpkg -x $file efi; done
cp efi/usr/share/OVMF/OVMF_CODE_4M.secboot.fd efi/usr/share/OVMF/OVMF_VARS_4M.fd efi/usr/share/OVMF/OVMF_VARS_4M.ms.fd boot/
cp efi/usr/lib/shim/shimx64.efi.signed efi/usr/lib/shim/mmx64.efi.signed efi/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed boot/
cp /var/lib/dkms/mok.pub boot/mok.der
"""
MOKUTIL = """
mkdir -p /srv/ram/usr/bin
cp /usr/bin/mokutil /srv/ram/usr/bin/
cp /var/lib/dkms/mok.pub /srv/ram/mok.der
for library in $(ldd /usr/bin/mokutil | grep -o '/[^ ]*'); do
  mkdir -p /srv/ram$(dirname $library)
  cp -L $library /srv/ram$library
done
"""
PCI = """cd /sys/bus/pci/devices
for slot in *; do
  for name in class vendor device subsystem_vendor subsystem_device boot_vga modalias power_state; do
    [ -f $slot/$name ] && echo "FILE /sys/bus/pci/devices/$slot/$name $(base64 -w0 $slot/$name)"
  done
  [ -e $slot/driver ] && echo "SEEN driver $slot $(basename $(readlink $slot/driver))"
done
cd /
"""
# What QEMU has of display devices, by its name of each: ids of virtio, QEMU, ATI, VMware, QXL and Cirrus Logic.
DISPLAYS = {
    "virtio-gpu-pci": "1af4:1050",
    "bochs-display": "1234:1111",
    "ati-vga,model=rv100": "1002:5159",
    "vmware-svga": "15ad:0405",
    "qxl": "1b36:0100",
    "cirrus-vga": "1013:00b8",
}
ASK = "[ -e /sys/devices/evdi/add ] && echo 1 > /sys/devices/evdi/add; echo SEEN cards $(cd /dev/dri 2>/dev/null && echo card*)\n"
IMPORT = "grep -q import /proc/cmdline && { printf 'secret\\nsecret\\n' | /usr/bin/mokutil --import /mok.der; echo SEEN import $?; }"
GRUB = "linux /linux console=ttyS0 quiet panic=-1 {parameters}\ninitrd /initrd\nboot\n"


@pytest.fixture(scope="module")
def built(host: Target) -> tuple[Vendor, str, float]:
    """The host with the driver, its kernel, and how long one build took."""
    names = ["linux-image-amd64", "mokutil", "xz-utils", *boots.PACKAGES]
    script = f"apt-get -qq update; DEBIAN_FRONTEND=noninteractive apt-get -y -qq install --no-install-recommends {' '.join(names)} >/dev/null"
    done = ssh(host.host, f"sudo bash -c {_quote(script)}", timeout=590)
    assert done.returncode == 0, done.stdout + done.stderr
    debian = Vendor(host)
    answer = debian.module("gpu_driver", EVDI)
    release = host.shell("ls /lib/modules").strip()
    assert (answer["changed"], answer["blocked"], answer["proofs"]) == (True, False, {release: []}), answer
    version = host.shell("ls /var/lib/dkms/evdi | grep -v kernel").split()[0]
    begun = time.monotonic()
    host.shell(
        f"mkdir -p /srv/again; dkms build --force -m evdi -v {version} -k {release} --dkmstree /srv/again --sourcetree /usr/src >/dev/null"
    )
    return debian, release, time.monotonic() - begun


@pytest.fixture(scope="module")
def files(built: tuple[Vendor, str, float], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Kernel, initramfs, firmware and boot loaders, here."""
    debian, release, _seconds = built
    directory = tmp_path_factory.mktemp("boots")
    boots.pack(debian.target, "evdi", release, "efivarfs evdi", script=ASK + PCI + IMPORT, more=MOKUTIL)
    debian.target.shell(UNPACK)
    boots.fetch(debian.target, ["."], directory)
    return directory


def test_driver_is_built_and_loaded_by_the_kernel_that_it_was_proven_for(
    built: tuple[Vendor, str, float], files: Path, tmp_path: Path, record_property: Record
) -> None:
    debian, release, seconds = built
    boot = boots.direct(files, "evdi")
    assert boot.seen("kernel") == [release], boot.console
    assert boot.loads()["evdi"] == (0, ""), boot.console
    # The one that runs is the one that was built. It makes a device once it is asked to.
    note = debian.target.shell(
        f"xz -dc $(modinfo -k {release} -n evdi) > /srv/evdi.ko; readelf -n /srv/evdi.ko | sed -n 's/.*Build ID: //p'"
    )
    assert boot.build_id("evdi", tmp_path) == note.strip() and boot.seen("cards") == ["card0"], boot.console
    # Out of tree, and signed with a key that nobody trusts yet (https://docs.kernel.org/admin-guide/tainted-kernels.html).
    assert boot.seen("taint") == [str(1 << 12 | 1 << 13)]
    record_property(
        "figure",
        f"evdi: built in {seconds:.0f} s and loaded in {boot.seconds:.0f} s, machine's start and end included (goal 90 in all on idle cores)",
    )


def test_kernel_that_insists_on_signatures_refuses_it(files: Path) -> None:
    boot = boots.direct(files, "evdi", "module.sig_enforce=1")
    code, said = boot.loads()["evdi"]
    assert code and REJECTED in said, boot.console


def test_display_devices_of_a_real_bus_are_read(files: Path, tmp_path: Path, record_property: Record) -> None:
    boot = boots.direct(files, "evdi", devices=DISPLAYS)
    read, _switches = devices.pci_devices(Tree(str(boot.files(tmp_path))))
    seen = sorted(one["id"] for one in read)
    assert seen == sorted(DISPLAYS.values()), boot.console
    # A chip that the tables know too, and its vendor is one of those that are watched.
    assert [one["id"] for one in devices.gpus(Tree(str(tmp_path)))[0]] == ["1002:5159"]
    record_property(
        "figure", f"real sysfs: {len(seen)} of {len(DISPLAYS)} display devices of QEMU, in {boot.seconds:.0f} s"
    )


def medium(files: Path, directory: Path, *parameters: str) -> Path:
    """An EFI system partition with shim, its MokManager, GRUB, kernel and initramfs."""
    image, menu = directory / "esp.img", directory / "grub.cfg"
    menu.write_text(GRUB.format(parameters=" ".join(parameters)))
    with image.open("wb") as handle:
        handle.truncate(160 << 20)
    for argv in (
        ["mformat", "-F", "-i", image, "::"],
        ["mmd", "-i", image, "::/EFI", "::/EFI/BOOT", "::/EFI/debian"],
        ["mcopy", "-i", image, files / "shimx64.efi.signed", "::/EFI/BOOT/BOOTX64.EFI"],
        ["mcopy", "-i", image, files / "grubx64.efi.signed", "::/EFI/BOOT/grubx64.efi"],
        ["mcopy", "-i", image, files / "mmx64.efi.signed", "::/EFI/BOOT/mmx64.efi"],
        ["mcopy", "-i", image, menu, "::/EFI/debian/grub.cfg"],
        ["mcopy", "-i", image, files / "evdi.kernel", "::/linux"],
        ["mcopy", "-i", image, files / "evdi.initrd", "::/initrd"],
    ):
        subprocess.run([str(part) for part in argv], check=True)
    return image


def uefi(files: Path, variables: Path, image: Path, *keys: tuple[str, str]) -> boots.Boot:
    """Boot by the firmware, whose variables stay as the machine left them."""
    return boots.qemu(
        [
            *("-M", "q35,smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on"),
            *("-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={files / 'OVMF_CODE_4M.secboot.fd'}"),
            *("-drive", f"if=pflash,unit=1,format=raw,file={variables}"),
            *("-drive", f"format=raw,file={image}"),
        ],
        keys,
    )


def state(boot: boots.Boot, files: Path, root: Path) -> tuple[str, str, str]:
    """What gpu_info says of such a machine: Secure Boot, lockdown, and DKMS's key."""
    key = root / "var/lib/dkms/mok.pub"
    key.parent.mkdir(parents=True)
    shutil.copy(files / "mok.der", key)
    said = facts.secure_boot(Tree(str(boot.files(root))))
    return said["state"], said["lockdown"], said["keys"][0]["state"]


def test_secure_boot_is_told_as_the_kernel_lives_it(files: Path, tmp_path: Path, record_property: Record) -> None:
    """Off; on without the key; on with the import requested; and on with the key, which somebody at the console enrolled."""
    plain, importing = tmp_path / "plain", tmp_path / "importing"
    for directory in (plain, importing):
        directory.mkdir()
    image, request = medium(files, plain), medium(files, importing, "import")
    off, on = tmp_path / "off.fd", tmp_path / "on.fd"
    shutil.copy(files / "OVMF_VARS_4M.fd", off)
    shutil.copy(files / "OVMF_VARS_4M.ms.fd", on)

    begun = uefi(files, off, image)
    assert begun.loads()["evdi"] == (0, ""), begun.console
    assert state(begun, files, tmp_path / "1") == ("off", "none", "absent")
    without = uefi(files, on, image)
    assert REJECTED in without.loads()["evdi"][1], without.console
    assert state(without, files, tmp_path / "2") == ("on", "integrity", "absent")
    pending = uefi(files, on, request)
    assert pending.seen("import") == ["0"] and REJECTED in pending.loads()["evdi"][1], pending.console
    assert state(pending, files, tmp_path / "3") == ("on", "integrity", "pending")
    console = uefi(files, on, image, *CONFIRM)
    enrolled = uefi(files, on, image)
    assert enrolled.loads()["evdi"] == (0, ""), console.console + enrolled.console
    assert state(enrolled, files, tmp_path / "4") == ("on", "integrity", "enrolled")
    four = (begun, without, pending, enrolled)
    took, used = sum(boot.seconds for boot in four), sum(boot.processor for boot in four)
    record_property(
        "figure",
        f"Secure Boot: four boots in {took:.0f} s (goal 60 on idle cores), {used:.0f} s of processor time; and {console.seconds:.0f} s at "
        "MokManager's console",
    )


DOWN, ENTER = "\x1b[B", "\r"
CONFIRM = (
    ("Press any key to perform MOK management", " "),
    ("Enroll MOK", DOWN + ENTER),
    ("View key 0", DOWN + ENTER),
    ("Enroll the key(s)?", DOWN + ENTER),
    ("Password:", "secret" + ENTER),
    ("Reboot", ENTER),
)
