# SPDX-License-Identifier: GPL-3.0-or-later
"""What may not stand together: flags of a host and of a device, and the rules of conflicts.yml over them."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from . import nvidia
from .model import Decision, Request, Target
from .tables import Row, Tables

Facts = t.Mapping[str, t.Any]
# The only rule that gpu_mok can end.
KEY_RULE = "unsigned_under_lockdown"


@dataclass(frozen=True)
class Conflict:
    """A rule that speaks about a device.

    Attributes:
        severity: inconsistent, risk or caution.
        where: the device's slot or path.
    """

    rule: str
    severity: str
    where: str
    because: str
    fix: str

    @property
    def blocks(self) -> bool:
        return self.severity != "caution"

    def as_dict(self) -> dict[str, str]:
        return {
            "rule": self.rule,
            "class": self.severity,
            "where": self.where,
            "because": self.because,
            "fix": self.fix,
        }


def installed(facts: Facts) -> list[tuple[Facts, Facts]]:
    """Each kernel that can boot with each of NVIDIA's modules that DKMS installed for it."""
    return [
        (kernel, one)
        for kernel in facts["kernels"]
        for one in kernel["dkms"]
        if one["state"] == "installed" and "nvidia" in one["module"]
    ]


HOST_FLAGS: dict[str, t.Callable[[Facts], bool]] = {
    "blacklisted_thunderbolt": lambda facts: "thunderbolt" in facts["blacklisted"],
    "container": lambda facts: bool(facts["virtualisation"]["container"]),
    "dkms_failed": lambda facts: any(
        one["state"] == "failed" for kernel in facts["kernels"] for one in kernel["dkms"] if "nvidia" in one["module"]
    ),
    "fabric": lambda facts: bool(facts["nvswitches"]),
    "built_for_another_kernel": lambda facts: any(
        one["kernel"] not in ("", kernel["release"]) for kernel, one in installed(facts)
    ),
    "built_unread": lambda facts: any(bool(one["unread"]) for _kernel, one in installed(facts)),
    "built_unsigned": lambda facts: any(not one["signer"] and not one["unread"] for _kernel, one in installed(facts)),
    "headers_missing": lambda facts: any(not kernel["headers"] for kernel in facts["kernels"]),
    "key_enrolled": lambda facts: any(key["state"] == "enrolled" for key in facts["secure_boot"]["keys"]),
    "key_pending": lambda facts: any(key["state"] == "pending" for key in facts["secure_boot"]["keys"]),
    "nomodeset": lambda facts: "nomodeset" in facts["parameters"],
    "signatures_enforced": lambda facts: bool(facts["secure_boot"]["enforced"]),
}


def host_flags(facts: Facts) -> set[str]:
    return {name for name, holds in HOST_FLAGS.items() if holds(facts)}


@dataclass(frozen=True)
class Subject:
    """One device with its decision, as a rule sees it."""

    device: Facts
    decision: Decision
    facts: Facts
    target: Target
    request: Request
    beside_nvidia: bool
    driven_ids: t.Collection[str]
    tables: Tables

    def row(self) -> Row | None:
        """What the tables have of a device of NVIDIA's."""
        vendor, _colon, device = self.device.get("id", "").partition(":")
        return self.tables.nvidia.get(device) if vendor == "10de" else None

    def open_modules(self) -> str:
        """What NVIDIA's driver says: required, possible, none; empty for a device that is not in its list."""
        row = self.row()
        return row["open_modules"] if row else ""

    def last_branch(self) -> str:
        row = self.row()
        return row["last_branch"] if row else ""

    def undriven(self) -> bool:
        """Whether the branch is one that the operator asks for, and none that drives the device."""
        row, branch = self.row(), self.decision.branch
        if row is None or branch is None:
            return False
        return branch not in nvidia.drives(self.tables, row, self.target)

    def branch(self) -> int:
        return int(self.decision.branch.number) if self.decision.branch else 0

    def fingerprint(self) -> str:
        row = self.tables.repository(self.decision.repository, self.target.system)
        return row["fingerprint"] if row else ""


DRIVING = ("install", "vendor", "kernel")
DEVICE_FLAGS: dict[str, t.Callable[[Subject], bool]] = {
    "beyond_last_branch": lambda one: (
        bool(one.branch()) and one.last_branch().isdecimal() and one.branch() > int(one.last_branch())
    ),
    "boot_display": lambda one: bool(one.device.get("boot_vga")),
    "closed_for_open_only": lambda one: one.open_modules() == "required" and one.decision.flavour == "closed",
    # Of two drivers, one is enough.
    "decided_driver_blacklisted": lambda one: (
        bool(one.decision.driver)
        and {module.replace("-", "_") for module in one.decision.driver.split()} <= set(one.facts["blacklisted"])
    ),
    "desktop_edition": lambda one: bool(one.decision.branch and one.decision.branch.edition == "desktop"),
    "external": lambda one: bool(one.device.get("external")),
    "fingerprint_unknown": lambda one: not one.fingerprint(),
    "needs_driver": lambda one: one.decision.action in DRIVING,
    "no_iommu_group": lambda one: not one.device.get("iommu_group"),
    "not_allowed": lambda one: not {"all", one.device.get("id"), one.device.get("slot")} & set(one.request.egpu_allow),
    "nvidia_decided": lambda one: one.decision.driver == "nvidia",
    "nouveau_beside_nvidia": lambda one: one.decision.driver == "nouveau" and one.beside_nvidia,
    "open_before_560": lambda one: one.decision.flavour == "open" and one.branch() < 560,
    "open_for_closed_only": lambda one: one.open_modules() == "none" and one.decision.flavour == "open",
    "out_of_tree": lambda one: one.decision.action in ("install", "vendor"),
    "open_only_before_560": lambda one: one.open_modules() == "required" and 0 < one.branch() < 560,
    "passthrough": lambda one: one.decision.action == "passthrough",
    "partitioned": lambda one: one.device.get("slot") in one.request.mig,
    "same_id_driven": lambda one: one.device.get("id", "") in one.driven_ids,
    "undriven": Subject.undriven,
    "vendor": lambda one: one.decision.action == "vendor",
    # NVIDIA's driver makes virtual functions for vGPU only.
    "vgpu_host": lambda one: (
        one.device.get("id", "").startswith("10de:")
        and bool(one.device.get("mdev") or one.device.get("sriov", {}).get("enabled"))
    ),
}


def check(
    tables: Tables, facts: Facts, target: Target, request: Request, decided: t.Sequence[tuple[str, Facts, Decision]]
) -> list[Conflict]:
    """The conflicts of a host.

    Args:
        decided: where the device is, what was read of it, and what was decided.
    """
    of_host = host_flags(facts)
    beside_nvidia = any(decision.driver == "nvidia" for _where, _device, decision in decided)
    driven_ids = {device["id"] for _where, device, decision in decided if decision.action in DRIVING and "id" in device}
    conflicts = []
    for where, device, decision in decided:
        subject = Subject(device, decision, facts, target, request, beside_nvidia, driven_ids, tables)
        flags = of_host | {name for name, holds in DEVICE_FLAGS.items() if holds(subject)}
        for rule, raw in tables.conflicts.items():
            if all((flag[1:] not in flags) if flag.startswith("!") else flag in flags for flag in raw["when"]):
                conflicts.append(Conflict(rule, raw["class"], where, raw["because"], raw["fix"]))
    return conflicts
