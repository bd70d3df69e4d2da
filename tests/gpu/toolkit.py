"""NVIDIA's container toolkit, built of its source; and a fake driver on a host, for the toolkit to look through."""

from __future__ import annotations

import json
import re
import shutil
import typing as t
from pathlib import Path

import pytest

from tests.integration.conftest import ROOT, Target, _quote
from tests.secrets import programs
from tests.unit.gpu_machines import pci

MODULE, VERSION = "github.com/NVIDIA/nvidia-container-toolkit", "v1.20.1"
PROGRAMS = ("nvidia-ctk", "nvidia-cdi-hook")
NVML = "github.com/NVIDIA/go-nvml"
# An H200, and what it says of itself.
SLOT = "0000:83:00.0"
GPU = {"slot": SLOT, "vendor": "0x10de", "device": "0x2335", "class": "0x030200", "boot_vga": "0", "driver": "nvidia"}
UUID = "GPU-5a1e0c1f-2b3c-4d5e-8f90-a1b2c3d4e5f6"
LIBRARIES = "/usr/lib/x86_64-linux-gnu"
PROC = "/proc/driver/nvidia"
# /proc/devices and modprobe see NVIDIA's modules, built into the kernel; behind the GPU's node lies /dev/zero.
PREPARE = f"""
mount --bind /srv/sys/bus/pci /sys/bus/pci
mount -t tmpfs tmpfs /sys/devices
cp -a /srv/sys/devices/. /sys/devices/
mount -t tmpfs tmpfs /proc/driver
mkdir -p {PROC}/gpus/{SLOT} {PROC}/capabilities /proc/driver/nvidia-caps
printf 'Model: \\t\\t NVIDIA H200\\nIRQ:   \\t\\t 0\\nGPU UUID: \\t {UUID}\\nBus Location: \\t {SLOT}\\nDevice Minor: \\t 0\\n' > {PROC}/gpus/{SLOT}/information
printf 'config 1\\nmonitor 2\\n' > /proc/driver/nvidia-caps/mig-minors
printf 'Character devices:\\n195 nvidia\\n195 nvidiactl\\n235 nvidia-caps\\n236 nvidia-uvm\\n' > /srv/devices
mount --bind /srv/devices /proc/devices
modules=/lib/modules/$(uname -r)
mkdir -p $modules
printf 'kernel/%s.ko\\n' nvidia nvidia-uvm nvidia-modeset > $modules/modules.builtin
depmod
mknod -m 666 /dev/nvidia0 c 1 5
install /srv/nvidia-ctk /srv/nvidia-cdi-hook /usr/bin
"""


def build() -> Path:
    """The directory of the toolkit's programs, which are built once."""
    directory = programs.base() / f"nvidia-container-toolkit-{VERSION}"
    for name in ("go", "gcc"):
        if not shutil.which(name):
            pytest.fail(
                f"'{name}' is not installed: NVIDIA's container toolkit is built with Go 1.25 or newer, and gcc"
            )
    directory.mkdir(parents=True, exist_ok=True)
    missing = [(f"{MODULE}/cmd/{name}", VERSION) for name in PROGRAMS if not (directory / name).exists()]
    # NVML is a C library.
    programs.install(missing, {"GOBIN": str(directory), "CGO_ENABLED": "1"})
    return directory


def libraries(version: str, directory: Path) -> list[Path]:
    """A driver's libraries of a version: the fake NVML, by the header that the toolkit was built with, and a libcuda with nothing in it."""
    built_with = programs.run("go", "version", "-m", build() / "nvidia-ctk").decode()
    pinned = re.search(rf"\sdep\s+{NVML}\s+(\S+)", built_with)
    assert pinned, built_with
    module = json.loads(programs.run("go", "mod", "download", "-json", f"{NVML}@{pinned.group(1)}", cwd=directory))
    include = Path(module["Dir"]) / "gen/nvml"
    made = [directory / f"{name}.so.{version}" for name in ("libnvidia-ml", "libcuda")]
    for path, source in zip(made, (ROOT / "tests/fakes/nvml/nvml.c", "/dev/null"), strict=True):
        argv = ["gcc", "-Wall", "-Wextra", "-shared", "-fPIC", f'-DVERSION="{version}"', "-isystem", include]
        name = path.name.removesuffix(version) + "1"
        programs.run(*argv, f"-Wl,-soname,{name}", "-o", path, "-x", "c", source)
    return made


def prepare(host: Target, versions: t.Sequence[str]) -> None:
    """A host with a GPU, the toolkit, and the libraries of VERSIONS below /srv; load() and use() make a driver of them."""
    root = host.directory / "machine"
    pci(root, GPU)
    for version in versions:
        libraries(version, root)
    for name in PROGRAMS:
        shutil.copy(build() / name, root)
    host.send(root, "/srv")
    host.shell(PREPARE)


def load(host: Target, version: str) -> None:
    """The kernel has the driver's module of this version; of none without."""
    said = f"NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {version}  Release Build  (dvs-builder@U22-I3)"
    host.shell(f"echo {_quote(said)} > {PROC}/version" if version else f"rm {PROC}/version")


def use(host: Target, version: str) -> None:
    """The host has the driver's libraries of this version, and no other; none without."""
    come = f"cp /srv/lib*.so.{version} {LIBRARIES}" if version else "true"
    host.shell(f"rm -f {LIBRARIES}/libcuda.so* {LIBRARIES}/libnvidia-ml.so*; {come}; ldconfig")
