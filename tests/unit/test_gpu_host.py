"""A hardened GPU host keeps its GPUs: what the catalogue asks for, beside what the role gpu installs and loads. On recorded evidence."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.unified.deploy.plugins.plugin_utils._gpu.tables import tables

from tests.unit.access import planned

GPU_HOST = frozenset({"container_host", "gpu_host"})
# NVIDIA's by all of its names; what DRM, KFD, eGPUs and guests need beside the drivers of the tables.
BESIDE = {
    "nvidia",
    "nvidia_drm",
    "nvidia_modeset",
    "nvidia_uvm",
    "nvidia_peermem",
    "drm",
    "vfio_pci",
    "thunderbolt",
    "i2c_algo_bit",
}
# What `nvidia-driver` of Debian 12 and 13 depends on: xserver-xorg-video-nvidia, that on xserver-xorg-core, that on it.
NEEDED_BY_DRIVER = "xserver-common"


def gpu_modules() -> set[str]:
    known = tables()
    drivers = {row["driver"] for row in [*known.dt_drivers.values(), *known.others.values()]}
    drivers |= {row[column] for row in known.amd.values() for column in ("default_6_12", "default_7_2")}
    return {driver.replace("-", "_") for driver in drivers | {"i915", "xe", "nouveau"} | BESIDE if driver}


def test_no_rule_of_any_benchmark_keeps_a_module_of_a_gpu_from_loading(catalogue: t.Any) -> None:
    modules = gpu_modules()
    assert {"amdgpu", "panthor", "ast"} <= modules
    blocked = {rule.key.replace("-", "_"): rule for rule in catalogue.rules.values() if rule.kind == "kmod"}
    assert len(blocked) > 10
    assert not modules & set(blocked)
    # Containers' own file system is what the purpose beside it keeps.
    assert "container_host" in blocked["overlay"].unless["purpose"]


def test_no_rule_writes_a_parameter_that_a_gpu_cannot_live_with(catalogue: t.Any) -> None:
    written = {rule.key for rule in catalogue.rules.values() if rule.kind == "boot"}
    assert written and not written & {
        "nomodeset",
        "modprobe.blacklist",
        "module_blacklist",
        "module.sig_enforce",
        "lockdown",
    }


def test_driver_of_debian_is_not_removed_with_x(catalogue: t.Any, fresh: t.Any) -> None:
    """Without the purpose the host loses its driver: apt removes what depends on what it removes."""
    fresh["package"][NEEDED_BY_DRIVER] = "2:21.1.16-1.3+deb13u3"
    assert NEEDED_BY_DRIVER in planned(catalogue, fresh).desired.packages_absent
    plan = planned(catalogue, fresh, purposes=GPU_HOST)
    assert plan.verdicts["package/xserver"].verdict == "not_applicable"
    assert NEEDED_BY_DRIVER not in plan.desired.packages_absent


@pytest.mark.parametrize("level", ["l1_server", "l2_server"])
def test_hardening_touches_nothing_of_the_role_gpu(level: str, catalogue: t.Any, fresh: t.Any) -> None:
    desired = planned(catalogue, fresh, level=level, purposes=GPU_HOST).desired
    paths = {*desired.files, *desired.attributes}
    assert len(paths) > 20
    assert not [
        path
        for path in paths
        if path.startswith(("/dev/", "/etc/cdi", "/lib/firmware", "/var/lib/dkms", "/usr/src")) or "unified-gpu" in path
    ]
    assert not [unit for unit in desired.units_masked if "nvidia" in unit or "gpu" in unit]
    installed = {name for group in tables().policy["packages"].values() for names in group.values() for name in names}
    installed |= {name for branch in tables().nvidia_branches for name in branch["package"].split()}
    assert not installed & set(desired.packages_absent)


def test_gpu_host_is_waived_nothing_else(catalogue: t.Any) -> None:
    waived = [rule.id for rule in catalogue.rules.values() if "gpu_host" in rule.unless.get("purpose", ())]
    assert waived == ["package/xserver"]
