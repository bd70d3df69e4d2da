# SPDX-License-Identifier: GPL-3.0-or-later
"""What is found out about the health of GPUs, as lines for people and as metrics."""

from __future__ import annotations

import os
import tempfile
import typing as t

State = str
"""``ok``; ``bad``; ``unread``: nothing is known that should be; ``absent``: this GPU or driver has no such thing."""
STATES = ("absent", "ok", "unread", "bad")  # the worst last
PREFIX = "unified_gpu_"
HELP = {
    "check": "1 for the state that a check of a GPU is in.",
    "ecc_uncorrected_errors": "Errors of memory that ECC did not correct.",
    "errors": "Errors that the driver wrote into the kernel's log since the boot, by number (XID, SXid).",
    "info": "The driver that a GPU is bound to.",
    "kernel_log_seconds": "How long ago the kernel's log begins that errors are looked for in, and the boot was.",
    "link_lanes": "Lanes of the PCI link that the GPU has, and that both its ends can have.",
    "remapped_rows": "Rows of memory that were replaced.",
    "temperature_celsius": "Temperature.",
}


class Finding(t.NamedTuple):
    """One check of one GPU, or of the host (where is empty)."""

    name: str
    where: str
    state: State
    said: str

    def line(self) -> str:
        """For people; what would steer a terminal is shown as a question mark."""
        line = " ".join(part for part in (f"{self.state:<6}", self.name, self.where or "host", self.said) if part)
        return "".join(one if one.isprintable() else "?" for one in line)


class Sample(t.NamedTuple):
    """One number."""

    name: str
    labels: t.Mapping[str, str]
    value: float


def healthy(findings: t.Sequence[Finding]) -> bool:
    """Whether something was looked at, and nothing is bad or unread."""
    return any(one.state == "ok" for one in findings) and all(one.state in ("ok", "absent") for one in findings)


def code(findings: t.Sequence[Finding]) -> int:
    """The exit status: 0 healthy, 1 something is bad, 3 something is not known, 4 nothing here can be looked at."""
    if any(one.state == "bad" for one in findings):
        return 1
    if not findings or any(one.state == "unread" for one in findings):
        return 3
    return 0 if healthy(findings) else 4


def metrics(findings: t.Sequence[Finding], samples: t.Sequence[Sample]) -> str:
    """All of it as text that both OpenMetrics 1.0 and Prometheus 0.0.4 read: gauges only, the same type in both.

    Of several findings of one check and place the worst counts: a series that comes twice makes the collector drop the whole file.
    """
    worst: dict[tuple[str, str], State] = {}
    for found in sorted(findings, key=lambda found: STATES.index(found.state)):
        worst[found.name, found.where] = found.state
    every = [
        *samples,
        *(
            Sample("check", {"check": name, "gpu": where, "state": state}, float(state == it_is))
            for (name, where), it_is in sorted(worst.items())
            for state in STATES
        ),
    ]
    lines = []
    for name in sorted({one.name for one in every}):
        lines += [f"# HELP {PREFIX}{name} {HELP[name]}", f"# TYPE {PREFIX}{name} gauge"]
        for one in every:
            if one.name == name:
                labels = ",".join(f'{key}="{_escaped(value)}"' for key, value in sorted(one.labels.items()))
                lines.append(f"{PREFIX}{name}{{{labels}}} {one.value:g}")
    return "\n".join([*lines, "# EOF", ""])


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def write(path: str, content: str) -> None:
    """Put the file there in one step, readable for the collector, which runs as somebody else."""
    # The collector reads what ends with .prom.
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path) or ".", prefix=".unified-gpu-", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
