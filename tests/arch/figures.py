"""Figures of each architecture, and the table of them, docs/machines.md."""

from __future__ import annotations

import datetime
import json
import os
import platform
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "build/machines.json"
TABLE = ROOT / "docs/machines.md"
HEAD = """# Machines

Written by `make test-arch`. Each column is a Debian 13 machine of its own under QEMU, by emulation where the column says so: boot
loader, separate partitions, Debian's kernel. It is hardened by CIS Debian 13, level 2 server, with the example overlay, booted again, audited, and
hardened once more. Seconds; in brackets the ratio to a play of one task that does nothing on the same machine.

"""
# Row to the figure's name, in the order of the table.
ROWS = {
    "measured on": "date",
    "processors of the machine that emulates, and its load": "processors",
    "QEMU, acceleration": "emulator",
    "kernel": "kernel",
    "boot loader": "loader",
    "boot to SSH login": "boot",
    "one task that does nothing": "one_task",
    "harden": "harden",
    "boot again": "reboot",
    "audit": "audit",
    "harden again (0 changed)": "again",
    "Goss alone": "goss",
    "rules judged": "rules",
    "of them pass": "pass",
    "not applicable": "not_applicable",
    "fail, waived or not checked": "others",
}
RATIOS = ("harden", "audit", "again", "goss")


def note(architecture: str, taken: t.Mapping[str, t.Any]) -> None:
    """Keep what was measured on one architecture, and write the table of all that were kept; nothing where a test stopped early."""
    if "again" not in taken:
        return
    kept = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    load = f"{os.cpu_count()}, {os.getloadavg()[1]:.1f}"
    kept[architecture] = {"date": f"{datetime.date.today()}", "processors": load, "host": platform.release(), **taken}
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
    TABLE.write_text(table(kept))


def table(kept: t.Mapping[str, t.Mapping[str, t.Any]]) -> str:
    names = sorted(kept)
    lines = [f"| | {' | '.join(names)} |", f"|---|{'---:|' * len(names)}"]
    lines += [f"| {row} | {' | '.join(shown(kept[name], figure) for name in names)} |" for row, figure in ROWS.items()]
    reasons = [f"\n## Not applicable, and why: {name}\n\n{''.join(_reasons(kept[name]))}" for name in names]
    return HEAD + "\n".join(lines) + "\n" + "".join(reasons)


def _reasons(taken: t.Mapping[str, t.Any]) -> list[str]:
    return [f"- {reason}: {count}\n" for reason, count in sorted(taken.get("reasons", {}).items())]


def shown(taken: t.Mapping[str, t.Any], figure: str) -> str:
    value = taken.get(figure, "not measured")
    if figure in RATIOS and isinstance(value, (int, float)) and taken.get("one_task"):
        return f"{value} ({value / taken['one_task']:.2g} x)"
    return str(value)
