# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``nvidia-smi -q -x`` says of the health of GPUs: nvsmi_device_v11.dtd (drivers from 450) to _v13.dtd (from 580)."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from .report import Finding, Sample, State

# What slows the clocks for protection. The rest is settings, idleness, and limits of power, which a busy GPU always runs into.
SLOWDOWNS = ("hw_slowdown", "hw_thermal_slowdown", "hw_power_brake_slowdown", "sw_thermal_slowdown")
REASONS = (
    ("clocks_event_reasons", "clocks_event_reason_"),
    ("clocks_throttle_reasons", "clocks_throttle_reason_"),  # until driver 530
)


class SmiError(Exception):
    """The answer is no XML of nvidia-smi."""


def parsed(xml: str) -> tuple[str, dict[str, ElementTree.Element]]:
    """The driver's version, and the GPUs by slot as sysfs has it.

    Raises:
        SmiError: it is something else, or declares entities, which nvidia-smi never does.
    """
    if "<!ENTITY" in xml:
        raise SmiError("what nvidia-smi wrote declares entities")
    try:
        log = ElementTree.fromstring(xml)  # noqa: S314  # of root's own program, and entities are refused above
    except ElementTree.ParseError as exc:
        raise SmiError(f"what nvidia-smi wrote cannot be read: {exc}") from exc
    if log.tag != "nvidia_smi_log":
        raise SmiError(f"nvidia-smi wrote '{log.tag}', not nvidia_smi_log")
    return _text(log, "driver_version"), {slot(gpu.get("id", "")): gpu for gpu in log.findall("gpu")}


def slot(identity: str) -> str:
    """0000:83:00.0 of ``00000000:83:00.0``: NVIDIA writes domains with eight digits, and all in capitals."""
    domain, _colon, rest = identity.lower().partition(":")
    return f"{domain[-4:] if domain.startswith('0000') else domain}:{rest}"


def findings(where: str, gpu: ElementTree.Element) -> list[Finding]:
    """What is wrong with one GPU, and what is not known of it."""
    return [
        Finding(name, where, *judge(gpu))
        for name, judge in (
            ("reset", _reset),
            ("ecc", _ecc),
            ("remapped_rows", _rows),
            ("throttle", _throttle),
            ("temperature", _temperature),
        )
    ]


def samples(where: str, gpu: ElementTree.Element) -> list[Sample]:
    """Numbers of one GPU; what it does not tell is left out."""
    rows = gpu.find("remapped_rows")
    named: list[tuple[str, dict[str, str], float | None]] = [
        ("temperature_celsius", {"sensor": "gpu"}, _number(gpu, "temperature/gpu_temp")),
        ("temperature_celsius", {"sensor": "memory"}, _number(gpu, "temperature/memory_temp")),
        ("ecc_uncorrected_errors", {"since": "boot"}, _uncorrected(gpu, "volatile")),
        ("ecc_uncorrected_errors", {"since": "manufacture"}, _uncorrected(gpu, "aggregate")),
    ]
    for kind, name in (("correctable", "remapped_row_corr"), ("uncorrectable", "remapped_row_unc")):
        named.append(("remapped_rows", {"cause": kind}, None if rows is None else _number(rows, name)))
    return [Sample(name, {"gpu": where, **labels}, value) for name, labels, value in named if value is not None]


def _text(element: ElementTree.Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


def _number(element: ElementTree.Element, path: str) -> float | None:
    """The number before the unit; None for N/A."""
    match = re.match(r"-?\d+(\.\d+)?", _text(element, path))
    return float(match[0]) if match else None


def _reset(gpu: ElementTree.Element) -> tuple[State, str]:
    # Until v12 gpu_reset_status, since v13 gpu_recovery_action.
    action, required = _text(gpu, "gpu_recovery_action"), _text(gpu, "gpu_reset_status/reset_required")
    if not {action, required} - {"", "N/A"}:
        return "absent", "the driver does not tell"
    if action not in ("", "N/A", "None"):
        return "bad", f"the driver asks for '{action}'"
    return ("bad", "the driver asks for a reset") if required == "Yes" else ("ok", "none is asked for")


def _uncorrected(gpu: ElementTree.Element, since: str) -> float | None:
    errors = gpu.find(f"ecc_errors/{since}")
    if errors is None:
        return None
    # v11 for GPUs before Ampere sums up by the number of bits.
    paths = [one.tag for one in errors if "uncorrectable" in one.tag] or ["double_bit/total"]
    numbers = [number for number in (_number(errors, path) for path in paths) if number is not None]
    return sum(numbers) if numbers else None


def _ecc(gpu: ElementTree.Element) -> tuple[State, str]:
    mode = _text(gpu, "ecc_mode/current_ecc")
    if mode != "Enabled":
        return ("unread", "nvidia-smi does not tell the mode") if not mode else ("absent", f"ECC is {mode}")
    if _text(gpu, "ecc_errors/aggregate/sram_threshold_exceeded") == "Yes":
        return "bad", "more errors of SRAM than its threshold"
    if _text(gpu, "ecc_errors/unrepairable_memory") == "Yes":
        return "bad", "memory that cannot be repaired"
    count = _uncorrected(gpu, "volatile")
    if count is None:
        return "unread", "nvidia-smi does not tell the errors"
    return ("bad" if count else "ok"), f"{count:.0f} uncorrected errors since the driver was loaded"


def _rows(gpu: ElementTree.Element) -> tuple[State, str]:
    told = {
        "a row that cannot be remapped": _text(gpu, "remapped_rows/remapped_row_failure"),
        "a row that is remapped at the next reset": _text(gpu, "remapped_rows/remapped_row_pending"),
        "a page that is retired at the next reset": _text(gpu, "retired_pages/pending_retirement"),
    }
    if not set(told.values()) & {"Yes", "No"}:
        return "absent", "the GPU does not tell"
    wrong = [what for what, answer in told.items() if answer == "Yes"]
    return ("bad", ", ".join(wrong)) if wrong else ("ok", "none waits, none failed")


def _throttle(gpu: ElementTree.Element) -> tuple[State, str]:
    answers = {
        name: text for group, head in REASONS for name in SLOWDOWNS if (text := _text(gpu, f"{group}/{head}{name}"))
    }
    if not set(answers.values()) & {"Active", "Not Active"}:
        return "unread", "nvidia-smi does not tell"
    active = [name for name, answer in answers.items() if answer == "Active"]
    return ("bad", ", ".join(active)) if active else ("ok", "no slowdown")


def _temperature(gpu: ElementTree.Element) -> tuple[State, str]:
    heat = gpu.find("temperature")
    now = None if heat is None else _number(heat, "gpu_temp")
    if heat is None or now is None:
        return "unread", "nvidia-smi does not tell"
    # Newer GPUs tell how far it is to the limit, others the limit.
    margin, least = _number(heat, "gpu_temp_tlimit"), _number(heat, "gpu_temp_slow_tlimit_threshold")
    limit = _number(heat, "gpu_temp_slow_threshold")
    memory, memory_limit = _number(heat, "memory_temp"), _number(heat, "gpu_temp_max_mem_threshold")
    if memory is not None and memory_limit is not None and memory >= memory_limit:
        return "bad", f"the memory has {memory:.0f} degrees of at most {memory_limit:.0f}"
    if margin is not None and least is not None:
        return ("bad" if margin <= least else "ok"), f"{now:.0f} degrees, {margin:.0f} below the limit"
    if limit is not None:
        return ("bad" if now >= limit else "ok"), f"{now:.0f} degrees, slows down at {limit:.0f}"
    return "unread", f"{now:.0f} degrees, and nvidia-smi tells no limit"
