# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual functions of GPUs, brought to their numbers."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change.errors import ChangeError
from ansible_collections.unified.deploy.plugins.module_utils._change.files import text

from .. import boot_units, devices, sriov
from ..tree import Tree

UNIT = f"/etc/systemd/system/{sriov.NAME}"
ROOT = "/"
SPEC: dict[str, t.Any] = {
    "functions": {"type": "dict", "default": {}},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def shown(numbers: t.Mapping[str, int]) -> str:
    return "".join(f"{slot} {number}\n" for slot, number in sorted(numbers.items()))


def act(asked: t.Mapping[str, t.Any], dry: bool) -> dict[str, t.Any]:
    """What gpu_sriov returns.

    Raises:
        ChangeError: a number cannot be had, or a function is in use; with the slots that were changed before.
    """
    tree, functions, there = Tree(ROOT), asked["functions"] if asked["state"] == "present" else {}, text(UNIT)
    # What the unit made and nobody asks for any more goes too.
    ours = set(re.findall(rf"cat /{devices.PCI}/([0-9a-f:.]+)/sriov_numvfs", there))
    desired = {slot: 0 for slot in sorted(ours - set(functions)) if tree.is_directory(devices.PCI, slot)} | functions
    changed: list[str] = []
    try:
        for slot, number in functions.items():
            sriov.check(tree, slot, number)
        before = {slot: sriov.current(tree, slot) for slot in desired}
        changing = [slot for slot in sorted(desired) if before[slot] != desired[slot]]
        for slot in changing:
            if holders := sriov.users(tree, slot):
                raise sriov.SriovError(
                    f"{slot} is in use by {', '.join(holders)}. End that, and run again; nothing was changed"
                )
        for slot in changing if not dry else ():
            sriov.change(tree, slot, desired[slot])
            changed.append(slot)
        content = sriov.unit(functions)
        persisting = there != content.strip()
        if persisting and not dry:
            boot_units.persist(UNIT, content)
    except ChangeError as exc:
        failure = sriov.SriovError(f"{exc}" + (f"; changed before: {', '.join(changed)}" if changed else ""))
        failure.details = {"slots": changed}
        raise failure from exc
    return {
        "changed": bool(changing) or persisting,
        "slots": changing,
        "diff": {"before": shown(before), "after": shown(desired)},
    }
