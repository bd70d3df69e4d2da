# SPDX-License-Identifier: GPL-3.0-or-later
"""What gpu_info and gpu_steps_info may answer: a host is not trusted, and its answer is checked before anything decides on it."""

from __future__ import annotations

import typing as t

from .._compliance.shape import COUNT, FLAG, TEXT, Shape, by_name, each, maybe, mismatch, record, too_much
from .model import GpuError

SCHEMA = 1
DEVICE = record(
    slot=TEXT,
    id=TEXT,
    modalias=TEXT,
    driver=TEXT,
    boot_vga=FLAG,
    external=FLAG,
    iommu_group=TEXT,
    mdev=FLAG,
    sriov=record(enabled=COUNT, function_of=TEXT),
    **{"class": TEXT},
)
NODE = record(path=TEXT, compatible=each(TEXT), modalias=TEXT, driver=TEXT)
MODULE = record(module=TEXT, state=TEXT, kernel=TEXT, signer=TEXT, unread=TEXT)
KERNEL = record(release=TEXT, modules=FLAG, headers=FLAG, claims=by_name(each(TEXT)), dkms=each(MODULE))
FACTS = record(
    schema=COUNT,
    architecture=TEXT,
    system=record(os=TEXT, version=TEXT),
    virtualisation=record(container=TEXT),
    devices=each(DEVICE),
    nvswitches=each(TEXT),
    board=record(),
    kernels=each(KERNEL),
    running_kernel=TEXT,
    loaded=by_name(by_name(TEXT)),
    secure_boot=record(state=TEXT, lockdown=TEXT, enforced=FLAG, keys=each(record(state=TEXT))),
    parameters=each(TEXT),
    blacklisted=each(TEXT),
    looked_at=record(pci=maybe(COUNT), device_tree=FLAG, drm=each(TEXT), kernels=COUNT),
    left_out=by_name(TEXT),
)
# Of what modules return, what the role reads.
ANSWERS = record(
    gpu_mok=record(state=TEXT),
    gpu_driver=record(proofs=by_name(each(TEXT)), reboot_reason=TEXT),
    gpu_cdi=record(devices=each(TEXT)),
    gpu_smoke_info=record(passed=FLAG),
    gpu_health_info=record(findings=each(record(name=TEXT, state=TEXT))),
)
STEPS = record(digest=TEXT, because=TEXT, answers=ANSWERS)
NOT_ASKED = {"digest": "", "because": "not asked", "answers": {}}
BOARD = record(compatible=each(TEXT), gpus=each(NODE))


def checked(answer: t.Any) -> dict[str, t.Any]:
    """The facts in an answer of gpu_info.

    Raises:
        GpuError: it has another shape than gpu_info gives it.
    """
    facts: t.Any = answer.get("gpu") if isinstance(answer, dict) else None
    wrong = too_much(facts) or mismatch(facts, FACTS, "gpu") or missing(facts, FACTS, "gpu")
    if not wrong and facts["board"]:
        wrong = mismatch(facts["board"], BOARD, "gpu.board") or missing(facts["board"], BOARD, "gpu.board")
    if not wrong and facts["schema"] != SCHEMA:
        wrong = f"gpu.schema is {facts['schema']}, not {SCHEMA}"
    if wrong:
        raise GpuError(f"what gpu_info answered cannot be used: {wrong}", fix="Is the host what it claims to be?")
    return t.cast("dict[str, t.Any]", facts)


def steps(answer: t.Any) -> dict[str, t.Any]:
    """What gpu_steps_info says of the steps of the last run.

    Raises:
        GpuError: it has another shape than that.
    """
    said: t.Any = answer.get("steps") if isinstance(answer, dict) else None
    if wrong := too_much(said) or mismatch(said, STEPS, "steps"):
        raise GpuError(f"what gpu_steps_info answered cannot be used: {wrong}", fix="Is the host what it claims to be?")
    kept = {name: said["answers"][name] for name in ANSWERS.keys or () if name in said["answers"]}
    return {**NOT_ASKED, **said, "answers": kept}


def missing(value: t.Any, shape: Shape, where: str) -> str:
    """The first key that a mapping lacks; empty where all are there. `mismatch` says nothing of what is not there."""
    if isinstance(value, list) and shape.items:
        parts = ((item, shape.items, f"{where}[{number}]") for number, item in enumerate(value))
    elif isinstance(value, dict) and shape.keys is not None:
        if absent := sorted(set(shape.keys) - set(value)):
            return f"{where}.{absent[0]} is missing"
        parts = ((value[key], one, f"{where}.{key}") for key, one in shape.keys.items())
    else:
        return ""
    return next(filter(None, (missing(item, one, place) for item, one, place in parts)), "")
