# SPDX-License-Identifier: GPL-3.0-or-later
"""What may not stand together: flags of a host and of a device, and the rules of conflicts.yml over them."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .model import Decision
from .tables import Tables

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
    # Ubuntu has the modules of each kernel signed by Canonical (linux-modules-nvidia-*).
    "signed_by_distribution": lambda facts: facts["system"]["os"] == "ubuntu",
    "signatures_enforced": lambda facts: (
        facts["secure_boot"]["state"] == "on"
        or facts["secure_boot"]["lockdown"] in ("integrity", "confidentiality")
        or bool({"module.sig_enforce", "module.sig_enforce=1"} & set(facts["parameters"]))
    ),
}


def host_flags(facts: Facts) -> set[str]:
    return {name for name, holds in HOST_FLAGS.items() if holds(facts)}


@dataclass(frozen=True)
class Subject:
    """One device with its decision, as a rule sees it."""

    device: Facts
    decision: Decision
    facts: Facts
    system: str
    beside_nvidia: bool
    tables: Tables

    def open_modules(self) -> str:
        """What NVIDIA's driver says: required, possible, none; empty for a device that is not NVIDIA's."""
        vendor, _colon, device = self.device.get("id", "").partition(":")
        return self.tables.nvidia[device]["open_modules"] if vendor == "10de" and device in self.tables.nvidia else ""

    def last_branch(self) -> str:
        vendor, _colon, device = self.device.get("id", "").partition(":")
        return self.tables.nvidia[device]["last_branch"] if vendor == "10de" and device in self.tables.nvidia else ""

    def branch(self) -> int:
        return int(self.decision.branch.number) if self.decision.branch else 0

    def fingerprint(self) -> str:
        row = self.tables.repository(self.decision.repository, self.system)
        return row["fingerprint"] if row else ""


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
    "needs_driver": lambda one: one.decision.action in ("install", "vendor", "kernel"),
    "no_iommu_group": lambda one: not one.device.get("iommu_group"),
    "nouveau_beside_nvidia": lambda one: one.decision.driver == "nouveau" and one.beside_nvidia,
    "open_before_560": lambda one: one.decision.flavour == "open" and one.branch() < 560,
    "open_for_closed_only": lambda one: one.open_modules() == "none" and one.decision.flavour == "open",
    "out_of_tree": lambda one: one.decision.action in ("install", "vendor"),
    "passthrough": lambda one: one.decision.action == "passthrough",
    "vendor": lambda one: one.decision.action == "vendor",
    # NVIDIA's driver makes virtual functions for vGPU only.
    "vgpu_host": lambda one: (
        one.device.get("id", "").startswith("10de:")
        and bool(one.device.get("mdev") or one.device.get("sriov", {}).get("enabled"))
    ),
}


def check(
    tables: Tables, facts: Facts, system: str, decided: t.Sequence[tuple[str, Facts, Decision]]
) -> list[Conflict]:
    """The conflicts of a host.

    Args:
        decided: where the device is, what was read of it, and what was decided.
    """
    of_host = host_flags(facts)
    nvidia = any(decision.driver == "nvidia" for _where, _device, decision in decided)
    conflicts = []
    for where, device, decision in decided:
        subject = Subject(device, decision, facts, system, nvidia, tables)
        flags = of_host | {name for name, holds in DEVICE_FLAGS.items() if holds(subject)}
        for rule, raw in tables.conflicts.items():
            if all((flag[1:] not in flags) if flag.startswith("!") else flag in flags for flag in raw["when"]):
                conflicts.append(Conflict(rule, raw["class"], where, raw["because"], raw["fix"]))
    return conflicts
