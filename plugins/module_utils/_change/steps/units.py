# SPDX-License-Identifier: GPL-3.0-or-later
"""Many units of systemd, brought to their state at once."""

from __future__ import annotations

import typing as t

from .. import units
from ..options import UNITS, unit_diff

SPEC: dict[str, t.Any] = {
    **UNITS,
    "at_boot": {"type": "list", "elements": "str", "default": []},
    "daemon_reload": {"type": "bool", "default": False},
}


def act(asked: t.Mapping[str, t.Any], dry: bool) -> dict[str, t.Any]:
    """What unit_set returns.

    Raises:
        ChangeError: systemd refuses.
    """
    wanted = units.Units(**{name: asked[name] for name in (*UNITS, "at_boot")}).checked()
    if asked["daemon_reload"] and wanted.names() and not dry:
        units.daemon_reload()
    before = units.states(wanted.names())
    verbs = {**units.settling(before, wanted), **units.waking(before, wanted)}
    for verb, names in verbs.items() if not dry else ():
        units.act(verb, names)
    changed = list(dict.fromkeys(name for names in verbs.values() for name in names))
    return {"changed": bool(changed), "units": changed, "diff": unit_diff(before, verbs)}
