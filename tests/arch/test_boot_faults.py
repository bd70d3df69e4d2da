"""The boot menu broken by hand, and the machine cut off while it is written: it boots, and the next run is green."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time

import pytest

from tests.hosts import vm
from tests.hosts.network import ssh

from .conftest import Machine

MENU, DROP_IN, USER = "/boot/grub/grub.cfg", "/etc/default/grub.d/zz-unified.cfg", "/boot/grub/user.cfg"
OPEN = f"rm -f {DROP_IN}; sed -i 's/ audit=1//g' {MENU}"
"""Takes what was stored out again; the running kernel still has it."""
BREAKS = {
    "by_hand_in_the_menu_alone": (f"sed -i '0,/ audit=1/s/ audit=1//' {MENU}", ""),
    "drop_in_removed": (OPEN, ""),
    "later_value_in_the_menu": (f"sed -i 's/ audit=1/ audit=1 audit=0/' {MENU}", ""),
    "later_drop_in_wins": (
        "echo 'GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX audit=0\"' > /etc/default/grub.d/zzz-site.cfg; update-grub",
        "overrides what this collection writes",
    ),
    "entry_of_the_site": (
        "printf 'menuentry rescue {\\n linux /boot/vmlinuz root=/dev/vda2\\n}\\n' >> /etc/grub.d/40_custom; update-grub",
        "rescue",
    ),
}


@pytest.fixture(scope="module")
def mended(machine: Machine) -> Machine:
    """The machine, with the boot configured and booted by it."""
    machine.mend()
    if any(rule["verdict"] != "pass" for rule in machine.boot_rules().values()):
        vm.restart(machine.host)
    assert {rule: one["verdict"] for rule, one in machine.boot_rules().items() if one["verdict"] != "pass"} == {}
    return machine


def boots_green(machine: Machine) -> None:
    vm.reset(machine.host)
    machine.mend()
    assert {rule: one["actual"] for rule, one in machine.boot_rules().items() if one["verdict"] != "pass"} == {}
    assert machine.shell(f"stat -c %a {MENU} {USER}").split() == ["600", "600"]


@pytest.mark.parametrize("name", BREAKS)
def test_what_breaks_the_menu_fails_for_both_judges_and_is_mended_or_held(mended: Machine, name: str) -> None:
    script, held = BREAKS[name]
    mended.shell(f"cp -a {MENU} /root/menu; cp -a /etc/grub.d/40_custom /root/; {script}")
    broken = mended.boot_rules()["boot/audit"]
    assert (broken["verdict"], broken["goss"]) == ("fail", "fail"), broken
    mended.mend()
    after = mended.boot_rules()["boot/audit"]
    if held:
        assert after["verdict"] == "fail" and held in after["held"], after
        mended.shell(
            "rm -f /etc/default/grub.d/zzz-site.cfg; cp -a /root/40_custom /etc/grub.d/; cp -a /root/menu " + MENU
        )
    else:
        assert (after["verdict"], after["goss"]) == ("pass", "pass"), after
    assert mended.boot_rules()["boot/audit"]["verdict"] == "pass"


def test_machine_that_is_cut_off_while_the_menu_is_written_boots(mended: Machine) -> None:
    mended.shell(OPEN)
    run = threading.Thread(target=_quiet, args=[mended])
    run.start()
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        with contextlib.suppress(subprocess.TimeoutExpired):
            if ssh(mended.host, "pgrep -f grub-mkconfig", timeout=30).stdout.strip():
                break
        time.sleep(0.2)
    else:
        pytest.fail("grub-mkconfig was never seen")
    vm.end(mended.host)
    vm.launch(mended.host, mended.host.directory / "disk.qcow2", "qcow2")
    vm.wait_for_ssh(mended.host, timeout=vm.BOOT_SECONDS)
    run.join()
    boots_green(mended)


def _quiet(machine: Machine) -> None:
    with contextlib.suppress(AssertionError):
        machine.mend()


def test_menu_without_room_stays_as_it_was(mended: Machine) -> None:
    """A file system of its own, as full as it can be, where the menu is."""
    mended.shell(
        f"{OPEN}; truncate -s 8M /root/small; mkfs.ext4 -q -N 512 /root/small; mount -o loop /root/small /mnt; cp -a /boot/grub/. /mnt/;"
        " cat /dev/zero > /mnt/filler || true; umount /mnt; mount -o loop /root/small /boot/grub"
    )
    before = mended.shell(f"sha256sum {MENU}")
    said = mended.mend(fails=True).output
    assert "No space left" in said and mended.shell(f"sha256sum {MENU}") == before
    assert mended.shell(f"test -e {DROP_IN} && echo there || true") == "", "what cannot be finished is undone"
    mended.shell("rm /boot/grub/filler; mount -o remount,ro /boot/grub")
    said = mended.mend(fails=True).output
    assert "ead-only file system" in said and mended.shell(f"sha256sum {MENU}") == before
    mended.shell("umount /boot/grub; rm /root/small")
    boots_green(mended)


def test_second_kernel_gets_the_parameters_and_a_removed_one_is_forgotten(mended: Machine) -> None:
    mended.shell(
        "v=$(uname -r); for f in vmlinuz initrd.img config System.map; do ln /boot/$f-$v /boot/$f-9.9.9-test || true; done"
    )
    mended.shell("update-grub")
    entries = int(mended.shell(f"grep -c '9.9.9-test' {MENU}"))
    assert entries and {one["verdict"] for one in mended.boot_rules().values()} == {"pass"}
    mended.shell(f"sed -i '/9.9.9-test/s/ audit=1//' {MENU}")
    assert mended.boot_rules()["boot/audit"]["verdict"] == "fail"
    mended.shell("rm /boot/*-9.9.9-test")
    mended.mend()
    assert {one["verdict"] for one in mended.boot_rules().values()} == {"pass"}
    boots_green(mended)
