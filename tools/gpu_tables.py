"""Writes the tables that decisions about GPUs read (roles/gpu/files/tables) from a directory of collected facts.

Usage: gpu_tables.py FACTS. The facts, their sources and licences are described in docs/gpu.md; only the columns that a decision needs
are kept.
"""

from __future__ import annotations

import csv
import sys
import typing as t
from pathlib import Path

TABLES = Path(__file__).resolve().parents[1] / "roles" / "gpu" / "files" / "tables"
Row = dict[str, str]

# Kernels whose tables were read. Between two of them nothing is known but what both say.
KERNELS = ("5.15", "6.1", "6.8", "6.12", "6.16", "6.18", "7.0", "7.2", "7.3")
# Firmware that amdgpu asks for where it drives a target: https://docs.kernel.org/gpu/amdgpu/ (GC version of each product).
FIRMWARE_OF_TARGET = {
    "gfx90a": "aldebaran_mec",
    "gfx942": "gc_9_4_3_mec",
    "gfx950": "gc_9_5_0_mec",
    "gfx1033": "vangogh_mec",
    "gfx1034": "beige_goby_mec",
    "gfx1035": "yellow_carp_mec",
    "gfx1036": "gc_10_3_6_mec",
    "gfx1100": "gc_11_0_0_mec",
    "gfx1101": "gc_11_0_3_mec",
    "gfx1102": "gc_11_0_2_mec",
    "gfx1103": "gc_11_0_1_mec",
    "gfx1150": "gc_11_5_0_mec",
    "gfx1151": "gc_11_5_1_mec",
    "gfx1152": "gc_11_5_2_mec",
    "gfx1200": "gc_12_0_0_mec",
    "gfx1201": "gc_12_0_1_mec",
}
# amdgpu matches these by class, and reads from the card what it is made of; older cards hold no such table.
DISCOVERED = ("RDNA2", "RDNA3", "RDNA3.5", "RDNA4", "CDNA3", "CDNA4")
# Releases where the kernel asks for the firmware before its driver is complete.
COMPLETE_FROM = {"RDNA3.5": "6.10"}
DT_DRIVERS = ("etnaviv", "lima", "msm", "nouveau", "panfrost", "panthor", "powervr", "v3d", "vc4")
DISPLAYS = ("ast", "bochs", "cirrus", "hibmc_drm", "hyperv_drm", "mgag200", "qxl", "vboxvideo", "vmwgfx")


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def latest(*kernels: str) -> str:
    return max((kernel for kernel in kernels if kernel), key=version)


class Facts:
    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def read(self, name: str) -> list[Row]:
        with (self.directory / f"{name}.csv").open(newline="", encoding="utf-8") as handle:
            return list(csv.DictReader(handle))


def nvidia_devices(facts: Facts) -> list[Row]:
    """One row an id: none decides differently by its sub-ids."""
    lists = {"in_580": "580", "in_615": "615"} | {
        name: name.replace("_", "-")
        for name in ("debian12_535", "debian12_tesla470", "debian13_550", "debian13_tesla535")
    }
    rows: dict[str, Row] = {}
    for row in sorted(facts.read("nvidia_gpus"), key=lambda row: (row["device"], row["subvendor"], row["subdevice"])):
        listed = " ".join(name for column, name in lists.items() if row[column] == "1")
        kept = {key: row[key] for key in ("device", "name", "chip", "architecture", "last_branch", "open_modules")}
        rows.setdefault(row["device"], {**kept, "listed": listed})
    return list(rows.values())


def nvidia_branches(facts: Facts) -> list[Row]:
    """Packages of drivers by distribution. A name with `moves_to` is empty, and installs another branch."""
    architectures = {
        (row["distribution"], row["package"]): [name for name in ("amd64", "arm64", "riscv64") if row[name] == "1"]
        for row in facts.read("packages")
    }
    rows = []
    for row in facts.read("nvidia_ubuntu_branches"):
        live = (
            not row["moves_to"] and row["device_ids"] != "0" and row["version"].startswith(row["branch_in_name"] + ".")
        )
        if not live and not row["moves_to"]:
            continue
        # Of Ubuntu's archive the architectures of 580 and later were read; older branches have no arm64 package of a live branch.
        known = architectures.get((row["distribution"], row["package"]))
        fallback = ["amd64", "arm64"] if int(row["branch_in_name"]) >= 580 else ["amd64"]
        rows.append(
            {
                "distribution": row["distribution"],
                "repository": "distribution",
                "branch": row["branch_in_name"],
                "edition": row["edition"],
                "flavour": row["flavour"],
                "package": row["package"],
                "version": row["version"],
                "architectures": " ".join(known or fallback),
                "list": {"390": "last-390", "470": "last-470"}.get(row["branch_in_name"], row["branch_in_name"]),
                "moves_to": row["moves_to"],
            }
        )
    return rows + debian_branches(facts) + vendor_branches(facts)


def debian_branches(facts: Facts) -> list[Row]:
    # Its driver only recommends what programs compute with and what asks the GPU: libcuda1 and nvidia-smi, of the same source.
    current, tesla = (
        "nvidia-driver libcuda1 nvidia-smi",
        "nvidia-tesla-{0}-driver libnvidia-tesla-{0}-cuda1 nvidia-tesla-{0}-smi",
    )
    modules = {  # kernel module -> branch, flavour, user space, list
        ("debian12", "nvidia-kernel-dkms"): ("535", "closed", current, "debian12-535"),
        ("debian12", "nvidia-open-kernel-dkms"): ("535", "open", current, "debian12-535"),
        ("debian12", "nvidia-tesla-470-kernel-dkms"): ("470", "closed", tesla.format(470), "debian12-tesla470"),
        ("debian13", "nvidia-kernel-dkms"): ("550", "closed", current, "debian13-550"),
        ("debian13", "nvidia-open-kernel-dkms"): ("550", "open", current, "debian13-550"),
        ("debian13", "nvidia-tesla-535-kernel-dkms"): ("535", "closed", tesla.format(535), "debian13-tesla535"),
    }
    packages = {(row["distribution"], row["package"]): row for row in facts.read("packages")}
    rows = []
    for (distribution, module), (branch, flavour, programs, listed) in modules.items():
        row = packages[distribution, module]
        rows.append(
            {
                "distribution": distribution,
                "repository": "distribution",
                "branch": branch,
                "edition": "any",
                "flavour": flavour,
                "package": f"{programs} {module}",
                "version": row["version"],
                "architectures": " ".join(name for name in ("amd64", "arm64") if row[name] == "1"),
                "list": listed,
                "moves_to": "",
            }
        )
    return rows


def vendor_branches(facts: Facts) -> list[Row]:
    """What NVIDIA's repository offers. Package names on RHEL are from public texts, those for apt were not read."""
    rows = []
    for repository in facts.read("repositories"):
        if repository["name"] != "nvidia-cuda":
            continue
        architectures = "amd64 arm64" if "sbsa" in repository["arch"] else "amd64"
        for distribution in repository["distributions"].split():
            for branch, flavour in (("580", "open"), ("580", "closed"), ("615", "open")):
                stream = "open-dkms" if branch == "615" else f"{branch}-{'open' if flavour == 'open' else 'dkms'}"
                package = f"nvidia-driver:{stream}" if distribution == "rhel9" else ""
                rows.append(
                    {
                        "distribution": distribution,
                        "repository": "nvidia-cuda",
                        "branch": branch,
                        "edition": "any",
                        "flavour": flavour,
                        "package": package,
                        "version": "",
                        "architectures": architectures,
                        "list": branch,
                        "moves_to": "",
                    }
                )
    return [row for row in rows if not row["distribution"].startswith(("fedora", "rhel8"))]


def amd_devices(facts: Facts) -> list[Row]:
    firmware = {
        row["firmware"].removeprefix("amdgpu/").removesuffix(".bin"): row["first_kernel"]
        for row in facts.read("kernel_firmware")
        if row["driver"] == "amdgpu"
    }
    rows = []
    for row in facts.read("amd_gpus"):
        since = "5.15"
        if row["claim"] == "amdgpu-class" and row["amdgpu_6_1"] != "1":
            # The match by class is in 6.1's table and not in 5.15's; class 1200 (CDNA3 and later) from 6.8.
            since = latest("6.8" if row["generation"] in ("CDNA3", "CDNA4") else "6.1")
        if stem := FIRMWARE_OF_TARGET.get(row["gfx"]):
            since = latest(since, firmware[stem], COMPLETE_FROM.get(row["generation"], ""))
        discovered = row["claim"] != "amdgpu-class" or row["generation"] in DISCOVERED
        kept = {
            key: row[key] for key in ("device", "name", "generation", "gfx", "claim", "default_6_12", "default_7_2")
        }
        rows.append({**kept, "since": since if discovered else ""})
    return rows


def amd_targets(facts: Facts) -> list[Row]:
    return [{"gfx": row["gfx"], "official_matrix": row["official_matrix"]} for row in facts.read("rocm_targets")]


def intel_devices(facts: Facts) -> list[Row]:
    rows = []
    for row in facts.read("intel_gpus"):
        i915 = next((kernel for kernel in KERNELS if row.get(f"i915_{kernel}") == "1"), "")
        xe = {want: next((k for k in KERNELS if row.get(f"xe_{k}") == want), "") for want in ("default", "forced")}
        kept = {key: row[key] for key in ("device", "name", "platform", "discrete", "compute_runtime")}
        rows.append({**kept, "i915_since": i915, "xe_since": xe["default"], "xe_forced_since": xe["forced"]})
    return rows


def other_devices(facts: Facts) -> list[Row]:
    """Displays without a GPU worth the name: servers' consoles and virtual machines."""
    rows: dict[str, Row] = {
        "1af4:1050": {"id": "1af4:1050", "driver": "virtio_gpu", "since": "5.15", "architectures": ""}
    }
    for row in facts.read("kernel_matches"):
        match = row["match"].partition(" ")[0]
        if row["bus"] == "pci" and row["driver"] in DISPLAYS and "*" not in match:
            rows.setdefault(
                match,
                {
                    "id": match,
                    "driver": row["driver"],
                    "since": row["first_kernel"],
                    "architectures": architectures_of(row),
                },
            )
    rows["1af4:1050"]["architectures"] = "amd64 arm64 riscv64"
    return sorted(rows.values(), key=lambda row: row["id"])


def architectures_of(row: Row) -> str:
    built = {kernel.rpartition("-")[2] for kernel in row["kernels"].split()}
    return " ".join(name for name in ("amd64", "arm64", "riscv64") if name in built)


def dt_drivers(facts: Facts) -> list[Row]:
    rows = []
    for row in facts.read("kernel_matches"):
        if row["bus"] == "of" and row["driver"] in DT_DRIVERS and (row["driver"] != "msm" or "adreno" in row["match"]):
            rows.append(
                {
                    "compatible": row["match"],
                    "driver": row["driver"],
                    "since": row["first_kernel"],
                    "architectures": architectures_of(row),
                }
            )
    # vc4 drives it as a component, for which it needs no alias of its own (drivers/gpu/drm/vc4/vc4_v3d.c).
    rows.append({"compatible": "brcm,bcm2835-v3d", "driver": "vc4", "since": "6.1", "architectures": "arm64"})
    for row in rows:
        # Until 7.2 msm had no alias for the GPU: the display's node loads the same module, in which the GPU's driver is.
        if row["driver"] == "msm":
            row["since"] = "6.1"
    return sorted(rows, key=lambda row: row["compatible"])


def dt_boards(facts: Facts) -> list[Row]:
    """One row a board, with the first kernel whose device tree has its GPU; units that only serve a GPU are left out."""
    rows: dict[tuple[str, str], Row] = {}
    for row in sorted(facts.read("dt_boards"), key=lambda row: version(row["gpu_node_since"])):
        gpus = [gpu for gpu in row["gpu"].split(" | ") if not any(part in gpu for part in ("smmu", "gmu"))]
        if not gpus:
            continue
        kept = {key: row[key] for key in ("arch", "board", "soc")}
        rows.setdefault((row["arch"], row["board"]), {**kept, "gpu": " | ".join(gpus), "since": row["gpu_node_since"]})
    return [rows[key] for key in sorted(rows)]


def dt_socs(facts: Facts) -> list[Row]:
    return [{key: row[key] for key in ("arch", "soc", "boards_with_gpu")} for row in facts.read("dt_socs")]


def nvidia_chips(facts: Facts) -> list[Row]:
    kept = ("chip", "nouveau_6_1", "nouveau_6_12", "nouveau_7_2", "nouveau_needs_gsp")
    return [{key: row[key] for key in kept} for row in facts.read("nvidia_chips")]


def packages(facts: Facts) -> list[Row]:
    """Whether a distribution has a package, for the packages that policy.yml names."""
    rows = [
        {
            "distribution": row["distribution"],
            "package": row["package"],
            "architectures": " ".join(name for name in ("amd64", "arm64", "riscv64") if row[name] == "1"),
        }
        for row in facts.read("packages")
        if row["distribution"] in ("debian12", "debian13", "ubuntu2204", "ubuntu2404", "ubuntu2604")
        and row["purpose"]
        in ("compute", "firmware", "level zero", "media", "opencl", "opengl", "vulkan", "service", "soc firmware")
    ]
    for row in facts.read("packages_rhel"):
        if row["from"] == "distribution":
            names = [name for name, column in (("amd64", "x86_64"), ("arm64", "aarch64")) if row[column] == "1"]
            rows += [
                {"distribution": distribution, "package": package, "architectures": " ".join(names)}
                for distribution in row["distribution"].split()
                for package in row["packages"].split()
            ]
    unique = {(row["distribution"], row["package"]): row for row in rows}
    return [unique[key] for key in sorted(unique)]


def repositories(facts: Facts) -> list[Row]:
    kept = ("name", "distributions", "arch", "path", "key_file", "fingerprint")
    return [
        {key: row[key] for key in kept}
        for row in facts.read("repositories")
        if row["vendor"] in ("amd", "intel", "nvidia")
    ]


def nvidia_unlisted(facts: Facts) -> list[Row]:
    return [
        {"device": row["device"], "name": row["pci_ids_name"], "architecture": row["architecture"]}
        for row in facts.read("nvidia_unlisted")
    ]


WRITERS: tuple[t.Callable[[Facts], list[Row]], ...] = (
    amd_devices,
    amd_targets,
    dt_boards,
    dt_drivers,
    dt_socs,
    intel_devices,
    nvidia_branches,
    nvidia_chips,
    nvidia_devices,
    nvidia_unlisted,
    other_devices,
    packages,
    repositories,
)


def main() -> None:
    facts = Facts(Path(sys.argv[1]))
    TABLES.mkdir(parents=True, exist_ok=True)
    for writer in WRITERS:
        rows = writer(facts)
        with (TABLES / f"{writer.__name__}.csv").open("w", newline="", encoding="utf-8") as handle:
            table = csv.DictWriter(handle, fieldnames=list(rows[0]), lineterminator="\n")
            table.writeheader()
            table.writerows(rows)


if __name__ == "__main__":
    main()
