"""A driver, from a bare host to none again. The GPU is a recorded machine's sysfs, the driver a stand-in; apt, DKMS, compiler, kernel are real."""

from __future__ import annotations

import json
import statistics
import time
import typing as t

import pytest

from tests.gpu.conftest import ARCHIVE, URL, Vendor, vendor
from tests.integration.conftest import Play, Target
from tests.unit.gpu_machines import pci

SOURCE = "nvidia-graphics-drivers"
# A Tesla T4: Debian 13 has 550 for it.
GPU = {"slot": "0000:01:00.0", "vendor": "0x10de", "device": "0x1eb8", "class": "0x030200", "boot_vga": "0"}
STATE = (
    "dpkg-query -W -f '${db:Status-Status} ${Package} ${Version}\\n' 'nvidia*' 2>/dev/null | grep -v ^not-installed || true;"
    " ls /etc/apt/preferences.d /etc/modprobe.d /etc/kernel/postinst.d | grep unified || true"
)
INSTALLED = """installed nvidia-driver 550.163.01-2
installed nvidia-driver-libs 550.163.01-2
installed nvidia-kernel-dkms 550.163.01-2
installed nvidia-persistenced 550.163.01-2
installed nvidia-smi 550.163.01-2
unified-gpu
00-unified-gpu
zz-unified-gpu
unified-gpu.conf
"""


def packages(version: str, *, split: bool = False, **more: str) -> list[dict[str, str]]:
    """With SPLIT what DKMS builds is in a package of its own, as in Ubuntu."""
    exact = f"nvidia-kernel-dkms (= {version}), nvidia-driver-libs (= {version})"
    needed = f"dkms, nvidia-kernel-source (= {version})" if split else "dkms"
    return [
        {"name": "nvidia-driver", "version": version, "source": SOURCE, "depends": exact},
        # No task names it.
        {"name": "nvidia-driver-libs", "version": version, "source": SOURCE},
        {"name": "nvidia-kernel-dkms", "version": version, "source": SOURCE, "depends": needed, **more},
        *({"name": name, "version": version, "source": SOURCE} for name in ("nvidia-kernel-source",) if split),
        *({"name": name, "version": version, "source": SOURCE} for name in ("libcuda1", "nvidia-smi")),
        {"name": "nvidia-persistenced", "version": version},
        {"name": "firmware-nvidia-gsp", "version": version, "source": SOURCE},
    ]


@pytest.fixture(scope="module")
def seller(host: Target, tmp_path_factory: pytest.TempPathFactory) -> Vendor:
    made = vendor(host)
    made.key("vendor")
    made.publish("driver", "vendor", *packages("550.163.01-2"))
    root = tmp_path_factory.mktemp("machine")
    pci(root, GPU)
    host.send(root, "/srv")
    # Over the sysfs of the machine that the host runs on.
    host.shell(
        "mount --bind /srv/sys/bus/pci /sys/bus/pci && mount -t tmpfs tmpfs /sys/devices && cp -a /srv/sys/devices/. /sys/devices/"
    )
    return made


def role(seller: Vendor, *arguments: str, fails: bool = False, **variables: t.Any) -> Play:
    book = seller.target.directory / "gpu.yml"
    mirror = {"url": f"{URL}/driver/", "suites": ["/"], **seller.pinned()}
    task = {
        "name": "Show",
        "debug": {"msg": "REBOOT {{ gpu_reboot_required | default('') }}: {{ gpu_reboot_reason | default('') }}"},
    }
    book.write_text(
        json.dumps([{"hosts": "all", "gather_facts": False, "roles": ["unified.deploy.gpu"], "post_tasks": [task]}])
    )
    return seller.target.play(
        str(book), *arguments, fails=fails, variables={"gpu_mirrors": {"distribution": mirror}, **variables}
    )


def test_check_mode_on_a_bare_host_says_what_would_come_and_changes_nothing(seller: Vendor) -> None:
    before = seller.target.shell(STATE)
    ran = role(seller, "--check")
    assert "would install of branch 550: nvidia-driver libcuda1 nvidia-smi nvidia-kernel-dkms" in ran.output
    assert ran.changed(seller.target.host.name) > 0
    assert seller.target.shell(STATE) == before == ""


def test_driver_that_does_not_build_leaves_the_host_without_a_trace(seller: Vendor) -> None:
    """As Debian 13's own open modules of 550 do since Linux 6.12.107."""
    seller.publish("driver", "vendor", *packages("550.163.01-2", fails_on="6,12,0"))
    ran = role(seller, fails=True)
    assert (
        "nvidia-current 550.163.01 does not build for 6.12" in ran.output
        and "error: 'too_few_arguments' undeclared" in ran.output
    )
    assert "the host keeps the driver that it has" in ran.output
    assert "gpu_repository: vendor" in ran.output
    assert "nothing has changed since" in role(seller, fails=True).output
    assert seller.target.shell(STATE) == ""
    assert seller.target.shell("dpkg --audit; dkms status") == ""


def test_driver_is_built_proven_installed_and_kept_by_a_second_run(
    seller: Vendor, record_property: t.Callable[[str, object], None]
) -> None:
    seller.publish("driver", "vendor", *packages("550.163.01-2"))
    seller.target.shell("apt-get -qq update")
    ran = role(seller)
    assert "REBOOT True: nvidia 550.163.01 is installed and not loaded" in ran.output
    assert seller.target.shell(STATE) == INSTALLED
    assert "blacklist nouveau" in seller.target.shell("cat /etc/modprobe.d/unified-gpu.conf")
    assert seller.target.shell("systemctl is-enabled nvidia-persistenced").strip() == "enabled"
    # What the kernel itself would look at, by programs that are not ours.
    kernel = seller.target.shell("cd /lib/modules && echo *").strip()
    assert seller.target.shell(f"modinfo -k {kernel} -F vermagic nvidia-current").split()[0] == kernel
    assert (
        seller.target.shell(f"modprobe --dry-run -S {kernel} nvidia-current-uvm && echo resolves").strip() == "resolves"
    )
    book = seller.target.directory / "ping.yml"
    book.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [{"name": "Ping", "ping": {}}]}]))
    second, one = [], []
    # In turns, as what else the machine does comes and goes.
    for _turn in range(3):
        begun = time.monotonic()
        again = role(seller, "-vvv")
        second.append(time.monotonic() - begun)
        assert (again.changed(seller.target.host.name), again.executions()) == (0, 1), again.output
        # What the shortcut publishes is what the way around it does.
        assert "REBOOT True: nvidia 550.163.01 is installed and not loaded" in again.output
        begun = time.monotonic()
        seller.target.play(str(book))
        one.append(time.monotonic() - begun)
    took, ratio = statistics.median(second), statistics.median(second) / statistics.median(one)
    record_property(
        "figure",
        f"second run: 0 changed by one execution in {took:.1f} s, {ratio:.1f} times a play of one task (goal 2)",
    )
    assert role(seller, "--check").changed(seller.target.host.name) == 0
    # What is no longer so is seen and made anew, and after that there is nothing to do again.
    seller.target.shell("rm /etc/modprobe.d/unified-gpu.conf; systemctl -q disable nvidia-persistenced")
    assert role(seller).changed(seller.target.host.name) > 0
    assert "blacklist nouveau" in seller.target.shell("cat /etc/modprobe.d/unified-gpu.conf")
    assert seller.target.shell("systemctl is-enabled nvidia-persistenced").strip() == "enabled"
    assert role(seller, "-vvv").executions() == 1


@pytest.mark.parametrize(
    ("module", "edit", "said"),
    [
        ("nvidia-current", "s/vermagic=6/vermagic=5/", "nvidia-current.ko.xz was built for '5."),
        (
            "nvidia-current-uvm",
            "s/standin_answer/standin_absent/g",
            "nvidia-current-uvm.ko.xz needs unknown symbol standin_absent",
        ),
    ],
)
def test_module_that_would_not_load_is_told(seller: Vendor, module: str, edit: str, said: str) -> None:
    place = f"$(modinfo -k $(ls /lib/modules) -n {module})"
    seller.target.shell(
        f"f={place}; cp $f /srv/kept; xz -dc $f | sed '{edit}' | xz --check=crc32 > /srv/edited; cp /srv/edited $f"
    )
    try:
        ran = role(seller, fails=True)
    finally:
        seller.target.shell(f"cp /srv/kept {place}")
    assert said in ran.output, ran.output


def test_unattended_upgrade_moves_nothing_of_the_driver(seller: Vendor) -> None:
    seller.publish("driver", "vendor", *packages("580.178.04-1"))
    # All that the archive has would be allowed.
    allowed = 'Unattended-Upgrade::Origins-Pattern { "origin=*"; };'
    seller.target.shell(f"echo '{allowed}' > /etc/apt/apt.conf.d/99allowed; apt-get -qq update")
    assert "580.178.04-1" in seller.target.shell("apt-cache madison nvidia-driver")
    for upgrade in ("unattended-upgrade --dry-run --debug", "apt-get -s dist-upgrade"):
        said = seller.target.shell(upgrade + " 2>&1")
        assert not [
            line for line in said.splitlines() if "nvidia" in line and ("Inst" in line or "will be upgraded" in line)
        ], said
    seller.target.shell("unattended-upgrade; rm /etc/apt/apt.conf.d/99allowed")
    assert seller.target.shell(STATE) == INSTALLED
    assert role(seller).changed(seller.target.host.name) == 0


def test_kernel_that_comes_later_is_proven_or_reported_before_its_boot(seller: Vendor) -> None:
    kernel = seller.target.shell("cd /lib/modules && echo *").strip()
    hook = "/etc/kernel/postinst.d/zz-unified-gpu"
    assert seller.target.shell(f"{hook} {kernel} 2>&1; ls /var/lib/unified/gpu/drift") == ""
    # The package of a kernel for which DKMS could not build.
    said = seller.target.shell(f"{hook} 6.99.0-later 2>&1; cat /var/lib/unified/gpu/drift/6.99.0-later")
    assert said.splitlines() == [
        "unified-gpu: do not boot 6.99.0-later: nvidia-current is not built for it",
        "nvidia-current is not built for it",
    ]
    # DKMS fails, and no hook after its own runs.
    seller.target.shell(
        "printf '#!/bin/sh\\nexit 11\\n' >/etc/kernel/postinst.d/0dkms; chmod 755 /etc/kernel/postinst.d/0dkms"
    )
    parts = "run-parts --exit-on-error --arg={} /etc/kernel/{}"
    drift = "/var/lib/unified/gpu/drift"
    said = seller.target.shell(
        f"rm {drift}/*; ! {parts.format('6.99.0-later', 'postinst.d')} 2>/dev/null; rm /etc/kernel/postinst.d/0dkms; cat {drift}/6.99.0-later"
    )
    assert said == "nvidia-current is not built for it\n"
    # Headers that come after their kernel.
    seller.target.shell(
        f"echo false >{drift}/{kernel}; {parts.format(kernel, 'header_postinst.d')}; test ! -e {drift}/{kernel}"
    )
    assert "do not boot 6.99.0-later" in seller.target.shell("journalctl -q -t unified-gpu --no-pager")
    assert seller.target.shell("/etc/kernel/postrm.d/zz-unified-gpu 6.99.0-later; ls /var/lib/unified/gpu/drift") == ""


def test_kernel_without_headers_blocks_and_is_named(seller: Vendor) -> None:
    seller.target.shell("touch /boot/vmlinuz-6.12.1-own")
    try:
        ran = role(seller, fails=True)
    finally:
        seller.target.shell("rm /boot/vmlinuz-6.12.1-own")
    assert "the kernel 6.12.1-own can boot, and no package has its headers" in ran.output
    assert seller.target.shell(STATE) == INSTALLED


def test_upgrade_that_is_killed_half_way_is_finished_or_undone_by_the_next_run(seller: Vendor) -> None:
    seller.publish("driver", "vendor", *packages("550.200.00-1", split=True))
    seller.target.shell("apt-get -qq update")
    assert role(seller).changed(seller.target.host.name) == 0
    # Kills the module, which comes by a pipe and has no name, apt and what it started as soon as dpkg has unpacked the new DKMS package.
    killer = """cat > /srv/killer <<'END'
until dpkg-query -W -f '${db:Status-Status} ${Version}' nvidia-kernel-dkms | grep -qE '^(half-configured|unpacked) 550.200'; do sleep 0.05; done
kill -9 $(ps -o ppid= -C apt-get) $(pgrep -x apt-get) $(pgrep -x dpkg) $(pgrep -f sbin/dkms)
END
systemd-run --quiet --unit killer bash /srv/killer"""
    seller.target.shell(killer)
    role(seller, fails=True, gpu_version="newest")
    assert "nvidia-kernel-dkms" in seller.target.shell("dpkg --audit; ls /var/lib/unified/gpu/transaction.json")
    role(seller, gpu_version="newest")
    assert seller.target.shell(STATE).replace("installed nvidia-kernel-source 550.200.00-1\n", "") == INSTALLED.replace(
        "550.163.01-2", "550.200.00-1"
    )
    assert seller.target.shell("dpkg --audit; ls /var/lib/unified/gpu; dkms status | wc -l").split()[-1] == "1"


def test_older_version_comes_back_with_what_it_depends_on(seller: Vendor) -> None:
    role(seller, gpu_version="550.163.01")
    state = seller.target.shell(STATE).replace("installed nvidia-kernel-source 550.200.00-1\n", "")
    assert state == INSTALLED
    assert role(seller).changed(seller.target.host.name) == 0


def test_absent_takes_back_all_that_came(seller: Vendor) -> None:
    ran = role(seller, gpu_state="absent")
    assert "REBOOT True" in ran.output
    assert seller.target.shell(STATE) == ""
    assert (
        seller.target.shell(
            f"ls /etc/apt/sources.list.d /etc/apt/keyrings /usr/src | grep -e unified -e nvidia || true; test -d {ARCHIVE}"
        )
        == ""
    )
    assert role(seller, gpu_state="absent").changed(seller.target.host.name) == 0


def test_packages_that_bring_no_module_are_taken_back(seller: Vendor) -> None:
    seller.publish("driver", "vendor", {"name": "nvidia-lone", "version": "570.1-1"})
    seller.module("gpu_repository", seller.repository("apt", "driver/", name="lone"))
    answer = seller.module("gpu_driver", {"packages": ["nvidia-lone"], "branch": "570"})
    assert answer["blocked"] and "the installed packages have no module nvidia for it" in answer["because"], answer
    assert "The driver of before is there again" in answer["because"]
    assert seller.target.shell(STATE) == ""
    seller.module("gpu_repository", {"name": "lone", "state": "absent"})
