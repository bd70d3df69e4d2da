# SPDX-License-Identifier: GPL-3.0-or-later
"""Kinds `sysctl` and `kmod`."""

from __future__ import annotations

import typing as t

from ...module_utils._collect.kernel import UFW_SYSCTL
from .._constraint import text
from .base import Check, Demand, Desired, Evidence, Kind, Rule, Ruling, ruling
from .goss import Template, literal, lookup, matching
from .settings import MARK, add_lines, set_key

# Files of one name order decide: nothing may come after ours (sysctl.d(5)).
SYSCTL_PATH = "/etc/sysctl.d/zz-unified.conf"
MODPROBE_PATH = "/etc/modprobe.d/zz-unified.conf"
NO_OP = ("/bin/false", "/bin/true", "/usr/bin/false", "/usr/bin/true")


class Sysctl(Kind):
    name = "sysctl"
    sections = ("sysctl", "texts")

    def request(self, rule: Rule) -> dict[str, t.Any]:
        return {"sysctl": [rule.key], "texts": [SYSCTL_PATH, UFW_SYSCTL]}

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        found = evidence["sysctl"][demand.key]
        if found["live"] is None and demand.key.startswith("net.ipv6."):
            return Ruling("not_applicable", "the kernel has no IPv6")
        holds = demand.value.holds(found["live"]) and demand.value.holds(found["disk"])
        shown = f"{text(found['live'] or 'absent')} live, {text(found['disk'] or 'not')} stored"
        return ruling(holds, shown, demand.value.describe())

    def obstacle(self, demand: Demand, evidence: Evidence) -> str:
        return "this kernel has no such parameter" if evidence["sysctl"][demand.key]["live"] is None else ""

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        found = evidence["sysctl"][demand.key]
        live = found["live"]
        # A live value that is stricter than asked is kept, and only stored.
        target = text(live if demand.value.holds(live) else demand.value.target(live))
        content = desired.text(SYSCTL_PATH, evidence) or f"{MARK}\n"
        desired.file(SYSCTL_PATH, set_key(content, demand.key, target, separator=" = "))
        if found["source"] == UFW_SYSCTL:
            desired.file(
                UFW_SYSCTL, set_key(desired.text(UFW_SYSCTL, evidence), found["written"], target, separator="=")
            )
        if not demand.value.holds(live):
            desired.run("/usr/lib/systemd/systemd-sysctl", SYSCTL_PATH)

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        found = evidence["sysctl"][demand.key]
        constraint = demand.value
        allowed = constraint.in_ if constraint.in_ is not None else (constraint.eq,)
        values: list[t.Any] = [text(one) for one in allowed if one is not None]
        if constraint.ge is not None or constraint.le is not None:
            # kernel-param compares text; bounds are rare here and checked by what the planner accepts.
            values = [text(found["live"])] if constraint.holds(found["live"]) else ["in bounds"]
        matcher: t.Any = values[0] if len(values) == 1 else {"or": values}
        checks = [Check("kernel-param", {"name": demand.key, "value": matcher})]
        if found["source"]:
            pattern = "|".join(literal(value) for value in values)
            key = literal(found["written"])
            line = f"/^\\s*-?{key}\\s*=\\s*({pattern})\\s*$/"
            return [*checks, Check("file", {"path": found["source"], "exists": True, "contents": [line]})]
        return [
            *checks,
            matching(Template(f"{{{{ {lookup('sysctl', demand.key, 'source')} | toJson }}}}"), {"match-regexp": "^/"}),
        ]


class Kmod(Kind):
    name = "kmod"
    sections = ("kmod", "texts")
    constrained = ()

    def request(self, rule: Rule) -> dict[str, t.Any]:
        return {"kmod": [rule.key], "texts": [MODPROBE_PATH]}

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
