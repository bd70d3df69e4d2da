"""The boot menu broken by hand, and the power cut while it is changed: the machine boots, and the next run is green."""

from __future__ import annotations

import contextlib
import re
import threading

import pytest

from tests.hosts import vm

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
        "/etc/default/grub.d/zzz-site.cfg says of audit",
    ),
    "entry_of_the_site": (
        "printf 'menuentry rescue {\\n linux /boot/vmlinuz root=/dev/vda2\\n}\\n' >> /etc/grub.d/40_custom; update-grub",
        "rescue",
    ),
}
CUT = "CUT THE POWER HERE"
MOMENTS = {
    "while_the_menu_is_written": "pgrep -x grub-mkconfig >/dev/null",
    "while_a_kernel_parameter_is_changed": f"[ -e {DROP_IN} ]",
}
"""What is true on the host from the moment on at which the power is cut."""


@pytest.fixture(scope="module")
def mended(machine: Machine) -> Machine:
    """The machine, with the boot configured and booted by it."""
    if not all_pass(machine.mended()):
        vm.restart(machine.host)
    assert failing(machine.boot_rules()) == {}
    return machine


def failing(rules: dict[str, dict[str, str]]) -> dict[str, str]:
    return {rule: one["actual"] for rule, one in rules.items() if (one["verdict"], one["goss"]) != ("pass", "pass")}


def all_pass(rules: dict[str, dict[str, str]]) -> bool:
    return failing(rules) == {}


def boots_green(machine: Machine) -> None:
    """The next run mends all there is, and what it made is whole when the power is cut behind it."""
    machine.mend()
    vm.reset(machine.host)
    assert failing(machine.boot_rules()) == {}
    assert machine.shell(f"stat -c %a {MENU} {USER}").split() == ["600", "600"]


@pytest.mark.parametrize("name", BREAKS)
def test_what_breaks_the_menu_fails_for_both_judges_and_is_mended_or_held(mended: Machine, name: str) -> None:
    script, held = BREAKS[name]
    mended.shell(f"cp -a {MENU} /root/menu; cp -a /etc/grub.d/40_custom /root/; {script}")
    try:
        broken = mended.boot_rules()["boot/audit"]
        assert (broken["verdict"], broken["goss"]) == ("fail", "fail"), broken
        after = mended.mended()
        if held:
            assert after["boot/audit"]["verdict"] == "fail" and held in after["boot/audit"]["held"], after["boot/audit"]
        else:
            assert failing(after) == {}
    finally:
        if held:
            mended.shell(
                f"rm -f /etc/default/grub.d/zzz-site.cfg; cp -a /root/40_custom /etc/grub.d/; cp -a /root/menu {MENU}; sync"
            )


def test_check_mode_shows_the_parameter_and_a_revert_makes_the_menu_of_before(mended: Machine) -> None:
    mended.shell(OPEN)
    before = mended.shell(f"sha256sum {MENU}; ls -A {DROP_IN} 2>&1 || true")
    shown = mended.mend("--check", "--diff").output
    assert "+" in shown and "audit=1" in shown and DROP_IN in shown, shown[-3000:]
    assert mended.shell(f"sha256sum {MENU}; ls -A {DROP_IN} 2>&1 || true") == before
    mended.mend()
    assert mended.shell(f"sha256sum {MENU}; ls -A {DROP_IN} 2>&1 || true") != before
    mended.play("harden_hosts", variables={"hardening_state": "reverted"})
    assert mended.shell(f"sha256sum {MENU}; ls -A {DROP_IN} 2>&1 || true") == before
    mended.mend()
    assert failing(mended.boot_rules()) == {}


@pytest.mark.parametrize("moment", MOMENTS)
def test_machine_that_loses_its_power_boots_and_the_next_run_is_green(mended: Machine, moment: str) -> None:
    watch = f"until {MOMENTS[moment]}; do sleep 0.05; done; echo {CUT} > /dev/console"
    since = mended.said()
    mended.shell(f"{OPEN}; systemd-run --quiet bash -c '{watch}'")
    run = threading.Thread(target=_quiet, args=[mended])
    run.start()
    mended.cut_at(CUT, since)
    run.join()
    mended.boot()
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


def test_every_kernel_gets_the_parameters_the_older_one_boots_and_a_removed_one_is_forgotten(mended: Machine) -> None:
    """The older kernel is a second name of the only one that is installed."""
    older = "0.0.9-test"
    mended.shell(
        f"v=$(uname -r); for f in vmlinuz initrd.img config System.map; do ln /boot/$f-$v /boot/$f-{older} || true; done; update-grub"
    )
    assert failing(mended.boot_rules()) == {}
    mended.shell(f"sed -i '/{older}/s/ audit=1//' {MENU}")
    assert failing(mended.boot_rules()).keys() == {"boot/audit"}
    mended.mend()
    entry = re.search(rf"'(gnulinux-{re.escape(older)}-advanced-\S+)'", mended.shell(f"cat {MENU}"))
    submenu = re.search(r"'(gnulinux-advanced-\S+)'", mended.shell(f"cat {MENU}"))
    assert entry and submenu
    mended.shell(
        f'cp -a {MENU} /root/menu; sed -i \'s/^ *set default="0"/set default="{submenu[1]}>{entry[1]}"/\' {MENU}; sync'
    )
    vm.reset(mended.host)
    assert f"vmlinuz-{older}" in mended.shell("cat /proc/cmdline"), "the older kernel was not the one that booted"
    assert failing(mended.boot_rules()) == {}
    mended.shell(f"cp -a /root/menu {MENU}; rm /boot/*-{older}")
    mended.shell("update-grub")
    assert failing(mended.mended()) == {}
    assert mended.shell(f"grep -c '{older}' {MENU} || true").strip() == "0"


@pytest.mark.parametrize("script", ["mv /boot/grub /root/grub", "mkdir /root/boot; mv /boot/* /root/boot/"])
def test_host_without_a_boot_loader_says_why_it_is_not_judged(mended: Machine, script: str) -> None:
    """Its kernel's command line shows that one started it."""
    mended.shell(script)
    try:
        rules = mended.mended()
        assert {one["verdict"] for one in rules.values()} == {"not_checked"}, rules
        assert all("none of the boot loaders that are known" in one["actual"] for one in rules.values()), rules
    finally:
        mended.shell("mv /root/grub /boot/ 2>/dev/null || mv /root/boot/* /boot/; rmdir /root/boot 2>/dev/null || true")
    assert failing(mended.boot_rules()) == {}
