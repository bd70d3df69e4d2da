# SPDX-License-Identifier: GPL-3.0-or-later
"""A driver that was proven for every kernel that can boot, installed or taken away."""

from __future__ import annotations

import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change.errors import ChangeError
from ansible_collections.unified.deploy.plugins.module_utils._change.journal import BASE
from ansible_collections.unified.deploy.plugins.module_utils._change.lock import Lock

from .. import driver, driver_dnf, removal
from ..archive import DriverError, uses_apt

_WORDS = {"type": "list", "elements": "str", "default": []}
SPEC: dict[str, t.Any] = {
    "name": {"type": "str", "default": "nvidia"},
    "packages": _WORDS,
    "extra": _WORDS,
    "branch": {"type": "str", "default": ""},
    "version": {"type": "str", "default": ""},
    "manager": {"type": "str", "choices": ["auto", "apt", "dnf"], "default": "auto"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def act(asked: t.Mapping[str, t.Any], dry: bool) -> dict[str, t.Any]:
    """What gpu_driver returns.

    Raises:
        ChangeError: what is asked for is no driver, or another process changes the host.
    """
    if asked["packages"] and not asked["branch"].isdecimal():
        raise ChangeError("packages of a driver need its branch, such as 580: a name alone may move to another")
    desired = driver.Driver(
        asked["name"], tuple(asked["packages"]), tuple(asked["extra"]), asked["branch"], asked["version"]
    )
    apt = uses_apt(asked["manager"])
    outcome, because, reason, unbuilt = driver.Outcome([], {}, {}), "", "", False
    manager = driver if apt else driver_dnf
    try:
        with Lock(BASE, "installing a driver"):
            if asked["state"] == "absent":
                outcome = outcome._replace(said=removal.absent(dry=dry)) if apt else driver_dnf.absent(dry=dry)
            else:
                outcome = manager.present(desired, dry=dry)
                reason = manager.reboot_reason(desired)
    except DriverError as exc:
        because, unbuilt = str(exc), isinstance(exc, driver.UnbuiltError)
    return {
        "changed": bool(outcome.said),
        "blocked": bool(because),
        "because": because,
        "unbuilt": unbuilt,
        "said": outcome.said,
        "versions": outcome.versions,
        "proofs": outcome.proofs,
        "reboot_reason": reason,
        "diff": {"prepared": "".join(f"{line}\n" for line in outcome.said)},
    }
