#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Partition NVIDIA GPUs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_mig
short_description: Partition NVIDIA GPUs (MIG) by a layout
version_added: 0.2.0
description:
  - Compares the layout with the instances that are there, by profile and place, and changes only what differs.
  - Refuses while a process computes on a GPU that would change, while guests have a part of it (vGPU),
    and where the layout does not fit. All GPUs are looked at before one is changed.
  - Writes a unit that makes the same partitions at every boot, as the GPUs forget them.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  layout:
    description:
      - Instances by the PCI slot of the GPU. Each is a dict with C(profile), such as V(3g.71gb), and optionally C(start), the first memory slice.
      - A GPU that is not named is left alone. One with an empty list gets no instances.
    type: dict
    required: true
seealso:
  - module: unified.deploy.gpu_info
  - module: unified.deploy.gpu_sriov
  - module: unified.deploy.gpu_cdi
attributes:
  check_mode:
    description: Can run in check mode.
    support: full
  diff_mode:
    description: Shows the instances before and after.
    support: full
  idempotent:
    description: Instances that are as they should be are not touched.
    support: full
notes:
  - Where MIG is off, it is switched on. Some GPUs take that only with a reset or boot, which RV(pending) tells and the module never does.
"""

EXAMPLES = r"""
- name: Split one GPU in two halves, and leave the second whole
  unified.deploy.gpu_mig:
    layout:
      "0000:83:00.0":
        - profile: 3g.71gb
          start: 0
        - profile: 3g.71gb
          start: 4
"""

RETURN = r"""
created:
  description: Instances that came, as C(slot profile:start).
  type: list
  elements: str
  returned: success
destroyed:
  description: Instances that went.
  type: list
  elements: str
  returned: success
pending:
  description: GPUs that switch MIG on only when they are reset or the host boots.
  type: list
  elements: str
  returned: success
"""

import contextlib
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.unified.deploy.plugins.module_utils._change import programs
from ansible_collections.unified.deploy.plugins.module_utils._change.errors import ChangeError
from ansible_collections.unified.deploy.plugins.module_utils._change.files import text
from ansible_collections.unified.deploy.plugins.module_utils._gpu import boot_units, mig, sriov
from ansible_collections.unified.deploy.plugins.module_utils._gpu.tree import Tree

ROOT = "/"
UNIT = "/etc/systemd/system/unified-gpu-mig.service"


def smi(*argv: str) -> str:
    """What nvidia-smi says.

    Raises:
        MigError: it fails.
    """
    answer = programs.run(["nvidia-smi", *argv])
    if answer.code:
        raise mig.MigError(f"'nvidia-smi {' '.join(argv)}' ended with {answer.code}: {answer.said}")
    return answer.out


def checked(layout: t.Mapping[str, t.Any]) -> None:
    """Refuse what is no layout.

    Raises:
        MigError: with the slot.
    """
    for slot, instances in layout.items():
        for one in instances if isinstance(instances, list) else [None]:
            known = isinstance(one, dict) and not set(one) - {"profile", "start"}
            start = one.get("start") if known else None
            if not known or not isinstance(one.get("profile"), str) or not (start is None or isinstance(start, int)):
                raise mig.MigError(
                    f"layout: {slot} has a list of dicts, each with 'profile' and optionally the number 'start'"
                )


class Gpu:
    """One GPU: what it has, and what it is to have."""

    def __init__(self, slot: str, layout: t.Any) -> None:
        self.slot = slot
        self.mode = smi("-i", slot, "--query-gpu=mig.mode.current", "--format=csv,noheader").strip()
        if self.mode not in ("Enabled", "Disabled"):
            raise mig.MigError(f"{slot} has no MIG (nvidia-smi says '{self.mode}')")
        asked = [{"profile": one["profile"], "start": one.get("start")} for one in layout]
        on = self.mode == "Enabled"
        # nvidia-smi ends with an error where there is no instance.
        self.there = mig.instances(programs.run(["nvidia-smi", "mig", "-i", slot, "-lgi"]).out) if on else []
        self.known = mig.profiles(smi("mig", "-i", slot, "-lgip"), smi("mig", "-i", slot, "-lgipp")) if on else {}
        self.desired = mig.placed(asked, self.known, self.there) if on else []
        self.switch = bool(asked) and not on
        self.steps = mig.steps(self.there, self.desired)

    @property
    def changes(self) -> bool:
        return self.switch or any(self.steps)

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
                smi("mig", "-i", self.slot, "-dci", "-gi", str(one.id))
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

    def named(self, instances: t.Iterable[mig.Instance]) -> list[str]:
        return [f"{self.slot} {one.profile}:{one.start}" for one in sorted(instances, key=lambda one: one.start)]


def persist(gpus: t.Sequence[Gpu], *, dry: bool) -> bool:
    """Write the unit of the partitions; returns whether it differed."""
    content = mig.unit([mig.creation(gpu.slot, gpu.desired, gpu.known) for gpu in gpus if gpu.desired])
    if text(UNIT) == content.strip():
        return False
    if not dry:
        boot_units.persist(UNIT, content)
    return True


def main() -> t.NoReturn:
    module = AnsibleModule(argument_spec={"layout": {"type": "dict", "required": True}}, supports_check_mode=True)
    try:
        checked(module.params["layout"])
        gpus = [Gpu(slot, layout) for slot, layout in sorted(module.params["layout"].items())]
        changing = [gpu for gpu in gpus if gpu.changes]
        for gpu in changing:
            gpu.check_idle()
        pending = [gpu.slot for gpu in changing if gpu.switch]
        for gpu in changing if not module.check_mode else ():
            if gpu.switch:
                smi("-i", gpu.slot, "-mig", "1")
            else:
                gpu.change()
        if not module.check_mode:
            on = [Gpu(slot, module.params["layout"][slot]) for slot in pending]
            pending = [gpu.slot for gpu in on if gpu.switch]
            for gpu in on:
                gpu.change()
            gpus = [gpu for gpu in gpus if not gpu.switch] + on
            changing = [gpu for gpu in changing if not gpu.switch] + on
        persisted = False if pending else persist(gpus, dry=module.check_mode)
    except (mig.MigError, sriov.SriovError, ChangeError) as exc:
        module.fail_json(msg=str(exc))
    before = [line for gpu in gpus for line in gpu.named(gpu.there)]
    after = [line for gpu in gpus for line in gpu.named(gpu.desired)]
    module.exit_json(
        changed=bool(changing) or persisted,
        created=[line for gpu in changing for line in gpu.named(gpu.steps.create)],
        destroyed=[line for gpu in changing for line in gpu.named(gpu.steps.destroy)],
        pending=pending,
        diff={"before": "\n".join(before), "after": "\n".join(after)},
    )


if __name__ == "__main__":
    main()
