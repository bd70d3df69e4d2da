# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `kmod`."""

from __future__ import annotations

import re
import typing as t

from ....module_utils._collect.kmod import plain
from .base import Check, Demand, Desired, Evidence, Kind, Platform, Rule, Ruling, ruling
from .matchers import Template, literal, lookup, matching
from .settings import add_lines

# Of several install lines modprobe takes the first (libkmod), so this file comes early.
MODPROBE_PATH = "/etc/modprobe.d/00-unified.conf"
NO_OP = ("/bin/false", "/bin/true", "/usr/bin/false", "/usr/bin/true")


class Kmod(Kind):
    """A module that cannot be loaded: no kernel on the disk has it, or modprobe is told to run nothing in its place."""

    name = "kmod"
    sections = ("kmod", "text")
    constrained = ()

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        return {"kmod": [rule.key], "text": [MODPROBE_PATH]}

    def concerns(self, demand: Demand, section: str, item: str) -> bool:
        if section != "kmod":
            return super().concerns(demand, section, item)
        return item == plain(demand.key) or item.startswith("/")

    @staticmethod
    def blocked(module: t.Mapping[str, t.Any]) -> bool:
        return module["install"] in NO_OP and bool(module["blacklist"])

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        module = evidence["kmod"][demand.key]
        states = {
            "built into the kernel": module["built_in"],
            "loaded": module["loaded"],
            "loadable": module["on_disk"] and not self.blocked(module),
        }
        present = [name for name, holds in states.items() if holds]
        if module["install"] and module["install"] not in NO_OP:
            present.append(f"modprobe runs '{module['install']}'")
        fine = "blocked" if module["on_disk"] else "not on this host"
        return ruling(not present, ", ".join(present) or fine, "not loadable, not loaded")

    def obstacle(self, demand: Demand, evidence: Evidence) -> str:
        module = evidence["kmod"][demand.key]
        if module.get("used") and not self.blocked(module):
            return (
                f"{demand.key} is in use (a mount, a disk or a socket), which the next boot would be without: end that first, "
                "or waive the rule"
            )
        return "it is built into this kernel: only another kernel is without it" if module["built_in"] else ""

    def pending(self, demand: Demand, evidence: Evidence) -> str:
        # Removing a module that is in use fails, and one that is not may be in use a moment later.
        module = evidence["kmod"][demand.key]
        held_by_memory = module["loaded"] and self.blocked(module)
        return f"the kernel module {demand.key} is gone at the next boot" if held_by_memory else ""

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        lines = (f"install {demand.key} /bin/false", f"blacklist {demand.key}")
        desired.file(MODPROBE_PATH, add_lines(desired.text(MODPROBE_PATH, evidence), lines))

    def winner(self, demand: Demand, evidence: Evidence) -> str:
        source = evidence["kmod"][demand.key]["sources"]["install"]
        return f"{source} (install {demand.key})" if source and source != MODPROBE_PATH else ""

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        name, module = demand.key, evidence["kmod"][demand.key]
        made = [Check("file", {"path": f"/sys/module/{plain(name)}", "exists": False})]
        entry = lookup("kmod", name)
        shown = " ".join(f'(index {entry} "{key}")' for key in ("on_disk", "install", "blacklist"))
        state = f'{{{{ printf "%v %v %v" {shown} | toJson }}}}'
        allowed = "^(false (<nil>|(/usr)?/bin/(false|true)) .*|true (/usr)?/bin/(false|true) true)$"
        made.append(matching(Template(state), {"match-regexp": allowed}))
        if module["on_disk"] and module["sources"]["install"]:
            either = re.sub("[-_]", "[-_]", literal(name))
            # Goss reads line by line: of one that goes on in the next it sees the beginning.
            line = f"^\\s*install\\s*(\\s{either}\\s*(\\s(/usr)?/bin/(false|true)\\s*|\\\\)|\\\\)$"
            made.append(
                Check("file", {"path": module["sources"]["install"], "exists": True, "contents": [f"/{line}/"]})
            )
        return made


KINDS = (Kmod(),)
