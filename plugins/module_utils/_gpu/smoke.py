# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether programs see the GPUs: by Vulkan, OpenCL, Level Zero, nvidia-smi and KFD. A processor that renders is no GPU."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change import programs
from ansible_collections.unified.deploy.plugins.module_utils._change.errors import ChangeError

from . import devices, smi
from .tree import Tree

# How vulkaninfo --summary and clinfo --raw name types of devices (VkPhysicalDeviceType, cl_device_type).
VULKAN = re.compile(r"^\s*deviceType\s*=\s*PHYSICAL_DEVICE_TYPE_(\w+)\s+deviceName\s*=\s*(.*?)\s*$", re.MULTILINE)
OPENCL_NAME = re.compile(r"^\s*(\[\S+\])?\s*CL_DEVICE_NAME\s+(.*?)\s*$", re.MULTILINE)
OPENCL_TYPE = re.compile(r"^\s*(\[\S+\])?\s*CL_DEVICE_TYPE\s+(CL_DEVICE_TYPE_\w+.*?)\s*$", re.MULTILINE)
# https://oneapi-src.github.io/level-zero-spec: zeInit for GPUs alone, then how many devices each driver has. In a process of its own:
# a vendor's library that crashes takes only that along.
LEVEL_ZERO = """
import ctypes, sys
try:
    ze = ctypes.CDLL("libze_loader.so.1")
except OSError as exc:
    sys.exit("the loader of Level Zero is not installed: %s" % exc)
def call(name, *arguments):
    result = getattr(ze, name)(*arguments)
    if result:
        sys.exit("%s ended with 0x%x" % (name, result & 0xFFFFFFFF))
call("zeInit", ctypes.c_uint32(1))
count = ctypes.c_uint32(0)
call("zeDriverGet", ctypes.byref(count), None)
drivers = (ctypes.c_void_p * count.value)()
call("zeDriverGet", ctypes.byref(count), drivers)
for driver in drivers:
    many = ctypes.c_uint32(0)
    call("zeDeviceGet", ctypes.c_void_p(driver), ctypes.byref(many), None)
    print("devices", many.value)
"""


class Smoke(t.NamedTuple):
    """What one way to the GPUs shows.

    Attributes:
        gpus: names of GPUs, or slots where the way tells them.
        processors: names of devices that are a processor.
        why: why nothing is known.
    """

    gpus: t.List[str]
    processors: t.List[str]
    why: str = ""


def passed(smoke: Smoke, slots: t.Sequence[str], *, software: bool) -> str:
    """Why the way is not as it should be; empty where it is.

    Args:
        slots: GPUs that it must show.
        software: whether rendering on the processor is what was decided.
    """
    if smoke.why:
        return smoke.why
    if software:
        return "" if smoke.processors or smoke.gpus else "it shows no device, not even the processor"
    if not smoke.gpus:
        shown = f"only the processor ({', '.join(smoke.processors)})" if smoke.processors else "no device"
        return f"it shows {shown}"
    named = [one for one in smoke.gpus if devices.SLOT.fullmatch(one)]
    missing = sorted(set(slots) - set(named)) if named else []
    if missing:
        return f"it does not show {', '.join(missing)}"
    if len(smoke.gpus) < len(slots):
        return f"it shows {len(smoke.gpus)} of {len(slots)} GPUs: {', '.join(smoke.gpus)}"
    return ""


def _said(argv: t.Sequence[str]) -> str:
    """Standard output of a program.

    Raises:
        ChangeError: it is not installed, or fails.
    """
    answer = programs.run(argv)
    if answer.code:
        raise ChangeError(f"'{argv[0]}' ended with {answer.code}: {answer.said}")
    return answer.out


def vulkan() -> Smoke:
    """It ends with 0 on llvmpipe too, so that types are judged and not the exit status."""
    listed = VULKAN.findall(_said(["vulkaninfo", "--summary"]))
    real = ("DISCRETE_GPU", "INTEGRATED_GPU", "VIRTUAL_GPU")
    return Smoke([name for kind, name in listed if kind in real], [name for kind, name in listed if kind not in real])


def opencl() -> Smoke:
    """A platform may hold no device at all (rusticl without a driver), and pocl's is the processor."""
    out = _said(["clinfo", "--raw"])
    names = [name for _mark, name in OPENCL_NAME.findall(out)]
    types = [kind for _mark, kind in OPENCL_TYPE.findall(out)]
    if len(names) != len(types):
        return Smoke([], [], f"clinfo tells {len(names)} names and {len(types)} types of devices")
    pairs = list(zip(names, types))
    real = ("CL_DEVICE_TYPE_GPU", "CL_DEVICE_TYPE_ACCELERATOR")
    gpus = [name for name, kind in pairs if any(one in kind for one in real) and "CL_DEVICE_TYPE_CPU" not in kind]
    return Smoke(gpus, [name for name, _kind in pairs if name not in gpus])


def level_zero() -> Smoke:
    out = _said(["python3", "-I", "-c", LEVEL_ZERO])
    many = sum(int(number) for number in re.findall(r"^devices (\d+)$", out, re.MULTILINE))
    return Smoke([f"device {number}" for number in range(many)], [])


def nvidia_smi() -> Smoke:
    try:
        return Smoke(sorted(smi.parsed(_said(["nvidia-smi", "-q", "-x"]))[1]), [])
    except smi.SmiError as exc:
        return Smoke([], [], str(exc))


def kfd() -> Smoke:
    """AMD's compute driver names devices; a node that cannot be opened computes nothing."""
    tree = Tree()
    if not tree.exists("dev/kfd"):
        return Smoke([], [], "/dev/kfd is not there: amdgpu is not loaded, or was built without KFD")
    places = devices.kfd_nodes(tree)
    return Smoke([slot for slot in tree.names(devices.PCI) if slot.rpartition(".")[0] in places], [])


WAYS: t.Dict[str, t.Callable[[], Smoke]] = {
    "kfd": kfd,
    "level_zero": level_zero,
    "nvidia_smi": nvidia_smi,
    "opencl": opencl,
    "vulkan": vulkan,
}


def look(way: str) -> Smoke:
    """What one way shows, or why it shows nothing."""
    try:
        return WAYS[way]()
    except ChangeError as exc:
        return Smoke([], [], str(exc))
