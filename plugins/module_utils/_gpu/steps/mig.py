# SPDX-License-Identifier: GPL-3.0-or-later
"""Partitions of NVIDIA's GPUs, brought to a layout."""

from __future__ import annotations

import contextlib
import re
import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change import programs
from ansible_collections.unified.deploy.plugins.module_utils._change.errors import ChangeError
from ansible_collections.unified.deploy.plugins.module_utils._change.files import text

from .. import boot_units, mig, sriov
from ..tree import Tree

ROOT = "/"
UNIT = "/etc/systemd/system/unified-gpu-mig.service"
# https://docs.nvidia.com/deploy/nvidia-smi: "A query to find an object was unsuccessful", with "No compute instances found: Not Found" for one.
NOT_FOUND = 6
SPEC: dict[str, t.Any] = {
    "layout": {"type": "dict", "default": {}},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def smi(*argv: str, none: bool = False) -> str:
    """What nvidia-smi says.

    Args:
        none: whether it may find nothing.

    Raises:
        MigError: it fails.
    """
    answer = programs.run(["nvidia-smi", *argv])
    if answer.code and not (none and answer.code == NOT_FOUND):
        raise mig.MigError(f"'nvidia-smi {' '.join(argv)}' ended with {answer.code}: {answer.said}")
    return answer.out


def checked(layout: t.Mapping[str, t.Any]) -> None:
    """Refuse what is no layout.

    Raises:
        MigError: with the slot.
    """
    for slot, instances in layout.items():
        for one in instances if isinstance(instances, list) else [None]:
            entry = one if isinstance(one, dict) and not set(one) - {"profile", "start"} else {}
            if not isinstance(entry.get("profile"), str) or not isinstance(entry.get("start"), (int, type(None))):
                raise mig.MigError(
                    f"layout: {slot} has a list of dicts, each with 'profile' and optionally the number 'start'"
                )


def mode(slot: str) -> str:
    return smi("-i", slot, "--query-gpu=mig.mode.current", "--format=csv,noheader").strip()


class Gpu:
    """One GPU: what it has, and what it is to have; it goes without MIG where there is no layout."""

    def __init__(self, slot: str, layout: t.Any) -> None:
        self.slot = slot
        self.mode = mode(slot)
        if self.mode not in ("Enabled", "Disabled"):
            raise mig.MigError(f"{slot} has no MIG (nvidia-smi says '{self.mode}')")
        self.leaves = layout is None and self.mode == "Enabled"
        layout = layout or []
        asked = [{"profile": one["profile"], "start": one.get("start")} for one in layout]
        on = self.mode == "Enabled"
        self.there = (
            mig.instances(*(smi("mig", "-i", slot, verb, none=True) for verb in ("-lgi", "-lci"))) if on else []
        )
        self.known = mig.profiles(smi("mig", "-i", slot, "-lgip"), smi("mig", "-i", slot, "-lgipp")) if on else {}
        self.desired = mig.placed(asked, self.known, self.there) if on else []
        self.switch = bool(asked) and not on
        self.steps = mig.steps(self.there, self.desired)

    @property
    def changes(self) -> bool:
        return self.switch or self.leaves or any(self.steps)

    def check_idle(self) -> None:
        users = smi("-i", self.slot, "--query-compute-apps=pid", "--format=csv,noheader").split()
        if users:
            raise mig.MigError(
                f"{self.slot} is in use by the processes {', '.join(users)}. End them, and run again; nothing was changed"
            )
        # nvidia-smi lists processes of the host, and no guests.
        guests = sriov.mediated(Tree(ROOT), self.slot) + sriov.users(Tree(ROOT), self.slot)
        if guests:
            raise mig.MigError(
                f"{self.slot} serves guests by vGPU: {', '.join(guests)}. Shut them down, and run again; nothing was changed"
            )

    def change(self) -> None:
        """Destroy and create; what was destroyed comes back where something fails."""
        gone: list[mig.Instance] = []
        try:
            for one in self.steps.destroy:
                smi("mig", "-i", self.slot, "-dci", "-gi", str(one.id), none=True)
                gone.append(one)
                smi("mig", "-i", self.slot, "-dgi", "-gi", str(one.id))
            if self.steps.create:
                smi(*mig.creation(self.slot, self.steps.create, self.known)[1:])
        except mig.MigError as exc:
            back = "; what was destroyed is there again" if gone else ""
            for one in gone:
                with contextlib.suppress(mig.MigError):
                    smi("mig", "-i", self.slot, "-dgi", "-gi", str(one.id))
                try:
                    smi(*mig.creation(self.slot, [one], self.known)[1:])
                except mig.MigError:
                    back = f"; {one.profile}:{one.start} could not be brought back"
            raise mig.MigError(f"{exc}{back}") from exc
        if self.leaves:
            smi("-i", self.slot, "-mig", "0")

    def named(self, instances: t.Iterable[mig.Instance]) -> list[str]:
        return [f"{self.slot} {one.profile}:{one.start}" for one in sorted(instances, key=lambda one: one.start)]


def former(layout: t.Collection[str]) -> list[Gpu]:
    """The GPUs that the unit makes partitions of and LAYOUT does not name. One that does not answer has none after the next boot, without the unit."""
    gpus = []
    for slot in sorted(set(re.findall(r"-i (\S+)", text(UNIT))) - set(layout)):
        with contextlib.suppress(ChangeError):
            gpus.append(Gpu(slot, None))
    return gpus


def persist(gpus: t.Sequence[Gpu], *, dry: bool) -> bool:
    """Write the unit of the partitions; returns whether it differed."""
    content = mig.unit({gpu.slot: mig.creation(gpu.slot, gpu.desired, gpu.known) for gpu in gpus if gpu.desired})
    if text(UNIT) == content.strip():
        return False
    if not dry:
        boot_units.persist(UNIT, content)
    return True


def act(asked: t.Mapping[str, t.Any], dry: bool) -> dict[str, t.Any]:
    """What gpu_mig returns.

    Raises:
        ChangeError: the layout cannot be had.
    """
    layouts = asked["layout"] if asked["state"] == "present" else {}
    checked(layouts)
    gpus = [Gpu(slot, layout) for slot, layout in sorted(layouts.items())] + former(layouts)
    changing = [gpu for gpu in gpus if gpu.changes]
    for gpu in changing:
        gpu.check_idle()
    pending = [gpu.slot for gpu in changing if gpu.switch]
    for gpu in changing if not dry else ():
        if gpu.switch:
            smi("-i", gpu.slot, "-mig", "1")
        else:
            gpu.change()
    if not dry:
        on = [Gpu(slot, layouts[slot]) for slot in pending]
        pending = [gpu.slot for gpu in on if gpu.switch]
        for gpu in on:
            gpu.change()
        gpus = [gpu for gpu in gpus if not gpu.switch] + on
        changing = [gpu for gpu in changing if not gpu.switch] + on
    persisted = False if pending else persist(gpus, dry=dry)
    if not dry:
        pending += [gpu.slot for gpu in changing if gpu.leaves and mode(gpu.slot) == "Enabled"]
    return {
        "changed": bool(changing) or persisted,
        "created": [line for gpu in changing for line in gpu.named(gpu.steps.create)],
        "destroyed": [line for gpu in changing for line in gpu.named(gpu.steps.destroy)],
        "pending": pending,
        "diff": {
            "before": "\n".join(line for gpu in gpus for line in gpu.named(gpu.there)),
            "after": "\n".join(line for gpu in gpus for line in gpu.named(gpu.desired)),
        },
    }
