"""Rewrites what is generated in docs/gpu.md: who drives what, by vendor, system and architecture."""

from __future__ import annotations

import re
import sys
import typing as t
from collections import Counter
from pathlib import Path

from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

ROOT = Path(__file__).resolve().parents[1]
GUIDE = ROOT / "docs" / "gpu.md"


def systems(tables: t.Any) -> str:
    lines = ["| system | kernel | architectures |", "|---|---|---|"]
    for system in tables.systems.values():
        kernel = ".".join(str(number) for number in system.kernel)
        note = ", drivers as in" if system.backports_drivers else ""
        lines.append(
            f"| {system.name} | {f'own{note} {kernel}' if note else kernel} | {', '.join(system.architectures)} |"
        )
    return "\n".join(lines)


def decided(tables: t.Any, vendor: str, group: t.Callable[[t.Any], str], architecture: str, purpose: str) -> str:
    """A row a group of devices, a column a system, with what most of the group gets."""
    from ansible_collections.unified.deploy.plugins.plugin_utils._gpu.decide import decide_pci
    from ansible_collections.unified.deploy.plugins.plugin_utils._gpu.model import Target

    table = {"10de": tables.nvidia, "1002": tables.amd, "8086": tables.intel}[vendor]
    groups: dict[str, list[str]] = {}
    for device, row in table.items():
        groups.setdefault(group(row) or "(unnamed)", []).append(device)
    names = list(tables.systems)
    lines = [
        f"| | devices | {' | '.join(tables.systems[name].name for name in names)} |",
        "|---|---:|" + "---|" * len(names),
    ]
    for name, devices in groups.items():
        cells = []
        for system in names:
            target = Target(system, architecture, tables.systems[system].kernel, purpose)
            counts = Counter(cell(decide_pci(tables, f"{vendor}:{device}", "030000", target)) for device in devices)
            # What one in ten gets or fewer is a footnote, not the answer.
            cells.append(", ".join(text for text, count in counts.most_common() if count * 10 > len(devices)))
        lines.append(f"| {name} | {len(devices)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def cell(decision: t.Any) -> str:
    if decision.branch:
        where = "" if decision.repository == "distribution" else " (vendor)"
        return f"{decision.branch.number} {decision.flavour}{where}"
    return {"refuse": "refused", "newer_kernel": f"newer kernel ({decision.driver})"}.get(
        decision.action, decision.driver
    )


def boards(tables: t.Any) -> str:
    lines = ["| driver | takes | from Linux | built for |", "|---|---|---|---|"]
    drivers: dict[tuple[str, str, str], list[str]] = {}
    for row in tables.dt_drivers.values():
        drivers.setdefault((row["driver"], row["since"], row["architectures"]), []).append(row["compatible"])
    for (driver, since, architectures), compatibles in sorted(drivers.items()):
        lines.append(f"| {driver} | {', '.join(f'`{one}`' for one in compatibles)} | {since} | {architectures} |")
    for soc, known in tables.policy["socs"].items():
        lines.append(f"| {known['action']} | `{soc}`: {known['reason']} | | {known['offer']} |")
    return "\n".join(lines)


def conflicts(tables: t.Any) -> str:
    lines = ["| rule | class | why | cure |", "|---|---|---|---|"]
    lines += [
        f"| {name} | {rule['class']} | {rule['because']} | {rule['fix']} |" for name, rule in tables.conflicts.items()
    ]
    return "\n".join(lines)


def generated(tables: t.Any) -> dict[str, str]:
    """The text of each part by its name."""
    return {
        "systems": systems(tables),
        "nvidia-amd64": decided(tables, "10de", lambda row: row["architecture"], "amd64", "compute"),
        "nvidia-arm64": decided(tables, "10de", lambda row: row["architecture"], "arm64", "compute"),
        "amd-amd64": decided(tables, "1002", lambda row: row["generation"], "amd64", "compute"),
        "intel-amd64": decided(tables, "8086", lambda row: row["platform"], "amd64", "compute"),
        "intel-arm64": decided(
            tables, "8086", lambda row: row["platform"] if row["discrete"] == "1" else "integrated", "arm64", "compute"
        ),
        "boards": boards(tables),
        "conflicts": conflicts(tables),
    }


def guide(tables: t.Any) -> str:
    """docs/gpu.md as it must be."""
    text = GUIDE.read_text()
    for name, part in generated(tables).items():
        text, count = re.subn(
            rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)",
            lambda match, part=part: f"{match[1]}{part}\n{match[2]}",
            text,
            flags=re.DOTALL,
        )
        assert count == 1, f"docs/gpu.md must have the part {name} once"
    return text


def main() -> None:
    _AnsibleCollectionFinder(paths=[str(ROOT / "build" / "collections")])._install()
    from ansible_collections.unified.deploy.plugins.plugin_utils._gpu.tables import tables

    sys.path.insert(0, str(ROOT))
    GUIDE.write_text(guide(tables()))


if __name__ == "__main__":
    main()
