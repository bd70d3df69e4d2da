"""The reader of GPUs, on 91 recorded machines rebuilt as directories, and on what decides whether a module loads."""

from __future__ import annotations

import hashlib
import struct
import subprocess
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._change import programs
from ansible_collections.unified.deploy.plugins.module_utils._gpu import boot, driver, facts, proof
from ansible_collections.unified.deploy.plugins.module_utils._gpu.tree import Tree

from tests.unit.gpu_machines import MACHINES, RELEASE, build, link, node_name, put

GUID = "605dab50-e046-4300-abb6-3dd810dd8b23"


def test_all_recorded_machines_are_here() -> None:
    assert len(MACHINES) == 91


@pytest.mark.parametrize("name", MACHINES)
def test_recorded_machine_is_read_as_recorded(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = MACHINES[name]
    root = build(tmp_path, machine)
    for started in ("Popen", "run"):
        monkeypatch.setattr(subprocess, started, lambda *_a, **_k: pytest.fail("a process was started"))
    begun = time.process_time()
    read = facts.gather(str(root), machine=machine["arch"])
    # The figure is 50 ms of an idle machine; only the processor's time is ours.
    assert time.process_time() - begun <= 0.05
    # An accelerator of QEMU (1b36:0005, class 1200) was recorded with the GPUs, and is none.
    recorded = [device for device in machine.get("pci", []) if device["vendor"] != "0x1b36"]
    seen = {device["slot"]: device for device in read["devices"]}
    assert set(seen) == {device["slot"] for device in recorded} and len(read["devices"]) == len(recorded)
    for device in recorded:
        one = seen[device["slot"]]
        assert one["id"] == f"{device['vendor'][2:]}:{device['device'][2:]}"
        assert one["class"] == device["class"][2:]
        assert one["driver"] == device.get("driver", "")
        assert one["external"] is device.get("external", False)
        assert one["boot_vga"] is (device.get("boot_vga") == "1")
        assert one["behind"] == [bridge.split()[0] for bridge in device.get("behind", [])]
        assert one["renders"] == [f"renderD{minor}" for minor in device.get("render_minors", [])]
        assert one["gfx_target_version"] == device.get("gfx_target_version", 0)
        if "current_link" in device:
            link_now = f"{one['link']['current_link_speed'].removesuffix(' PCIe')} x{one['link']['current_link_width']}"
            assert link_now == device["current_link"]
    tree = machine.get("devicetree")
    assert read["board"].get("compatible", []) == (tree["compatible"] if tree else [])
    nodes = [
        tuple(gpu["compatible"])
        for gpu in (tree or {}).get("gpu", [])
        for _ in range(gpu["count"])
        # What manages its power and its memory was recorded with the GPU, and is none.
        if node_name(gpu["compatible"]) not in ("gmu", "iommu")
    ]
    assert sorted(tuple(gpu["compatible"]) for gpu in read["board"].get("gpus", [])) == sorted(nodes)
    assert read["left_out"] == {}


def test_partitions_are_not_counted_as_gpus(tmp_path: Path) -> None:
    read = facts.gather(str(build(tmp_path, MACHINES["mi300x-8-cpx"])), machine="x86_64")
    assert len(read["devices"]) == 8
    # 64 nodes less renderD191, which the recording lacks.
    assert sum(len(device["renders"]) for device in read["devices"]) == 63


def test_host_without_drm_or_pci_says_that_nothing_was_looked_at(tmp_path: Path) -> None:
    put(tmp_path, "etc/os-release", "ID=debian\nVERSION_ID=13\n")
    read = facts.gather(str(tmp_path), machine="x86_64")
    assert read["devices"] == [] and read["looked_at"] == {"pci": None, "device_tree": False, "drm": [], "kernels": 0}


def test_network_accelerator_is_no_gpu(tmp_path: Path) -> None:
    for slot, vendor in (("0000:01:00.0", "0x10ee"), ("0000:02:00.0", "0x10de")):
        put(tmp_path, f"sys/bus/pci/devices/{slot}/class", "0x120000\n")
        put(tmp_path, f"sys/bus/pci/devices/{slot}/vendor", f"{vendor}\n")
        put(tmp_path, f"sys/bus/pci/devices/{slot}/device", "0x1234\n")
    read = facts.gather(str(tmp_path), machine="x86_64")
    assert [device["slot"] for device in read["devices"]] == ["0000:02:00.0"]


def test_nvswitch_is_seen(tmp_path: Path) -> None:
    put(tmp_path, "sys/bus/pci/devices/0000:c0:00.0/class", "0x068000\n")
    put(tmp_path, "sys/bus/pci/devices/0000:c0:00.0/vendor", "0x10de\n")
    assert facts.gather(str(tmp_path), machine="x86_64")["nvswitches"] == ["0000:c0:00.0"]


def test_virtual_function_names_its_physical_one(tmp_path: Path) -> None:
    root = build(tmp_path, MACHINES["intel-b580"])
    slot = MACHINES["intel-b580"]["pci"][0]["slot"]
    put(root, f"sys/bus/pci/devices/{slot}/sriov_totalvfs", "24\n")
    put(root, f"sys/bus/pci/devices/{slot}/sriov_numvfs", "2\n")
    assert facts.gather(str(root), machine="x86_64")["devices"][0]["sriov"] == {
        "total": 24,
        "enabled": 2,
        "function_of": "",
    }


ALIASES = """# Aliases extracted from modules themselves.
alias pci:v000010DEd*sv*sd*bc03sc*i* nouveau
alias pci:v000010DEd*sv*sd*bc03sc02i00* nvidia
alias pci:v00001002d00006798sv*sd*bc*sc*i* radeon
alias pci:v00001002d00006798sv*sd*bc*sc*i* amdgpu
alias pci:v*d*sv*sd*bc03sc00i00* vgastate
alias of:N*T*Crockchip,rk3588-mali panthor
alias of:N*T*Crockchip,rk3588-maliC* panthor
alias usb:v10DEp* usbnet
alias pci:v000010DEd*
"""


def test_claims_are_those_of_modules_alias(tmp_path: Path) -> None:
    root = build(tmp_path, MACHINES["hwloc-32em64t"])
    put(root, f"lib/modules/{RELEASE}/modules.alias", ALIASES)
    read = facts.gather(str(root), machine="x86_64")
    claims = {device["id"]: read["kernels"][0]["claims"][device["modalias"]] for device in read["devices"]}
    assert claims["10de:1094"] == ["nouveau", "nvidia"]
    assert claims["1002:6798"][:2] == ["radeon", "amdgpu"]
    assert "nouveau" not in claims["102b:0532"]


def test_claims_of_a_device_tree_node(tmp_path: Path) -> None:
    root = build(tmp_path, MACHINES["rock-5b"])
    put(root, f"lib/modules/{RELEASE}/modules.alias", ALIASES)
    read = facts.gather(str(root), machine="aarch64")
    assert list(read["kernels"][0]["claims"].values()) == [["panthor"]]


def test_kernels_that_can_boot_have_an_image(tmp_path: Path) -> None:
    root = build(tmp_path, MACHINES["h200"])
    put(root, "boot/vmlinuz-6.12.94+deb13-amd64", "")
    put(root, "boot/vmlinuz-6.1.0-rescue.old", "")
    put(root, "boot/vmlinuz-0-rescue-1234", "")
    put(root, "boot/initrd.img-6.1.0-99-amd64", "")
    put(root, "lib/modules/6.1.0-99-amd64/modules.alias", "")
    put(root, "lib/modules/5.14.0-570.el9.x86_64/vmlinuz", "")
    put(root, "usr/src/linux-headers-6.12.94+deb13-amd64/Makefile", "")
    link(root, "lib/modules/6.12.94+deb13-amd64/build", "/usr/src/linux-headers-6.12.94+deb13-amd64")
    kernels = {kernel["release"]: kernel for kernel in facts.gather(str(root), machine="x86_64")["kernels"]}
    assert set(kernels) == {RELEASE, "6.12.94+deb13-amd64", "5.14.0-570.el9.x86_64"}
    assert [release for release, kernel in kernels.items() if kernel["headers"]] == ["6.12.94+deb13-amd64"]
    assert [release for release, kernel in kernels.items() if kernel["running"]] == [RELEASE]


@pytest.mark.parametrize("state", ["added", "built", "installed", "failed"])
def test_state_of_dkms(state: str, tmp_path: Path) -> None:
    root = build(tmp_path, MACHINES["h200"])
    base = "var/lib/dkms/nvidia/550.163.01"
    link(root, f"{base}/source", "/usr/src/nvidia-550.163.01")
    put(root, "usr/src/nvidia-550.163.01/dkms.conf", "")
    if state in ("built", "installed"):
        put(root, f"{base}/{RELEASE}/x86_64/module/nvidia.ko.xz", "")
    if state == "installed":
        link(root, f"var/lib/dkms/nvidia/kernel-{RELEASE}-x86_64", f"550.163.01/{RELEASE}/x86_64")
    if state == "failed":
        put(root, f"{base}/build/make.log", f"DKMS make.log for nvidia-550.163.01 for kernel {RELEASE} (x86_64)\n")
    kernel = facts.gather(str(root), machine="x86_64")["kernels"][0]
    (module,) = kernel["dkms"]
    assert (module["module"], module["version"], module["state"]) == ("nvidia", "550.163.01", state)
    # An empty file is no module, and nothing is claimed about it.
    assert bool(module.get("unread")) is (state in ("built", "installed")) and not module.get("kernel")


def signature_list(*certificates: bytes) -> bytes:
    """EFI_SIGNATURE_LISTs, one a certificate, as shim writes them."""
    x509 = bytes.fromhex("a159c0a5e494a74a87b5ab155c2bf072")
    return b"".join(
        struct.pack("<16sIII", x509, 28 + 16 + len(der), 0, 16 + len(der)) + b"o" * 16 + der for der in certificates
    )


@pytest.mark.parametrize(
    ("boot_state", "key_state"), [("off", "absent"), ("on", "absent"), ("on", "pending"), ("on", "enrolled")]
)
def test_secure_boot_and_machine_owner_key(boot_state: str, key_state: str, tmp_path: Path) -> None:
    efi = "sys/firmware/efi"
    put(
        tmp_path,
        f"{efi}/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c",
        b"\6\0\0\0" + bytes([boot_state == "on"]),
    )
    put(tmp_path, "var/lib/dkms/mok.pub", b"our certificate")
    put(tmp_path, "sys/kernel/security/lockdown", "none [integrity] confidentiality\n")
    lists = {"enrolled": (b"Debian's", b"our certificate"), "pending": (b"Debian's",), "absent": (b"Debian's",)}
    put(tmp_path, f"{efi}/mok-variables/MokListRT", signature_list(*lists[key_state]))
    if key_state == "pending":
        put(tmp_path, f"{efi}/efivars/MokNew-{GUID}", b"\7\0\0\0" + signature_list(b"our certificate"))
    read = boot.secure_boot(Tree(str(tmp_path)))
    assert (read["state"], read["lockdown"]) == (boot_state, "integrity")
    fingerprint = hashlib.sha256(b"our certificate").hexdigest()
    assert read["keys"] == [{"path": "/var/lib/dkms/mok.pub", "sha256": fingerprint, "state": key_state}]


def test_secure_boot_is_on_without_efivarfs_too(tmp_path: Path) -> None:
    """As in a machine with Debian 13's shim and kernel that had not mounted it."""
    put(tmp_path, "sys/firmware/efi/mok-variables/SecureBoot", b"\1")
    put(tmp_path, "sys/firmware/efi/mok-variables/SetupMode", b"\0")
    assert boot.secure_boot(Tree(str(tmp_path)))["state"] == "on"


@pytest.mark.parametrize(
    "damage", [b"", b"\0" * 27, signature_list(b"x")[:-1], struct.pack("<16sIII", b"k" * 16, 0, 0, 0)]
)
def test_damaged_list_of_keys_holds_none_and_ends(damage: bytes) -> None:
    assert boot.certificates(damage) == set()


def test_only_parameters_of_gpus_and_modules_are_read(tmp_path: Path) -> None:
    put(
        tmp_path,
        "proc/cmdline",
        "root=/dev/sda1 password=hunter2 nomodeset nvidia-drm.modeset=1 luks.key=abc iommu=pt\n",
    )
    assert boot.parameters(Tree(str(tmp_path))) == ["nomodeset", "nvidia-drm.modeset=1", "iommu=pt"]


def test_blacklist_of_etc_replaces_that_of_lib(tmp_path: Path) -> None:
    put(tmp_path, "usr/lib/modprobe.d/nouveau.conf", "blacklist nouveau\n")
    put(tmp_path, "etc/modprobe.d/nouveau.conf", "# blacklist nouveau\n")
    put(tmp_path, "etc/modprobe.d/cis.conf", "install thunderbolt /bin/false\nblacklist nvidia-drm\ninstall usb\n")
    assert boot.blacklisted(Tree(str(tmp_path))) == ["nvidia_drm", "thunderbolt"]


@pytest.mark.parametrize(
    ("line", "flavour"),
    [
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.03  Release Build", "open"),
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.163.01", "closed"),
    ],
)
def test_flavour_of_the_loaded_driver(line: str, flavour: str, tmp_path: Path) -> None:
    put(tmp_path, "sys/module/nvidia/version", "580.159.03\n")
    put(tmp_path, "proc/driver/nvidia/version", line + "\nGCC version: 14\n")
    assert boot.loaded(Tree(str(tmp_path)))["nvidia"] == {"version": "580.159.03", "taint": "", "flavour": flavour}


def test_unreadable_file_is_left_out_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "proc/cmdline", "quiet")
    import builtins

    real = builtins.open

    def refuse(path: t.Any, *args: t.Any) -> t.Any:
        if str(path).endswith("cmdline"):
            raise PermissionError(13, "Permission denied")
        return real(path, *args)

    monkeypatch.setattr(builtins, "open", refuse)
    tree = Tree(str(tmp_path))
    boot.parameters(tree)
    assert tree.left_out == {"/proc/cmdline": "Permission denied"}


@pytest.mark.parametrize(
    ("version", "source", "reason"),
    [
        ("580.1", "OPEN", ""),
        ("580.1", "CLOSED", "another build of nvidia 580.1 is loaded"),
        ("570.1", "CLOSED", "nvidia 570.1 is loaded, and 580.1 installed"),
        ("", "", "nvidia 580.1 is installed and not loaded"),
    ],
)
def test_boot_is_needed_where_another_build_is_loaded_of_the_same_version_too(
    version: str, source: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """modinfo is a fake that says what it says of the file that lies there."""
    if version:
        put(tmp_path, "sys/module/nvidia/version", f"{version}\n")
        put(tmp_path, "sys/module/nvidia/srcversion", f"{source}\n")
    monkeypatch.setattr(driver, "Tree", lambda: Tree(str(tmp_path)))
    monkeypatch.setattr(driver.archive, "installed", dict)
    monkeypatch.setattr(driver, "modules", lambda _sources: [proof.Sources("nvidia", "580.1", "/usr/src")])
    monkeypatch.setattr(proof, "_kmod", lambda *_argv: programs.Answer(0, "OPEN\n", ""))
    assert driver.reboot_reason(driver.Driver("nvidia", ("nvidia-driver",))) == reason
