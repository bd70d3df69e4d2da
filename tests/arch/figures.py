"""Figures of each architecture, and the table of them, docs/machines.md."""

from __future__ import annotations

import ast
import datetime
import json
import os
import typing as t
from importlib import metadata
from pathlib import Path

from tests.drills import commit
from tests.hosts import public, vm

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "tests/arch/machines.json"
"""Kept with the tests: an architecture is measured alone, and its column stands beside those of other days."""
PAGE = ROOT / "docs/machines.md"
HEAD = """# Machines

Written by `make test-arch` (`UNIFIED_ARCHITECTURES`, `UNIFIED_SUITE`; `UNIFIED_PROCESSORS` of each machine). Each column is a machine of
its own, of Debian 13 where it names no other release, under QEMU, by emulation where the column says so: boot loader, separate
partitions, Debian's kernel. It is hardened by the release's CIS benchmark, level 2 server, together with the rules of the STIG
(`stig_ready`, of Debian 13) and the example overlay; its power is cut in the first boot after that; it is booted, audited, and hardened once more.
Seconds; in brackets the ratio to a play of one task that does nothing on the same machine.
"""
SUITES = """
## Tests

How many passed of the tests of a file, all of them, when the whole file last ran and nothing failed.

"""
BOOT_LOADERS = """
## Boot loaders

What of each was run for real, beside the unit tests. `test_loaders` lets Debian 13's own programs make the entries, has the collection
change them, lets the programs make them again, and installs a later kernel; then firmware starts the boot loader in QEMU, until the kernel
has printed its command line. On an architecture where the table above has it as not run, none of that was seen to work.

| boot loader | run for real | never |
|---|---|---|
| GRUB | `test_machine`, `test_machine_faults`, `test_chroot`, `test_menu` | started by a BIOS |
| GRUB with entries of the Boot Loader Specification | | `grubby`, of which Debian has no package: \
unit tests alone, on entries that people published of CentOS 8, RHEL 9 and Fedora 39 |
| systemd-boot | `test_loaders`: `bootctl install` and `kernel-install` into a directory; booted by OVMF (amd64), AAVMF (arm64) and U-Boot's UEFI (riscv64) | \
a whole machine that boots up by it |
| extlinux (U-Boot) | `test_loaders`: `u-boot-update`; U-Boot of arm64 and riscv64 boots its `extlinux.conf` | \
a whole machine; U-Boot of amd64, which sets the command line in quotes (2023.01); a board |
| Raspberry Pi | `test_loaders`: the hook of Debian's raspi-firmware makes `cmdline.txt`, on arm64, the one architecture that it works on | \
its firmware, which QEMU does not run; Raspberry Pi OS |
"""
SYSTEMS = """
## Other systems

`make test-public` starts machines from the images that these systems' makers publish for clouds, keeps what the collector reads there, and where
the catalogue has a benchmark for the system hardens, boots, audits and hardens again. The nightly workflow runs it; when it last passed:

| system | |
|---|---|"""
# Row to the figure's name, in the order of the table.
ROWS = {
    "measured on": "date",
    "commit, ansible-core": "versions",
    "processors of the machine that emulates, and its load": "processors",
    "emulator, acceleration": "emulator",
    "processors of the machine": "processors_emulated",
    "kernel": "kernel",
    "boot loader": "loader",
    "boot to SSH login, as this run had it": "boot",
    "one task that does nothing": "one_task",
    "harden": "harden",
    "boot again": "reboot",
    "audit": "audit",
    "harden again (0 changed)": "again",
    "modules that it executes": "executions",
    "Goss alone": "goss",
    "a program that computes, to the same on the machine that emulates": "slowness",
    "rules judged": "rules",
    "of them pass": "pass",
    "not applicable": "not_applicable",
    "fail, waived or not checked": "others",
}
RATIOS = ("harden", "audit", "again", "goss")


def note(architecture: str, taken: t.Mapping[str, t.Any]) -> None:
    """Keep what was measured on one architecture, and write the page of all that were kept; nothing where a test stopped early."""
    if "goss" in taken:  # the last that is taken, once the second run was seen to change nothing
        load = f"{os.cpu_count()}, {os.getloadavg()[1]:.1f}"
        versions = f"{commit(RECORD, PAGE)}, {metadata.version('ansible-core')}"
        keep("machines", architecture, {"processors": load, "versions": versions, **taken})


def keep(what: str, name: str, figures: t.Mapping[str, t.Any]) -> None:
    """Keep figures of today, of one of the ``machines`` or its ``boots`` (by architecture), ``suites`` or ``systems`` (of public images)."""
    kept = {
        "machines": {},
        "boots": {},
        "suites": {},
        "systems": {},
        **(json.loads(RECORD.read_text()) if RECORD.exists() else {}),
    }
    kept[what][name] = {"date": f"{datetime.date.today()}", **figures}
    RECORD.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
    PAGE.write_text(page(**kept))


Figures = t.Mapping[str, t.Mapping[str, t.Any]]


def page(machines: Figures, boots: Figures, suites: Figures, systems: Figures) -> str:
    names = sorted(machines)
    lines = [f"| | {' | '.join(names)} |", f"|---|{'---:|' * len(names)}"]
    lines.append(
        f"| boot to SSH login, nothing else running (`make bench-machines`) | {' | '.join(alone(boots, name) for name in names)} |"
    )
    lines += [
        f"| {row} | {' | '.join(shown(machines[name], figure) for name in names)} |" for row, figure in ROWS.items()
    ]
    ran = [f"| {name} | {systems.get(name, {}).get('date', 'never')} |" for name in sorted(public.IMAGES)]
    reasons = [f"\n## Not applicable, and why: {name}\n\n{''.join(_reasons(machines[name]))}" for name in names]
    return "\n".join(
        [HEAD, *lines, SUITES.rstrip("\n"), "", *passed(suites), BOOT_LOADERS.rstrip("\n"), SYSTEMS, *ran, "", *reasons]
    )


def passed(suites: Figures) -> list[str]:
    architectures = sorted(vm.MACHINES)
    lines = [f"| | | {' | '.join(architectures)} |", f"|---|---|{'---|' * len(architectures)}"]
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        if path.stem == "test_public":
            continue
        what = (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0].rstrip(".")
        ran = [suites.get(f"{path.stem} {one}") for one in architectures]
        shown_as = " | ".join(f"{one['passed']} ({one['date']})" if one else "not run" for one in ran)
        lines.append(f"| `{path.stem}` | {what} | {shown_as} |")
    return lines


def alone(boots: Figures, name: str) -> str:
    return f"{boots[name]['seconds']} ({boots[name]['date']})" if name in boots else "not measured"


def _reasons(taken: t.Mapping[str, t.Any]) -> list[str]:
    return [f"- {reason}: {count}\n" for reason, count in sorted(taken.get("reasons", {}).items())]


def shown(taken: t.Mapping[str, t.Any], figure: str) -> str:
    value = taken.get(figure, "not measured")
    if figure in RATIOS and isinstance(value, (int, float)) and taken.get("one_task"):
        return f"{value} ({value / taken['one_task']:.3g} x)"
    return str(value)
