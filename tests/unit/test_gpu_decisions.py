"""Decisions about GPUs: 630 first decisions agreed or argued with, every id on every system, and the traps in the tables."""

from __future__ import annotations

import csv
import time
import typing as t
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._gpu.facts import gather
from ansible_collections.unified.deploy.plugins.plugin_utils._gpu.conflicts import DEVICE_FLAGS, HOST_FLAGS
from ansible_collections.unified.deploy.plugins.plugin_utils._gpu.decide import decide_board, decide_pci
from ansible_collections.unified.deploy.plugins.plugin_utils._gpu.model import (
    ARCHITECTURES,
    PURPOSES,
    GpuError,
    Request,
    Target,
    kernel_version,
)
from ansible_collections.unified.deploy.plugins.plugin_utils._gpu.plan import plan
from ansible_collections.unified.deploy.plugins.plugin_utils._gpu.tables import Tables

from tests.unit.gpu_machines import FIXTURES, MACHINES, RELEASE, SYSTEMS, build, link, put

TABLES = Tables()
# What expected_decisions.csv calls an action, by what we call it.
SAME_ACTION = {"newer kernel": "newer_kernel", "nouveau": "kernel"}


def read(name: str) -> list[dict[str, str]]:
    with (FIXTURES / f"{name}.csv").open(newline="") as handle:
        return list(csv.DictReader(handle))


def target(system: str, architecture: str = "amd64", purpose: str = "compute", *, fabric: bool = False) -> Target:
    return Target(system, architecture, TABLES.systems[system].kernel, purpose, fabric)


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> t.Callable[[str, str], dict[str, t.Any]]:
    """The plan of a recorded machine with a system and the kernel that it brings."""

    @cache
    def facts(machine: str) -> dict[str, t.Any]:
        recorded = MACHINES[machine]
        return gather(str(build(tmp_path_factory.mktemp("machine"), recorded)), machine=recorded["arch"])

    @cache
    def one(machine: str, system: str) -> dict[str, t.Any]:
        os, version, release = SYSTEMS[system]
        on_system = facts(machine) | {
            "system": {"os": os, "version": version},
            "kernels": [{**facts(machine)["kernels"][0], "release": release}],
        }
        return plan(
            TABLES, on_system, Request(purpose="compute" if MACHINES[machine]["kind"] == "server" else "desktop")
        )

    return one


def ours(planned: dict[str, t.Any], row: dict[str, str]) -> str:
    """Action, driver, flavour and first package of the device that a row of expected_decisions.csv is about; "-" for none."""
    devices = [
        device
        for device in planned["devices"]
        if row["where"] in ("", device["where"])
        or (
            row["where"] == "devicetree"
            and ((row["device"] and device["id"].startswith(row["device"])) or device["where"] == "/")
        )
    ]
    if not devices:
        return "-"
    first = devices[0]
    package = first["packages"][0] if first["driver"] == "nvidia" and first["packages"] else ""
    return " ".join(part for part in (first["action"], first["driver"], first["flavour"], package) if part)


def expected(row: dict[str, str]) -> str:
    """The same as `ours`, of the row itself."""
    action = SAME_ACTION.get(row["decision"], row["decision"])
    if action == "ignore":
        return "-"
    driver = "" if row["driver"] == "none" or action == "refuse" else row["driver"]
    # Vendors' packages have no names there, only branches.
    package = row["packages"].split(" ")[0] if driver == "nvidia" and action == "install" else ""
    return " ".join(part for part in (action, driver, row["flavour"], package) if part)


def test_all_expected_decisions_are_agreed_or_argued_with(planned: t.Callable[[str, str], dict[str, t.Any]]) -> None:
    argued = {(row["machine"], row["distribution"], row["device"]): row for row in read("argued_decisions")}
    rows = read("expected_decisions")
    used = set()
    for row in rows:
        decided, first = ours(planned(row["machine"], row["distribution"]), row), expected(row)
        # With module streams the package of RHEL 9 is named here and not there.
        if decided == first or (row["decision"] == "vendor" and decided.startswith(first)):
            continue
        key = (row["machine"], row["distribution"], row["device"])
        assert key in argued, (key, first, decided)
        assert argued[key]["ours"] == decided and argued[key]["reason"], (key, decided)
        used.add(key)
    assert len(rows) == 630 and used == set(argued)


def every_device(system: str, architecture: str, purpose: str) -> t.Iterator[tuple[str, t.Any]]:
    to = target(system, architecture, purpose)
    for vendor, table in (
        ("10de", TABLES.nvidia),
        ("10de", TABLES.nvidia_unlisted),
        ("1002", TABLES.amd),
        ("8086", TABLES.intel),
    ):
        for device in table:
            yield f"{vendor}:{device}", decide_pci(TABLES, f"{vendor}:{device}", "030000", to)
    for identity in TABLES.others:
        yield identity, decide_pci(TABLES, identity, "030000", to)
    for row in TABLES.dt_boards.values():
        if row["arch"] == architecture:
            gpus = [
                {"path": f"/gpu@{number}", "compatible": gpu.split(" x")[0].split()}
                for number, gpu in enumerate(row["gpu"].split(" | "))
            ]
            for path, decision in decide_board(TABLES, {"compatible": [row["board"], row["soc"]], "gpus": gpus}, to):
                yield f"{row['board']} {path}", decision
    for row in TABLES.dt_socs.values():
        if row["arch"] == architecture and row["boards_with_gpu"] == "0":
            for _, decision in decide_board(TABLES, {"compatible": [row["soc"]], "gpus": []}, to):
                yield row["soc"], decision


@pytest.mark.parametrize("purpose", PURPOSES)
def test_every_id_on_every_system_is_decided_by_a_row(purpose: str) -> None:
    begun, count = time.process_time(), 0
    for system in TABLES.systems:
        for architecture in ARCHITECTURES.values():
            for identity, decision in every_device(system, architecture, purpose):
                count += 1
                assert decision.action != "unknown", identity
                assert decision.reason and decision.row, identity
                assert (decision.action == "refuse") <= (not decision.packages), identity
                if decision.action in ("install", "vendor", "kernel", "newer_kernel", "passthrough"):
                    assert decision.driver, identity
    assert count > 25_000
    # The figure is two seconds, of an idle machine; only the processor's time is ours.
    assert time.process_time() - begun < 2


def test_rows_that_decide_are_there() -> None:
    named = {decision.row for _, decision in every_device("debian13", "amd64", "compute")}
    lines = {path.name: len(path.read_text().splitlines()) for path in TABLES.files.rglob("*") if path.is_file()}
    for row in named:
        name, _, line = row.partition(":")
        assert lines[name] >= (int(line) if line.isdecimal() else 1), row


# What facts say of the tables, so that a regression of the tables shows.


@pytest.mark.parametrize("architecture", ["Maxwell", "Pascal", "Volta"])
def test_devices_before_turing_never_get_open_modules_or_a_branch_after_580(architecture: str) -> None:
    devices = [device for device, row in TABLES.nvidia.items() if row["architecture"] == architecture]
    assert devices
    for system in TABLES.systems:
        for device in devices:
            for branch in decide_pci(TABLES, f"10de:{device}", "030200", target(system)).branches:
                assert branch.flavour == "closed" and int(branch.number) <= 580


def test_blackwell_never_gets_closed_modules() -> None:
    devices = [device for device, row in TABLES.nvidia.items() if row["open_modules"] == "required"]
    assert len(devices) >= 30
    for system in TABLES.systems:
        for device in devices:
            decision = decide_pci(TABLES, f"10de:{device}", "030200", target(system))
            assert decision.branches and {branch.flavour for branch in decision.branches} == {"open"}


def test_names_that_move_on_are_never_decided() -> None:
    moving = {(row["distribution"], row["package"]) for row in TABLES.nvidia_branches if row["moves_to"]}
    assert len(moving) == 114
    for system in TABLES.systems:
        for _, decision in every_device(system, "amd64", "desktop"):
            assert not {(system, package) for package in decision.packages} & moving


def test_debian_gets_what_computes_and_what_asks_the_gpu_of_the_driver_s_own_source() -> None:
    """Its nvidia-driver only recommends them, and nothing that is recommended is installed."""
    kinds = set()
    for system in ("debian12", "debian13"):
        for branch, _listed in TABLES.branches_of(system, "amd64"):
            if branch.repository == "distribution":
                driver = branch.packages[0]
                tesla = driver.removesuffix("driver") if "tesla" in driver else ""
                wanted = {f"lib{tesla}cuda1", f"{tesla or 'nvidia-'}smi"}
                assert wanted <= set(branch.packages), branch
                kinds.add(driver)
    assert kinds == {"nvidia-driver", "nvidia-tesla-470-driver", "nvidia-tesla-535-driver"}


def test_devices_that_two_drivers_list_follow_the_kernel() -> None:
    both = [device for device, row in TABLES.amd.items() if row["claim"] == "both"]
    assert len(both) == 149
    for device in both:
        drivers = {
            kernel: decide_pci(
                TABLES, f"1002:{device}", "030000", Target("debian13", "amd64", kernel, "desktop")
            ).driver
            for kernel in ((6, 12), (7, 0), (7, 2))
        }
        assert drivers == {(6, 12): "radeon", (7, 0): "radeon amdgpu", (7, 2): "amdgpu"}


@pytest.mark.parametrize("system", ["ubuntu2204", "ubuntu2404", "ubuntu2604"])
def test_fabric_gets_the_server_edition_with_its_manager(system: str) -> None:
    decision = decide_pci(TABLES, "10de:2335", "030200", target(system, fabric=True))
    assert decision.packages == ("nvidia-driver-580-server-open", "nvidia-fabricmanager-580")
    assert "desktop" not in {branch.edition for branch in decision.branches}


@pytest.mark.parametrize("system", ["debian12", "debian13"])
def test_fabric_on_debian_gets_driver_and_manager_of_the_vendor_as_the_archive_has_no_manager(
    system: str, tmp_path: Path
) -> None:
    facts = host(tmp_path, ("0000:83:00.0", "10de:2335"), system=system)
    facts["nvswitches"] = ["0000:ff:00.0"]
    planned = plan(TABLES, facts, Request())
    install = planned["install"]
    assert install["repository"]["name"] == "nvidia-cuda" and not planned["blocked"]
    # gpu_driver takes all of them in one version.
    assert install["packages"] == ["nvidia-driver-cuda", "nvidia-kernel-open-dkms", "nvidia-fabricmanager"]
    assert "nvidia-fabricmanager.service" in install["units"]


def test_fabric_gets_the_manager_of_the_branch_that_is_asked_for(tmp_path: Path) -> None:
    facts = host(tmp_path, ("0000:83:00.0", "10de:2335"), system="ubuntu2404")
    facts["nvswitches"] = ["0000:ff:00.0"]
    for request, names in (
        (Request(driver="615"), ["nvidia-driver-615-server-open", "nvidia-fabricmanager-615"]),
        (
            Request(driver="615", repository="vendor"),
            ["nvidia-driver-cuda", "nvidia-kernel-open-dkms", "nvidia-fabricmanager"],
        ),
    ):
        assert plan(TABLES, facts, request)["install"]["packages"] == names


@pytest.mark.parametrize(
    ("identity", "system", "architecture", "purpose", "action", "says"),
    [
        ("10de:9999", "debian13", "amd64", "compute", "unknown", "the nearest is"),
        ("10de:1180", "debian13", "amd64", "compute", "refuse", "470 is its last branch"),
        ("10de:1180", "debian13", "amd64", "desktop", "kernel", "nouveau knows"),
        ("10de:2335", "debian13", "riscv64", "compute", "refuse", "no driver for riscv64"),
        ("10de:2e12", "debian13", "arm64", "compute", "refuse", "a branch for it on arm64"),
        ("8086:0bd5", "debian13", "amd64", "compute", "refuse", "no kernel up to 7.3"),
        ("8086:56a0", "debian13", "arm64", "compute", "refuse", "xe.force_probe=56a0"),
        ("8086:46a6", "debian13", "arm64", "desktop", "refuse", "xe.force_probe"),
        ("8086:e20b", "debian12", "amd64", "compute", "newer_kernel", "from Linux 6.12"),
        ("1002:75a0", "debian13", "amd64", "compute", "newer_kernel", "from Linux 6.16"),
        ("10ee:5000", "debian13", "amd64", "compute", "unknown", "stands in no table"),
        ("10de:2335", "rhel9", "riscv64", "compute", "refuse", "architecture riscv64"),
        ("10de:2335", "debian13", "ppc64le", "compute", "refuse", "architecture ppc64le"),
    ],
)
def test_what_is_not_supported_is_refused_with_the_reason(
    identity: str, system: str, architecture: str, purpose: str, action: str, says: str
) -> None:
    decision = decide_pci(TABLES, identity, "030000", target(system, architecture, purpose))
    assert (decision.action, says in decision.reason) == (action, True), decision.reason


@pytest.mark.parametrize(
    ("soc", "architecture", "action", "offer"),
    [
        ("nvidia,tegra234", "arm64", "refuse", "JetPack"),
        ("nvidia,tegra264", "arm64", "refuse", "JetPack"),
        ("starfive,jh7110", "riscv64", "software", "vendor's kernel"),
        ("allwinner,sun20i-d1", "riscv64", "none", ""),
    ],
)
def test_soc_without_a_node_in_mainline(soc: str, architecture: str, action: str, offer: str) -> None:
    ((where, decision),) = decide_board(
        TABLES, {"compatible": ["some,board", soc], "gpus": []}, target("debian13", architecture)
    )
    assert (where, decision.action) == ("/", action) and offer in decision.offer


def test_board_whose_node_came_with_a_later_kernel_waits_for_it() -> None:
    decided = decide_board(
        TABLES, {"compatible": ["raspberrypi,5-model-b", "brcm,bcm2712"], "gpus": []}, target("debian13", "arm64")
    )
    assert [(decision.action, "6.18" in decision.reason) for _, decision in decided] == [("newer_kernel", True)]


@pytest.mark.parametrize("release", ["6.12.107+deb13-amd64", "6.12", "6.12-rc1"])
def test_version_of_a_kernel(release: str) -> None:
    assert kernel_version(release) == (6, 12)


@pytest.mark.parametrize("release", ["", "generic", "v6.12"])
def test_release_that_is_no_version(release: str) -> None:
    assert kernel_version(release) == ()


# A host: one branch for all, requests, overrides, contradictions.


def host(tmp_path: Path, *devices: tuple[str, str], system: str = "debian13", **files: str) -> dict[str, t.Any]:
    """Facts of a host with devices (slot, id), and files by path with __ for /."""
    pci = [
        {"slot": slot, "class": "0x030000", "vendor": f"0x{identity[:4]}", "device": f"0x{identity[5:]}"}
        for slot, identity in devices
    ]
    build(tmp_path, {"pci": pci}, system)
    for path, content in files.items():
        put(tmp_path, path.replace("__", "/"), content)
    return gather(str(tmp_path), machine="x86_64")


PASCAL, AMPERE, BLACKWELL, KEPLER, HOPPER = "10de:1b80", "10de:2204", "10de:2c05", "10de:1180", "10de:2335"


def test_two_gpus_share_the_branch_that_drives_both(tmp_path: Path) -> None:
    facts = host(tmp_path, ("0000:01:00.0", PASCAL), ("0000:02:00.0", AMPERE), system="ubuntu2404")
    decided = plan(TABLES, facts, Request(purpose="desktop"))["devices"]
    assert [(one["branch"], one["flavour"], one["packages"]) for one in decided] == [
        ("580", "closed", ["nvidia-driver-580"])
    ] * 2


@pytest.mark.parametrize(("first", "second"), [(KEPLER, BLACKWELL), (PASCAL, BLACKWELL)])
def test_two_gpus_that_no_branch_drives_are_both_named(first: str, second: str, tmp_path: Path) -> None:
    facts = host(tmp_path, ("0000:01:00.0", first), ("0000:02:00.0", second), system="ubuntu2404")
    planned = plan(TABLES, facts, Request(purpose="desktop"))
    assert planned["blocked"]
    for one in planned["devices"]:
        assert one["action"] == "refuse"
        assert one["packages"] == [] and "0000:01:00.0" in one["reason"] and "0000:02:00.0" in one["reason"]


def test_asked_branch_is_taken_where_it_drives_the_device(tmp_path: Path) -> None:
    facts = host(tmp_path, ("0000:01:00.0", AMPERE), system="ubuntu2404")
    decided = plan(TABLES, facts, Request(purpose="desktop", driver="595", flavour="open"))["devices"][0]
    assert (decided["action"], decided["packages"]) == ("install", ["nvidia-driver-595-open"])


def test_asked_branch_that_moves_on_is_refused_with_where_to(tmp_path: Path) -> None:
    facts = host(tmp_path, ("0000:01:00.0", AMPERE), system="ubuntu2404")
    decided = plan(TABLES, facts, Request(purpose="desktop", driver="535"))["devices"][0]
    assert decided["action"] == "refuse" and "nvidia-driver-535 is an empty package" in decided["reason"]


def test_asked_branch_that_does_not_drive_the_device_is_refused_with_those_that_do(tmp_path: Path) -> None:
    facts = host(tmp_path, ("0000:01:00.0", PASCAL), system="ubuntu2404")
    decided = plan(TABLES, facts, Request(purpose="desktop", driver="615"))["devices"][0]
    assert decided["action"] == "refuse" and "580 closed (distribution)" in decided["reason"]


def grouped(facts: dict[str, t.Any]) -> dict[str, t.Any]:
    """The same host with its IOMMU on."""
    for number, gpu in enumerate(facts["devices"]):
        gpu["iommu_group"] = str(number)
    return facts


def rules(planned: dict[str, t.Any]) -> set[str]:
    return {conflict["rule"] for conflict in planned["conflicts"]}


@pytest.mark.parametrize(
    ("device", "override", "rule"),
    [
        (BLACKWELL, {"branch": "580", "flavour": "closed"}, "closed_for_open_only"),
        (PASCAL, {"branch": "580", "flavour": "open"}, "open_for_closed_only"),
        (PASCAL, {"branch": "615", "flavour": "open"}, "beyond_last_branch"),
        (HOPPER, {"branch": "470"}, "branch_without_device"),
        (AMPERE, {"purpose": "passthrough"}, "passthrough_without_iommu"),
    ],
)
def test_override_that_contradicts_a_rule_is_blocked(
    device: str, override: dict[str, str], rule: str, tmp_path: Path
) -> None:
    facts = host(tmp_path, ("0000:01:00.0", device), system="ubuntu2404")
    planned = plan(TABLES, facts, Request(purpose="desktop", devices={device: override}))
    assert rule in rules(planned) and planned["blocked"]


def test_override_that_drives_nothing_says_what_does(tmp_path: Path) -> None:
    facts = host(tmp_path, ("0000:01:00.0", BLACKWELL))
    planned = plan(TABLES, facts, Request(devices={BLACKWELL: {"branch": "550", "flavour": "open"}}))
    assert {"branch_without_device", "open_only_before_560"} <= rules(planned) and planned["blocked"]
    assert "what drives it here: 580 open (nvidia-cuda)" in planned["devices"][0]["reason"]


@pytest.mark.parametrize("number", ["580", 580])
@pytest.mark.parametrize(
    ("device", "system", "fabric", "packages"),
    [
        (HOPPER, "ubuntu2404", False, ["nvidia-driver-580-server-open"]),
        (HOPPER, "ubuntu2404", True, ["nvidia-driver-580-server-open", "nvidia-fabricmanager-580"]),
        (HOPPER, "debian12", True, ["nvidia-driver-cuda", "nvidia-kernel-open-dkms", "nvidia-fabricmanager"]),
        (BLACKWELL, "ubuntu2404", False, ["nvidia-driver-580-server-open"]),
        (PASCAL, "ubuntu2404", False, ["nvidia-driver-580-server"]),
    ],
)
def test_override_of_the_branch_gets_what_the_tables_would_give(
    device: str, system: str, *, fabric: bool, packages: list[str], number: t.Any, tmp_path: Path
) -> None:
    facts = host(tmp_path, ("0000:01:00.0", device), system=system)
    facts["nvswitches"] = ["0000:ff:00.0"] if fabric else []
    planned = plan(TABLES, facts, Request(devices={device: {"branch": number}}))
    assert not planned["blocked"], planned["conflicts"]
    assert planned["install"]["packages"] == packages


def test_override_keeps_firmware_and_user_space(tmp_path: Path) -> None:
    facts = host(tmp_path, ("0000:01:00.0", AMPERE), ("0000:03:00.0", "8086:56a0"))
    devices = {AMPERE: {"flavour": "open"}, "8086:56a0": {"driver": "xe"}}
    nvidia, intel = plan(TABLES, facts, Request(purpose="desktop", devices=devices))["devices"]
    assert nvidia["firmware"] == ["firmware-nvidia-gsp"] and "nvidia-smi" in nvidia["packages"]
    assert intel["firmware"] == ["firmware-intel-graphics"] and "mesa-vulkan-drivers" in intel["packages"]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (None, r"gpu_devices: '10de:2204' has nothing where keys are needed\. Write them"),
        ("580", "has a text where keys are needed"),
        (["580"], "has a list where keys are needed"),
        ({"branch": None}, "has nothing for the key 'branch'"),
        ({"branch": 580.1}, r"has the value 580\.1 for the key 'branch'"),
        ({"branch": True}, "has the value True for the key 'branch'"),
        ({"branch": "580.65"}, "has the branch '580.65'. A branch is a number"),
        ({"flavour": "opened"}, "has the flavour 'opened'. Use one of open, closed"),
        ({"purpose": "gaming"}, "has the purpose 'gaming'. Use one of compute"),
        ({"driver": "nouveau", "branch": "580"}, "has the driver 'nouveau' and a branch, which only NVIDIA's has"),
        ({"purpose": "passthrough", "branch": "580"}, "is for passthrough, which leaves the host none"),
    ],
)
def test_override_of_another_kind_is_an_error_that_names_it(asked: t.Any, says: str, tmp_path: Path) -> None:
    facts = host(tmp_path, ("0000:01:00.0", AMPERE))
    with pytest.raises(GpuError, match=says):
        plan(TABLES, facts, Request(devices={AMPERE: asked}))


def test_override_of_a_device_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    facts = host(tmp_path, ("0000:01:00.0", AMPERE))
    with pytest.raises(GpuError, match=r"which this host does not have\. It has 0000:01:00.0, 10de:2204"):
        plan(TABLES, facts, Request(devices={"10de:2335": {"branch": "550"}}))


def test_override_with_an_unknown_key_is_an_error(tmp_path: Path) -> None:
    facts = host(tmp_path, ("0000:01:00.0", AMPERE))
    with pytest.raises(GpuError, match=r"has the key 'brnach'\. Keys are branch"):
        plan(TABLES, facts, Request(devices={AMPERE: {"brnach": "550"}}))


def test_override_decides_an_unknown_id(tmp_path: Path) -> None:
    facts = host(tmp_path, ("0000:01:00.0", "10de:9999"))
    planned = plan(TABLES, facts, Request(devices={"10de:9999": {"branch": "550", "flavour": "open"}}))
    assert [(one["action"], one["branch"], one["flavour"]) for one in planned["devices"]] == [
        ("install", "550", "open")
    ]


def test_override_forces_a_driver_by_parameter(tmp_path: Path) -> None:
    facts = host(tmp_path, ("0000:03:00.0", "8086:56a0"))
    decided = plan(TABLES, facts, Request(devices={"8086:56a0": {"driver": "xe"}}))["devices"][0]
    assert decided["parameters"] == ["xe.force_probe=56a0", "i915.force_probe=!56a0"]


@dataclass(frozen=True)
class Case:
    """A host with one device, or two, and what is asked for it. It has headers and an IOMMU, and nothing contradicts there.

    Attributes:
        gpu, facts, dkms, secure_boot: what differs of the first device, the host, a module that DKMS installed, and Secure Boot.
    """

    device: str = AMPERE
    system: str = "debian13"
    beside: str = ""
    gpu: dict[str, t.Any] = field(default_factory=dict)
    facts: dict[str, t.Any] = field(default_factory=dict)
    dkms: dict[str, str] = field(default_factory=dict)
    secure_boot: dict[str, t.Any] = field(default_factory=dict)
    asked: dict[str, t.Any] = field(default_factory=dict)
    by_hand: dict[str, str] = field(default_factory=dict)

    def spoken(self, root: Path) -> set[str]:
        slots = [(SLOT, self.device), *([("0000:02:00.0", self.beside)] if self.beside else [])]
        facts = grouped(host(root, *slots, system=self.system))
        facts["devices"][0].update(self.gpu)
        facts["secure_boot"].update(self.secure_boot)
        kernel = facts["kernels"][0]
        built = {"module": "nvidia", "state": "installed", "kernel": kernel["release"], "signer": "/key", "unread": ""}
        kernel.update(headers=True, dkms=[{**built, **self.dkms}])
        facts.update(self.facts)
        devices = {SLOT: self.by_hand} if self.by_hand else {}
        return rules(plan(TABLES, facts, Request(**{"purpose": "desktop", "devices": devices, **self.asked})))


SLOT = "0000:01:00.0"
GIVEN = {"purpose": "passthrough"}
ENFORCED, ENROLLED, PENDING = {"enforced": True}, {"keys": [{"state": "enrolled"}]}, {"keys": [{"state": "pending"}]}
# Of each rule a host that it speaks of, and one that differs in one respect, of which it says nothing.
RULES = {
    "egpu_without_thunderbolt": (
        Case(gpu={"external": True}, facts={"blacklisted": ["thunderbolt"]}),
        Case(gpu={"external": True}),
    ),
    "egpu_not_allowed": (
        Case(gpu={"external": True}, asked={"egpu_allow": [HOPPER]}),
        Case(gpu={"external": True}, asked={"egpu_allow": [AMPERE]}),
    ),
    "driver_blacklisted": (Case(facts={"blacklisted": ["nvidia"]}), Case(facts={"blacklisted": ["nouveau"]})),
    "vgpu_host": (Case(gpu={"mdev": True}), Case(gpu={"mdev": True}, by_hand=GIVEN)),
    "mig_of_vgpu_host": (Case(gpu={"mdev": True}, asked={"mig": {SLOT: []}}), Case(asked={"mig": {SLOT: []}})),
    "mig_without_driver": (Case(by_hand=GIVEN, asked={"mig": {SLOT: []}}), Case(asked={"mig": {SLOT: []}})),
    "nomodeset": (Case(facts={"parameters": ["nomodeset"]}), Case(facts={"parameters": ["nomodeset"]}, by_hand=GIVEN)),
    "closed_for_open_only": (
        Case(BLACKWELL, "ubuntu2404", by_hand={"branch": "580", "flavour": "closed"}),
        Case(BLACKWELL, "ubuntu2404", by_hand={"branch": "580", "flavour": "open"}),
    ),
    "open_for_closed_only": (
        Case(PASCAL, "ubuntu2404", by_hand={"branch": "580", "flavour": "open"}),
        Case(PASCAL, "ubuntu2404", by_hand={"branch": "580", "flavour": "closed"}),
    ),
    "beyond_last_branch": (
        Case(PASCAL, "ubuntu2404", by_hand={"branch": "615"}),
        Case(PASCAL, "ubuntu2404", by_hand={"branch": "580"}),
    ),
    "branch_without_device": (
        Case(HOPPER, "ubuntu2404", by_hand={"branch": "470"}),
        Case(HOPPER, "ubuntu2404", by_hand={"branch": "580"}),
    ),
    "open_only_before_560": (Case(BLACKWELL, by_hand={"branch": "550"}), Case(BLACKWELL, by_hand={"branch": "580"})),
    "open_before_560": (Case(by_hand={"flavour": "open"}), Case(by_hand={"flavour": "closed"})),
    "desktop_edition_on_fabric": (
        Case(HOPPER, "ubuntu2204", facts={"nvswitches": ["0000:ff:00.0"]}, by_hand={"branch": "390"}),
        Case(HOPPER, "ubuntu2204", facts={"nvswitches": ["0000:ff:00.0"]}, by_hand={"branch": "580"}),
    ),
    "nouveau_beside_nvidia": (Case(KEPLER, beside=AMPERE), Case(KEPLER)),
    "passthrough_beside_driver": (Case(by_hand=GIVEN, beside=AMPERE), Case(by_hand=GIVEN, beside=PASCAL)),
    "passthrough_without_iommu": (Case(by_hand=GIVEN, gpu={"iommu_group": ""}), Case(by_hand=GIVEN)),
    "passthrough_of_boot_display": (Case(by_hand=GIVEN, gpu={"boot_vga": True}), Case(gpu={"boot_vga": True})),
    "unsigned_under_lockdown": (Case(secure_boot=ENFORCED), Case(secure_boot={**ENFORCED, **ENROLLED})),
    "key_pending": (Case(secure_boot={**ENFORCED, **PENDING}), Case(secure_boot=PENDING)),
    "headers_missing": (
        Case(facts={"kernels": [{"release": RELEASE, "modules": True, "headers": False, "claims": {}, "dkms": []}]}),
        Case(),
    ),
    "dkms_failed": (Case(dkms={"state": "failed"}), Case(dkms={"state": "installed"})),
    "built_for_another_kernel": (Case(dkms={"kernel": "6.1.0-41-amd64"}), Case(dkms={"kernel": RELEASE})),
    "module_unread": (Case(dkms={"unread": "packed as .zst"}), Case(dkms={"unread": ""})),
    "unsigned_module": (Case(dkms={"signer": ""}, secure_boot=ENFORCED), Case(dkms={"signer": ""})),
    "repository_without_key": (Case(system="rhel10"), Case(system="rhel9")),
    "in_container": (Case(facts={"virtualisation": {"container": "podman"}}), Case()),
    "external_unplug": (Case(gpu={"external": True}), Case("1002:73bf", gpu={"external": True})),
}


def test_every_rule_speaks_of_flags_that_are_made() -> None:
    flags = {flag.lstrip("!") for rule in TABLES.conflicts.values() for flag in rule["when"]}
    assert flags == set(DEVICE_FLAGS) | set(HOST_FLAGS)
    assert all(rule["class"] in ("inconsistent", "risk", "caution") for rule in TABLES.conflicts.values())
    assert set(RULES) == set(TABLES.conflicts)


@pytest.mark.parametrize("rule", RULES)
def test_rule_speaks_where_it_should_and_is_silent_where_not(rule: str, tmp_path: Path) -> None:
    speaks, silent = RULES[rule]
    assert rule in speaks.spoken(tmp_path / "speaks")
    assert rule not in silent.spoken(tmp_path / "silent")


def test_host_on_which_nothing_contradicts(tmp_path: Path) -> None:
    assert Case().spoken(tmp_path) == set()


@pytest.mark.parametrize(
    ("rule", "device", "system", "files"),
    [
        ("driver_blacklisted", AMPERE, "debian13", {"etc__modprobe.d__x.conf": "blacklist nvidia\n"}),
        ("driver_blacklisted", "1002:73bf", "debian13", {"etc__modprobe.d__x.conf": "install amdgpu /bin/false\n"}),
        ("driver_blacklisted", AMPERE, "debian13", {"proc__cmdline": "modprobe.blacklist=nouveau,nvidia quiet\n"}),
        ("driver_blacklisted", AMPERE, "debian13", {"proc__cmdline": "module_blacklist=nvidia\n"}),
        ("nomodeset", AMPERE, "debian13", {"proc__cmdline": "quiet nomodeset\n"}),
        ("headers_missing", AMPERE, "debian13", {}),
        ("unsigned_under_lockdown", AMPERE, "debian13", {"proc__cmdline": "module.sig_enforce=1\n"}),
        ("unsigned_under_lockdown", AMPERE, "debian13", {"sys__kernel__security__lockdown": "none [integrity]\n"}),
        ("in_container", AMPERE, "debian13", {"run__systemd__container": "podman\n"}),
        ("repository_without_key", BLACKWELL, "rhel10", {}),
        (
            "dkms_failed",
            AMPERE,
            "debian13",
            {
                "var__lib__dkms__nvidia-open__550.163.01__source__dkms.conf": "",
                "var__lib__dkms__nvidia-open__550.163.01__build__make.log": "for kernel 6.12.107+deb13-amd64\n",
            },
        ),
    ],
)
def test_rule_speaks(rule: str, device: str, system: str, files: dict[str, str], tmp_path: Path) -> None:
    facts = host(tmp_path, ("0000:01:00.0", device), system=system, **files)
    assert rule in rules(plan(TABLES, facts, Request(purpose="desktop")))


@pytest.mark.parametrize("repository", ["distribution", "vendor"])
def test_lockdown_blocks_what_dkms_builds_on_ubuntu_too(repository: str, tmp_path: Path) -> None:
    """Canonical signs linux-modules-nvidia-*, which nothing decides."""
    facts = host(
        tmp_path,
        ("0000:01:00.0", AMPERE),
        system="ubuntu2404",
        sys__kernel__security__lockdown="none [integrity] confidentiality\n",
    )
    planned = plan(TABLES, facts, Request(purpose="desktop", repository=repository))
    assert "unsigned_under_lockdown" in rules(planned) and planned["blocked"] and planned["install"] == {}
    (said,) = (one["fix"] for one in planned["conflicts"] if one["rule"] == "unsigned_under_lockdown")
    assert "gpu_mok to manage" in said


def test_devices_for_guests_are_taken_by_vfio_before_another_driver_does(tmp_path: Path) -> None:
    slots = {"0000:01:00.0": AMPERE, "0000:02:00.0": HOPPER, "0000:03:00.0": "1002:73bf", "0000:04:00.0": PASCAL}
    facts = grouped(host(tmp_path, *slots.items()))
    given: dict[str, dict[str, str]] = {slot: {"purpose": "passthrough"} for slot in list(slots)[:2]}
    given["0000:03:00.0"] = {"driver": "vfio-pci"}
    planned = plan(TABLES, facts, Request(purpose="desktop", devices=given))
    assert not planned["blocked"], planned["conflicts"]
    lines = planned["install"]["modprobe"].splitlines()
    assert lines[1:] == [
        "blacklist nouveau",
        "options nouveau modeset=0",
        "options vfio-pci ids=10de:2204,10de:2335,1002:73bf",
        "softdep nouveau pre: vfio-pci",
        "softdep nvidia pre: vfio-pci",
        "softdep amdgpu pre: vfio-pci",
        "softdep radeon pre: vfio-pci",
    ]
    assert "0000:02:00.0 has no driver, and vfio-pci is decided" in planned["reboot_reason"]


@pytest.mark.parametrize(("second", "blocks"), [(AMPERE, True), (PASCAL, False)])
def test_device_for_guests_beside_a_driven_one_of_the_same_id_is_a_contradiction(
    second: str, *, blocks: bool, tmp_path: Path
) -> None:
    facts = grouped(host(tmp_path, ("0000:01:00.0", AMPERE), ("0000:02:00.0", second)))
    planned = plan(TABLES, facts, Request(purpose="desktop", devices={"0000:01:00.0": {"purpose": "passthrough"}}))
    assert (planned["blocked"], "passthrough_beside_driver" in rules(planned)) == (blocks, blocks)


@pytest.mark.parametrize(
    ("command_line", "devices", "awaits"),
    [
        ("quiet", [AMPERE], False),
        ("module.sig_enforce=1", [AMPERE], True),
        ("module.sig_enforce=1 nomodeset", [AMPERE], False),
        ("module.sig_enforce=1", [AMPERE, "1002:ffff"], False),
    ],
)
def test_only_a_key_that_nothing_else_makes_useless_is_awaited(
    command_line: str, devices: list[str], awaits: bool, tmp_path: Path
) -> None:
    cards = [(f"0000:0{number}:00.0", device) for number, device in enumerate(devices, 1)]
    facts = host(tmp_path, *cards, system="debian13", proc__cmdline=command_line)
    assert plan(TABLES, facts, Request(purpose="desktop"))["awaits_key"] is awaits


def test_egpu_with_thunderbolt_blacklisted_is_a_contradiction(tmp_path: Path) -> None:
    root = build(tmp_path, MACHINES["egpu-rtx5070ti-tb5"], "ubuntu2404")
    put(root, "etc/modprobe.d/cis.conf", "install thunderbolt /bin/false\n")
    planned = plan(TABLES, gather(str(root), machine="x86_64"), Request(purpose="compute"))
    assert {"egpu_without_thunderbolt", "external_unplug"} <= rules(planned) and planned["blocked"]


def test_nouveau_for_one_gpu_beside_nvidia_for_another_is_a_contradiction(tmp_path: Path) -> None:
    facts = host(tmp_path, ("0000:01:00.0", KEPLER), ("0000:02:00.0", AMPERE))
    planned = plan(TABLES, facts, Request(purpose="desktop"))
    assert "nouveau_beside_nvidia" in rules(planned) and planned["blocked"]


def test_kernel_that_knows_what_the_tables_do_not_is_reported(tmp_path: Path) -> None:
    facts = host(tmp_path, ("0000:01:00.0", "1002:73bf"))
    assert plan(TABLES, facts, Request())["differences"] == [
        "0000:01:00.0: the tables say amdgpu, and of 6.12.107+deb13-amd64 no module claims it"
    ]
    facts["kernels"][0]["claims"] = {facts["devices"][0]["modalias"]: ["amdgpu"]}
    assert plan(TABLES, facts, Request())["differences"] == []


def test_kernel_that_has_the_driver_before_the_tables_say_is_reported(tmp_path: Path) -> None:
    facts = host(tmp_path, ("0000:01:00.0", "8086:e20b"), system="debian12")
    facts["kernels"][0]["claims"] = {facts["devices"][0]["modalias"]: ["xe"]}
    assert "has it: xe" in plan(TABLES, facts, Request())["differences"][0]


@pytest.mark.parametrize(
    ("driver", "loaded", "state"),
    [
        ("", {}, "no driver"),
        ("nouveau", {}, "other driver"),
        ("nvidia", {"nvidia": {"version": "535.1", "flavour": "closed"}}, "other branch"),
        ("nvidia", {"nvidia": {"version": "550.163.01", "flavour": "open"}}, "other flavour"),
        ("nvidia", {"nvidia": {"version": "550.163.01", "flavour": "closed"}}, "as decided"),
    ],
)
def test_state_of_a_device(driver: str, loaded: dict[str, t.Any], state: str, tmp_path: Path) -> None:
    facts = host(tmp_path, ("0000:01:00.0", AMPERE))
    facts["devices"][0]["driver"], facts["loaded"] = driver, loaded
    assert plan(TABLES, facts, Request(purpose="desktop"))["devices"][0]["state"] == state


@pytest.mark.parametrize(
    ("device", "override", "driver", "flavour", "reason"),
    [
        ("8086:56a0", {"driver": "xe"}, "i915", "", "0000:01:00.0 has i915, and xe is decided"),
        ("8086:56a0", {"driver": "xe"}, "xe", "", ""),
        ("1002:73bf", {}, "", "", "0000:01:00.0 has no driver, and amdgpu is decided"),
        ("1002:73bf", {}, "amdgpu", "", ""),
        (AMPERE, {"purpose": "passthrough"}, "nouveau", "", "0000:01:00.0 has nouveau, and vfio-pci is decided"),
        (AMPERE, {"purpose": "passthrough"}, "vfio-pci", "", ""),
        (AMPERE, {}, "nvidia", "open", "0000:01:00.0 has nvidia 550.163.01 open, and nvidia closed is decided"),
        (AMPERE, {}, "nvidia", "closed", ""),
        # Of these gpu_driver tells.
        (AMPERE, {}, "nouveau", "", ""),
    ],
)
def test_device_that_waits_for_a_boot_is_told(
    device: str, override: dict[str, str], driver: str, flavour: str, reason: str, tmp_path: Path
) -> None:
    facts = host(tmp_path, ("0000:01:00.0", device))
    facts["devices"][0]["driver"] = driver
    facts["loaded"] = {"nvidia": {"version": "550.163.01", "flavour": flavour}} if flavour else {}
    planned = plan(TABLES, facts, Request(purpose="desktop", devices={device: override} if override else {}))
    assert planned["reboot_reason"] == reason


def test_newest_kernel_that_can_boot_decides_not_the_running_one(tmp_path: Path) -> None:
    facts = host(tmp_path, ("0000:01:00.0", "8086:e20b"), system="debian12")
    assert plan(TABLES, facts, Request())["devices"][0]["action"] == "newer_kernel"
    facts["kernels"].append({**facts["kernels"][0], "release": "6.12.95+deb12-amd64", "running": False})
    assert plan(TABLES, facts, Request())["devices"][0]["action"] == "kernel"


def test_unsupported_system_is_an_error_with_those_that_are(tmp_path: Path) -> None:
    facts = host(tmp_path)
    facts["system"] = {"os": "arch", "version": "", "like": ""}
    with pytest.raises(GpuError, match=r"'arch '\. Supported are Debian 12, Debian 13"):
        plan(TABLES, facts, Request())


def test_host_without_gpu_says_what_was_looked_at(tmp_path: Path) -> None:
    planned = plan(TABLES, host(tmp_path), Request())
    assert planned["devices"] == [] and planned["looked_at"] == (
        "1 PCI functions, no device tree, 0 DRM nodes, 1 kernels that can boot"
    )


def test_host_without_a_place_to_look_is_an_error_not_a_host_without_gpu(tmp_path: Path) -> None:
    put(tmp_path, "etc/os-release", "ID=debian\nVERSION_ID=13\n")
    with pytest.raises(GpuError, match="neither a PCI bus nor a device tree"):
        plan(TABLES, gather(str(tmp_path), machine="x86_64"), Request())


def test_what_could_not_be_read_blocks(tmp_path: Path) -> None:
    facts = host(tmp_path)
    assert not plan(TABLES, facts, Request())["blocked"]
    facts["left_out"] = {"/sys/bus/pci/devices": "Permission denied"}
    planned = plan(TABLES, facts, Request())
    assert planned["blocked"] and planned["left_out"] == ["/sys/bus/pci/devices: Permission denied"]


@pytest.mark.parametrize("identity", ["", ":", "10de:", "10de:zzzz", "10DE:2335", "10de:2335:1"])
def test_id_that_is_none_is_unknown(identity: str) -> None:
    assert decide_pci(TABLES, identity, "030000", target("debian13")).action == "unknown"


def test_virtual_function_is_left_to_whom_it_is_made_for(tmp_path: Path) -> None:
    card = {"vendor": "0x8086", "device": "0xe20b", "class": "0x030000", "driver": "xe"}
    function = {**card, "slot": "0000:03:00.1", "driver": "vfio-pci"}
    root = build(tmp_path, {"pci": [{**card, "slot": "0000:03:00.0"}, function]}, "ubuntu2604")
    link(root, "sys/bus/pci/devices/0000:03:00.1/physfn", "../0000:03:00.0")
    planned = plan(TABLES, gather(str(root), machine="x86_64"), Request(purpose="desktop"))
    devices = {one["where"]: one for one in planned["devices"]}
    assert (devices["0000:03:00.1"]["action"], devices["0000:03:00.1"]["state"]) == ("none", "as decided")
    assert "virtual function of 0000:03:00.0" in devices["0000:03:00.1"]["reason"]
    assert planned["smoke"]["ways"] == {"vulkan": ["0000:03:00.0"]} and not planned["blocked"]


def test_driver_that_serves_guests_by_vgpu_is_not_replaced(tmp_path: Path) -> None:
    machine = MACHINES["l40s"]
    root = build(tmp_path, machine, "ubuntu2404")
    slot = next(one["slot"] for one in machine["pci"] if one["vendor"] == "0x10de")
    assert "vgpu_host" not in rules(plan(TABLES, gather(str(root), machine="x86_64"), Request()))
    put(root, f"sys/bus/pci/devices/{slot}/mdev_supported_types/nvidia-1/name", "NVIDIA L40S-1Q\n")
    planned = plan(TABLES, gather(str(root), machine="x86_64"), Request())
    assert "vgpu_host" in rules(planned) and planned["blocked"] and planned["install"] == {}


@pytest.mark.parametrize(
    ("machine", "packages", "extra"),
    [("h200", ["nvidia-driver:580-open"], []), ("mi210-8", [], ["amd-gpu-firmware"])],
)
def test_rhel_has_packages_by_the_names_of_public_texts_each_once(
    planned: t.Any, machine: str, packages: list[str], extra: list[str]
) -> None:
    made = planned(machine, "rhel9")["install"]
    assert (made["packages"], made["extra"], made["refused"]) == (packages, extra, "")
