# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables that decisions read (roles/gpu/files), and nothing else opens."""

from __future__ import annotations

import csv
import typing as t
from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from .._compliance.schema import load_documents
from .model import Branch, GpuError, Kernel, kernel_version

FILES = Path(__file__).resolve().parents[3] / "roles" / "gpu" / "files"


class Row(dict[str, str]):
    """One row, which knows where it stands."""

    where: str = ""


@dataclass(frozen=True)
class System:
    """A release of a distribution, as policy.yml has it.

    Attributes:
        kernel: of the release; the host's own counts where `backports_drivers` is false.
        systems: os-release ID to VERSION_ID.
    """

    id: str
    name: str
    systems: t.Mapping[str, str]
    kernel: Kernel
    backports_drivers: bool
    architectures: tuple[str, ...]


class Tables:
    """All tables, read when they are first asked for."""

    def __init__(self, files: Path = FILES) -> None:
        self.files = files

    def rows(self, name: str) -> list[Row]:
        path = self.files / "tables" / f"{name}.csv"
        with path.open(newline="", encoding="utf-8") as handle:
            reader = csv.DictReader(handle)
            rows = []
            for raw in reader:
                row = Row(raw)
                row.where = f"{name}.csv:{reader.line_num}"
                rows.append(row)
        return rows

    @cached_property
    def policy(self) -> t.Any:
        return load_documents(self.files / "policy.yml")[0]

    @cached_property
    def conflicts(self) -> t.Any:
        return load_documents(self.files / "conflicts.yml")[0]["conflicts"]

    @cached_property
    def systems(self) -> dict[str, System]:
        return {
            name: System(
                id=name,
                name=raw["name"],
                systems=raw["os"],
                kernel=kernel_version(raw["kernel"]),
                backports_drivers=raw.get("backports_drivers", False),
                architectures=tuple(raw["architectures"]),
            )
            for name, raw in self.policy["systems"].items()
        }

    def system_of(self, os: str, version: str) -> System:
        """The system that os-release names.

        Raises:
            GpuError: none of policy.yml.
        """
        for system in self.systems.values():
            release = system.systems.get(os)
            if release and (version == release or version.startswith(f"{release}.")):
                return system
        names = ", ".join(system.name for system in self.systems.values())
        raise GpuError(f"no table speaks of the system '{os} {version}'", fix=f"Supported are {names}")

    def by_device(self, name: str) -> dict[str, Row]:
        return {row["device"]: row for row in self.rows(name)}

    @cached_property
    def nvidia(self) -> dict[str, Row]:
        return self.by_device("nvidia_devices")

    @cached_property
    def nvidia_unlisted(self) -> dict[str, Row]:
        return self.by_device("nvidia_unlisted")

    @cached_property
    def nvidia_chips(self) -> dict[str, Row]:
        return {row["chip"]: row for row in self.rows("nvidia_chips")}

    @cached_property
    def nvidia_branches(self) -> list[Row]:
        return self.rows("nvidia_branches")

    @cached_property
    def amd(self) -> dict[str, Row]:
        return self.by_device("amd_devices")

    @cached_property
    def amd_targets(self) -> dict[str, Row]:
        return {row["gfx"]: row for row in self.rows("amd_targets")}

    @cached_property
    def intel(self) -> dict[str, Row]:
        return self.by_device("intel_devices")

    @cached_property
    def others(self) -> dict[str, Row]:
        return {row["id"]: row for row in self.rows("other_devices")}

    @cached_property
    def dt_drivers(self) -> dict[str, Row]:
        return {row["compatible"]: row for row in self.rows("dt_drivers")}

    @cached_property
    def dt_boards(self) -> dict[str, Row]:
        return {row["board"]: row for row in self.rows("dt_boards")}

    @cached_property
    def dt_socs(self) -> dict[str, Row]:
        return {row["soc"]: row for row in self.rows("dt_socs")}

    @cached_property
    def _packages(self) -> dict[tuple[str, str], tuple[str, ...]]:
        return {
            (row["distribution"], row["package"]): tuple(row["architectures"].split()) for row in self.rows("packages")
        }

    def has(self, system: str, architecture: str, package: str) -> bool:
        return architecture in self._packages.get((system, package), ())

    @lru_cache(maxsize=4096)  # noqa: B019  # as many as there are combinations; the tables live as long as the process
    def packages(self, group: str, use: str, system: str, architecture: str) -> tuple[str, ...]:
        """What policy.yml names for GROUP (nvidia, amd, ...) and USE (firmware, compute, ...), as far as the system has it."""
        chosen = []
        for entry in self.policy["packages"][group].get(use, ()):
            available = (name for name in entry.split("|") if self.has(system, architecture, name))
            chosen += [name for name in (next(available, ""),) if name]
        return tuple(chosen)

    def repository(self, name: str, system: str) -> Row | None:
        """What is known of a vendor's repository for a system: path, key file, fingerprint."""
        for row in self._repositories:
            if row["name"] == name and (system in row["distributions"].split() or row["distributions"] == "all"):
                return row
        return None

    @cached_property
    def _repositories(self) -> list[Row]:
        return self.rows("repositories")

    @lru_cache(maxsize=64)  # noqa: B019  # one entry a system and architecture
    def branches_of(self, system: str, architecture: str) -> tuple[tuple[Branch, str], ...]:
        """What a system has, in the order of policy.yml, each with the name of its list of devices.

        What moves on to another branch is not among it.
        """
        order = self.policy["nvidia"]["branches"]
        ranked = []
        for row in self.nvidia_branches:
            numbers = order.get(system if row["repository"] == "distribution" else row["repository"], [])
            if row["distribution"] != system or row["moves_to"] or architecture not in row["architectures"].split():
                continue
            rank = numbers.index(row["branch"]) if row["branch"] in numbers else len(numbers)
            branch = Branch(
                repository=row["repository"],
                number=row["branch"],
                edition=row["edition"],
                flavour=row["flavour"],
                packages=tuple(row["package"].split()),
                version=row["version"],
                row=row.where,
            )
            ranked.append(((row["repository"] != "distribution", rank), branch, row["list"]))
        return tuple((branch, listed) for _rank, branch, listed in sorted(ranked, key=lambda one: one[0]))

    def nearest(self, table: t.Mapping[str, Row], device: str) -> Row:
        """The row whose id is the nearest by number: most often the same chip."""
        ids = sorted(table)
        place = bisect_left(ids, device)
        around = ids[max(place - 1, 0) : place + 1]
        return table[min(around, key=lambda one: abs(int(one, 16) - int(device, 16)))]


@lru_cache(maxsize=1)
def tables() -> Tables:
    """The tables of the collection."""
    return Tables()
