# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether programs see the GPUs."""

from __future__ import annotations

import typing as t

from ansible_collections.unified.deploy.plugins.module_utils._change.errors import ChangeError

from .. import smoke

SPEC: dict[str, t.Any] = {
    "ways": {"type": "dict", "required": True},
    "software": {"type": "bool", "default": False},
}


def act(asked: t.Mapping[str, t.Any], _dry: bool) -> dict[str, t.Any]:
    """What gpu_smoke_info returns.

    Raises:
        ChangeError: there is no such way.
    """
    for way, slots in asked["ways"].items():
        if way not in smoke.WAYS:
            raise ChangeError(f"ways: there is no '{way}'. Use {', '.join(smoke.WAYS)}")
        if not isinstance(slots, list):
            raise ChangeError(f"ways: {way} has a list of slots")
    ways = {}
    for way, slots in sorted(asked["ways"].items()):
        looked = smoke.look(way)
        because = smoke.passed(looked, slots, software=asked["software"])
        ways[way] = {"gpus": looked.gpus, "processors": looked.processors, "because": because}
    lines = [f"{way}: {one['because']}" for way, one in ways.items() if one["because"]]
    return {"changed": False, "passed": bool(ways) and not lines, "ways": ways, "lines": lines}
