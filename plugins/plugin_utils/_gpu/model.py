# SPDX-License-Identifier: GPL-3.0-or-later
"""What is decided, and for what."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from .._errors import OperatorError

Kernel = tuple[int, ...]
Action = t.Literal[
    "install",  # the distribution's packages
    "vendor",  # packages of the vendor's repository
    "kernel",  # the kernel's own driver, with firmware and user space
    "newer_kernel",  # the kernel's own driver, which this kernel does not have yet
    "display",  # a console, nothing to install
    "passthrough",  # given to a guest: no driver here
    "software",  # no driver for this GPU: rendering on the processor
    "none",  # there is no GPU
    "refuse",  # known, and not supported here
    "unknown",  # in no table
]
REFUSALS: tuple[Action, ...] = ("refuse", "unknown", "newer_kernel")
PURPOSES = ("compute", "desktop", "media", "passthrough")
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "riscv64": "riscv64"}


class GpuError(OperatorError):
    """What is asked for cannot be decided."""


@dataclass(frozen=True)
class Target:
    """What a device is decided for.

    Attributes:
        system: as policy.yml names it, such as debian13.
        architecture: as Debian names it: amd64, arm64, riscv64.
        kernel: version of the kernel that will boot.
        purpose: one of PURPOSES.
        fabric: whether the host has NVSwitches.
    """

    system: str
    architecture: str
    kernel: Kernel
    purpose: str
    fabric: bool = False


@dataclass(frozen=True)
class Branch:
    """One NVIDIA driver that a system can have: a row of nvidia_branches.csv."""

    repository: str
    number: str
    edition: str
    flavour: str
    packages: tuple[str, ...]
    version: str
    row: str

    def __str__(self) -> str:
        return f"{self.number} {self.flavour} ({self.repository})"


@dataclass(frozen=True)
class Decision:
    """What is decided about one device.

    Attributes:
        driver: kernel module, or several joined by a space; empty where there is none.
        branch: what drives it, for NVIDIA's own driver.
        firmware, packages: names of packages of the system.
        repository: "distribution", or a name of repositories.csv.
        parameters: of the kernel.
        reason: why, for people.
        row: the row of the table that decided, as ``file:line``.
        offer: what the vendor has where we have nothing.
        branches: every branch that drives the device here, the preferred first.
    """

    action: Action
    reason: str
    row: str
    driver: str = ""
    branch: Branch | None = None
    packages: tuple[str, ...] = ()
    firmware: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    repository: str = ""
    offer: str = ""
    branches: tuple[Branch, ...] = ()

    @property
    def flavour(self) -> str:
        return self.branch.flavour if self.branch else ""

    def as_dict(self) -> dict[str, t.Any]:
        """The decision as JSON has it."""
        return {
            "action": self.action,
            "driver": self.driver,
            "flavour": self.flavour,
            "branch": self.branch.number if self.branch else "",
            "version": self.branch.version if self.branch else "",
            "packages": list(self.packages),
            "firmware": list(self.firmware),
            "parameters": list(self.parameters),
            "repository": self.repository,
            "reason": self.reason,
            "row": self.row,
            "offer": self.offer,
        }


@dataclass(frozen=True)
class Request:
    """What the operator asks for.

    Attributes:
        driver: "auto" or a branch of NVIDIA's driver.
        flavour: auto, open or closed.
        repository: auto, distribution or vendor.
        devices: overrides by id: ``{"10de:2335": {"branch": "580", "flavour": "open"}}`` or ``{"driver": ...}``.
        egpu_allow: ids or slots of external GPUs that may be used, or "all".
        mig: by slot, what NVIDIA's GPUs are to be split into.
    """

    purpose: str = "compute"
    driver: str = "auto"
    flavour: str = "auto"
    repository: str = "auto"
    devices: t.Mapping[str, t.Mapping[str, str]] = field(default_factory=dict)
    egpu_allow: t.Sequence[str] = ("all",)
    mig: t.Mapping[str, t.Any] = field(default_factory=dict)


def kernel_version(text: str) -> Kernel:
    """(6, 12) of "6.12.107+deb13-amd64". Empty where it does not begin with a version."""
    match = re.match(r"(\d{1,4})\.(\d{1,4})(?:[.+-]|$)", text)
    return (int(match[1]), int(match[2])) if match else ()
