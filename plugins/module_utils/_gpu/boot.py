# SPDX-License-Identifier: GPL-3.0-or-later
"""What decides whether a module may load: Secure Boot, Machine Owner Keys, lockdown, the command line, modprobe.d."""

from __future__ import annotations

import hashlib
import re
import struct
import typing as t

from .tree import Tree

EFI = "sys/firmware/efi"
# EFI_GLOBAL_VARIABLE (UEFI Specification 3.3) and the vendor GUID of shim (https://github.com/rhboot/shim).
GLOBAL, SHIM = "8be4df61-93ca-11d2-aa0d-00e098032b8c", "605dab50-e046-4300-abb6-3dd810dd8b23"
# EFI_CERT_X509_GUID (UEFI Specification 32.4.1), as it lies in memory.
X509 = bytes.fromhex("a159c0a5e494a74a87b5ab155c2bf072")
LIST_HEADER = struct.Struct("<16sIII")
OWNER = 16
# Where DKMS and Debian's and Ubuntu's shim-signed keep the certificate that modules are signed with, in DER.
DKMS_KEY, SHIM_KEY = "var/lib/dkms/mok.pub", "var/lib/shim-signed/mok/MOK.der"
LOCAL_KEYS = (DKMS_KEY, SHIM_KEY)
# Of the command line nothing else is read: it may hold secrets.
PARAMETERS = (
    "nomodeset",
    "module.sig_enforce",
    "modprobe.blacklist",
    "module_blacklist",
    "lockdown",
    "intel_iommu",
    "amd_iommu",
    "iommu",
    "pci",
)
# What switches it on, as kstrtobool() reads a value.
ENFORCING = re.compile(r"module\.sig_enforce($|=[1yYtT]|=[oO][nN])")
MODULES = ("amdgpu", "i915", "nouveau", "nvidia", "nvidia_drm", "nvidia-drm", "radeon", "xe", "vfio-pci", "vfio_pci")


def secure_boot(tree: Tree) -> dict[str, t.Any]:
    """Whether modules must be signed, and whether the host's own key is one that the kernel trusts.

    ``state`` is unsupported (no EFI), off, setup (keys can be set without authorisation), on, or on_without_shim (shim was told
    not to validate). ``enforced`` says whether the running kernel refuses modules that no trusted key signed. ``keys`` are the local
    certificates: enrolled, pending (requested, the next boot asks) or absent.
    """
    mode = _state(tree) if tree.is_directory(EFI) else "unsupported"
    read = {"state": mode, "lockdown": lockdown(tree), "enforced": enforced(tree, mode)}
    if mode == "unsupported":
        return {**read, "keys": []}
    # The kernel's copy of a list is whole, the variable is cut at the firmware's limit (Linux 5.10).
    enrolled = certificates(_copy(tree, "MokListRT") or _variable(tree, "MokListRT", SHIM))
    pending = certificates(_variable(tree, "MokNew", SHIM))
    keys = []
    for path in LOCAL_KEYS:
        der = tree.content(path)
        if der:
            fingerprint = hashlib.sha256(der).hexdigest()
            state = "enrolled" if fingerprint in enrolled else "pending" if fingerprint in pending else "absent"
            keys.append({"path": f"/{path}", "sha256": fingerprint, "state": state})
    return {**read, "keys": keys}


def enforced(tree: Tree, mode: str) -> bool:
    """Whether modules must be signed: by Secure Boot, by lockdown, or by a parameter, which CONFIG_MODULE_SIG_FORCE sets without the command line.

    Args:
        mode: ``state`` of `secure_boot`. In setup mode and without shim's validation the kernel does not insist (libstub/secureboot.c).
    """
    return (
        mode == "on"
        or lockdown(tree) in ("integrity", "confidentiality")
        or tree.text("sys/module/module/parameters/sig_enforce") == "Y"
        or any(map(ENFORCING.match, parameters(tree)))
    )


def _state(tree: Tree) -> str:
    if (_variable(tree, "SecureBoot", GLOBAL) or _copy(tree, "SecureBoot")) != b"\1":
        return "off"
    if (_variable(tree, "SetupMode", GLOBAL) or _copy(tree, "SetupMode")) == b"\1":
        return "setup"
    return "on_without_shim" if _variable(tree, "MokSBStateRT", SHIM) == b"\1" else "on"


def _copy(tree: Tree, name: str) -> bytes:
    """The kernel's copy of a variable, which shim handed over at the boot: there without efivarfs too."""
    return tree.content(EFI, "mok-variables", name)


def _variable(tree: Tree, name: str, vendor: str) -> bytes:
    """An EFI variable without the four bytes of attributes that efivarfs puts before it."""
    return tree.content(EFI, "efivars", f"{name}-{vendor}")[4:]


def certificates(lists: bytes) -> set[str]:
    """SHA-256 of the X.509 certificates in a row of EFI_SIGNATURE_LISTs; hashes of programs are no certificates."""
    seen = set()
    while len(lists) >= LIST_HEADER.size:
        kind, size, header, entry = LIST_HEADER.unpack_from(lists)
        if size < LIST_HEADER.size or size > len(lists):
            break
        if kind == X509 and entry > OWNER:
            start = LIST_HEADER.size + header
            for offset in range(start, size - entry + 1, entry):
                seen.add(hashlib.sha256(lists[offset + OWNER : offset + entry]).hexdigest())
        lists = lists[size:]
    return seen


def lockdown(tree: Tree) -> str:
    """none, integrity or confidentiality; empty where the kernel has no such thing (kernel_lockdown(7))."""
    return tree.text("sys/kernel/security/lockdown").partition("[")[2].partition("]")[0]


def parameters(tree: Tree) -> list[str]:
    """The parameters of the running kernel that concern GPUs and modules."""
    return [
        word
        for word in tree.text("proc/cmdline").split()
        if (name := word.partition("=")[0]) in PARAMETERS or name.partition(".")[0] in MODULES
    ]


def blacklisted(tree: Tree) -> list[str]:
    """Modules that modprobe.d(5) or the running kernel's command line keeps from loading, or that a command replaces which does nothing."""
    modules = set()
    # modprobe(8) reads the first of them, the kernel itself the second.
    for word in parameters(tree):
        name, _sign, value = word.partition("=")
        if name in ("modprobe.blacklist", "module_blacklist"):
            modules |= {one.replace("-", "_") for one in value.split(",") if one}
    seen = {}
    # The first directory that has a file of a name wins.
    for directory in (
        "usr/lib/modprobe.d",
        "lib/modprobe.d",
        "usr/local/lib/modprobe.d",
        "run/modprobe.d",
        "etc/modprobe.d",
    ):
        seen.update({name: directory for name in tree.names(directory) if name.endswith(".conf")})
    for name, directory in seen.items():
        for line in tree.text(directory, name).splitlines():
            words = line.split()
            emptied = words[:1] == ["install"] and words[2:] and words[2].rpartition("/")[2] in ("false", "true")
            if len(words) > 1 and (words[0] == "blacklist" or emptied):
                modules.add(words[1].replace("-", "_"))
    return sorted(modules)


def virtualisation(tree: Tree) -> dict[str, str]:
    """What the host runs in: ``container`` (podman, docker, lxc, ...) and ``machine`` (qemu, vmware, ...); empty on bare metal."""
    container = tree.text("run/systemd/container")
    if not container:
        container = "podman" if tree.exists("run/.containerenv") else "docker" if tree.exists(".dockerenv") else ""
    machine = tree.text("sys/hypervisor/type")
    if not machine and " hypervisor" in tree.text("proc/cpuinfo"):
        machine = tree.text("sys/class/dmi/id/sys_vendor") or "unknown"
    return {"container": container, "machine": machine}


def loaded(tree: Tree) -> dict[str, dict[str, str]]:
    """Loaded modules that drive GPUs, with the version that they give and, for NVIDIA's, the flavour (open or closed)."""
    modules = {
        name: {"version": tree.text("sys/module", name, "version"), "taint": tree.text("sys/module", name, "taint")}
        for name in sorted({module.replace("-", "_") for module in MODULES})
        if tree.is_directory("sys/module", name)
    }
    if "nvidia" in modules:
        line = tree.text("proc/driver/nvidia/version").partition("\n")[0]
        modules["nvidia"]["flavour"] = "open" if "Open Kernel Module" in line else "closed" if line else ""
    return modules
