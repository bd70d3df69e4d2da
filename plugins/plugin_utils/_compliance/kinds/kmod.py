# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `kmod`."""

from __future__ import annotations

import typing as t

from .base import (
    Check,
    Demand,
    Desired,
    Evidence,
    Kind,
    Platform,
    Rule,
    Ruling,
    ruling,
)
from .matchers import Template, lookup, matching
from .settings import add_lines

MODPROBE_PATH = "/etc/modprobe.d/zz-unified.conf"


NO_OP = ("/bin/false", "/bin/true", "/usr/bin/false", "/usr/bin/true")


class Kmod(Kind):
    name = "kmod"
    sections = ("kmod", "text")
    constrained = ()

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        return {"kmod": [rule.key], "text": [MODPROBE_PATH]}

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        found = evidence["kmod"][demand.key]
        blocked = found["install"] in NO_OP and found["blacklist"]
        states = {
            "built into the kernel": found["built_in"],
            "loaded": found["loaded"],
            "loadable": found["on_disk"] and not blocked,
        }
        present = [name for name, holds in states.items() if holds]
        fine = "not on this host" if not found["on_disk"] else "blocked"
        return ruling(not present, ", ".join(present) or fine, "not loadable, not loaded")

    def obstacle(self, demand: Demand, evidence: Evidence) -> str:
        return (
            "it is built into this kernel: only another kernel is without it"
            if evidence["kmod"][demand.key]["built_in"]
            else ""
        )

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        name = demand.key
        lines = (f"install {name} /bin/false", f"blacklist {name}")
        desired.file(MODPROBE_PATH, add_lines(desired.text(MODPROBE_PATH, evidence), lines))
        if evidence["kmod"][name]["loaded"]:
            desired.run("modprobe", "--remove", name)

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        name = demand.key
        gone = Check("file", {"path": f"/sys/module/{name.replace('-', '_')}", "exists": False})
        entry = lookup("kmod", name)
        state = f'{{{{ printf "%v %v %v" (index {entry} "on_disk") (index {entry} "install") (index {entry} "blacklist") | toJson }}}}'
        allowed = "^(false .*|true (/usr)?/bin/(false|true) true)$"
        return [gone, matching(Template(state), {"match-regexp": allowed})]


KINDS = (Kmod(),)
