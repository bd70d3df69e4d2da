# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `sysctl`."""

from __future__ import annotations

import typing as t

from ....module_utils._collect.sysctl import normalised
from ..constraint import Constraint, text
from .base import Check, Connection, Demand, Desired, Evidence, Kind, Platform, Rule, Ruling
from .matchers import Template, as_text, literal, lookup, matching
from .service import kept_from_boot, loads_at_boot
from .settings import MARK, set_key

# Files of one name order decide: nothing may come after ours (sysctl.d(5)).
SYSCTL_PATH = "/etc/sysctl.d/zz-unified.conf"
SYSTEMD_SYSCTL = "/usr/lib/systemd/systemd-sysctl"
# How the kernel makes an interface's value and that of `all` one: include/linux/inetdevice.h (IN_DEV_ORCONF, MAXCONF),
# and net/ipv6 for what looks at the interface alone ("each"). What is not listed obeys `all` (AND of both where a rule
# wants 0, OR where it wants 1: accept_source_route, log_martians, IPv6 forwarding).
COMBINED = {
    "net/ipv4/conf/all/accept_redirects": "or",
    "net/ipv4/conf/all/forwarding": "each",
    "net/ipv4/conf/all/rp_filter": "max",
    "net/ipv4/conf/all/secure_redirects": "or",
    "net/ipv4/conf/all/send_redirects": "or",
    "net/ipv6/conf/all/accept_ra": "each",
    "net/ipv6/conf/all/accept_redirects": "each",
}
# Writing these writes every interface's and the default (net/ipv4/devinet.c, inet_forward_change), so none needs a line.
SPREAD = frozenset({"net/ipv4/conf/all/forwarding"})
# What carries the files out at boot.
LOADER = "sysctl_loader"
# A parameter of an interface is 0, 1 or 2.
VALUES = ("0", "1", "2")


def allowed(constraint: Constraint, key: str, of_all: str | None) -> tuple[str, ...]:
    """What an interface may have so that, with what `all` has, the rule holds for it."""
    if COMBINED[normalised(key)] == "max" and of_all is not None:
        return tuple(value for value in VALUES if constraint.holds(max(value, of_all)))
    return tuple(value for value in VALUES if constraint.holds(value))


class Sysctl(Kind):
    """A parameter, live and stored. One of `all` must hold for every interface, as the kernel combines the two."""

    name = "sysctl"
    sections = ("sysctl", "service", "text")

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        ufw = platform.path("ufw_sysctl")
        units = list(platform.unit_names(LOADER))
        return {"sysctl": [rule.key], "service": units, "text": [SYSCTL_PATH, *([ufw] if ufw else [])]}

    @staticmethod
    def by_ufw(parameter: t.Mapping[str, t.Any]) -> list[t.Mapping[str, t.Any]]:
        """What ufw sets, which loads its file only while it is enabled."""
        return [parameter["ufw"]] if parameter["ufw"] and parameter["ufw"]["enabled"] else []

    @staticmethod
    def interfaces(demand: Demand, evidence: Evidence) -> dict[str, list[str]]:
        """Interfaces for which the rule does not hold, each with what is wrong: ``live``, ``stored``."""
        parameter = evidence["sysctl"][demand.key]
        if normalised(demand.key) not in COMBINED:
            return {}
        now = allowed(demand.value, demand.key, parameter["live"])
        later = allowed(demand.value, demand.key, parameter["disk"])
        unneeded = (None,) if normalised(demand.key) in SPREAD else ()
        wrong = {
            name: [
                *(["live"] if own["live"] is not None and own["live"] not in now else []),
                # One that exists before systemd-sysctl runs (built-in drivers, initrd) does not take what `default` says.
                *(["stored"] if own["live"] is not None and own["disk"] not in (*later, *unneeded) else []),
            ]
            for name, own in parameter["interfaces"].items()
        }
        return {name: kinds for name, kinds in wrong.items() if kinds}

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        parameter = evidence["sysctl"][demand.key]
        if parameter["live"] is None and demand.key.startswith("net.ipv6."):
            return Ruling("not_applicable", "the kernel has no IPv6")
        stored = [parameter["disk"]] if parameter["disk"] is not None else []
        stored += [place["disk"] for place in self.by_ufw(parameter)]
        parts = [f"{text(parameter['live'] or 'absent')} live", f"{' and '.join(stored) or 'not'} stored"]
        bad = self.interfaces(demand, evidence)
        for name, kinds in list(bad.items())[:3]:
            own = parameter["interfaces"][name]
            shown = {"live": f"{own['live']} live", "stored": f"{own['disk'] or 'nothing'} stored"}
            parts.append(f"{name}: {', '.join(shown[kind] for kind in kinds)}")
        holds = demand.value.holds(parameter["live"]) and bool(stored) and all(demand.value.holds(v) for v in stored)
        parts += [f"{place['written']} in {place['source']}" for place in self._by_networkd(demand, evidence)[:1]]
        if kept := kept_from_boot(LOADER, evidence):
            bad["boot"] = []
            parts.append(kept)
        return Ruling("pass" if holds and not bad else "fail", ", ".join(parts), demand.value.describe())

    def obstacle(self, demand: Demand, evidence: Evidence) -> str:
        if kept := kept_from_boot(LOADER, evidence):
            return f"{kept}: nothing would be set at the next boot; systemctl unmask or revert it"
        for place in self._by_networkd(demand, evidence):
            return f"{place['written']} in {place['source']} has systemd-networkd set {place['disk']} after all files of sysctl.d: mend it there"
        return "this kernel has no such parameter" if evidence["sysctl"][demand.key]["live"] is None else ""

    def would_lock_out(self, demand: Demand, evidence: Evidence, connection: Connection) -> str:
        interfaces = evidence["sysctl"][demand.key]["interfaces"]
        # What daemons like systemd-networkd take from routers, they take whatever the kernel does.
        routed = [n for n, own in interfaces.items() if own.get("advertised") and not demand.value.holds(own["live"])]
        if not routed:
            return ""
        return (
            f"{', '.join(routed)} has its IPv6 address or route from a router's advertisements, and would have none after the next boot: "
            "give it an address and a route of its own, or waive the rule"
        )

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        parameter = evidence["sysctl"][demand.key]
        live = parameter["live"]
        # A live value that is stricter than asked is kept, and only stored.
        target = text(live if demand.value.holds(live) else demand.value.target(live))
        content = set_key(desired.text(SYSCTL_PATH, evidence) or f"{MARK}\n", demand.key, target, separator=" = ")
        bad = self.interfaces(demand, evidence)
        if normalised(demand.key) in COMBINED and normalised(demand.key) not in SPREAD:
            # udev runs systemd-sysctl for each interface that appears: the glob is what it then applies.
            content = set_key(content, demand.key.replace(".all.", ".*."), target, separator=" = ")
        for name in (name for name, kinds in bad.items() if "stored" in kinds):
            written = parameter["interfaces"][name]["written"]
            if written and not set(written) & set("*?["):
                # A line that names the interface wins over every glob, so ours must name it too.
                content = set_key(content, written, target, separator=" = ")
        desired.file(SYSCTL_PATH, content)
        # Whether or not ufw is enabled yet: this very run may enable it.
        if parameter["ufw"] and not demand.value.holds(parameter["ufw"]["disk"]):
            path, written = parameter["ufw"]["source"], parameter["ufw"]["written"]
            if path == evidence.platform.path("ufw_sysctl"):
                desired.file(path, set_key(desired.text(path, evidence), written, target, separator="="))
        path = demand.key.replace(".", "/")
        changed = [path.replace("/all/", f"/{name}/") for name, kinds in bad.items() if "live" in kinds]
        changed += [] if demand.value.holds(live) else [demand.key]
        if changed:
            desired.sysctls.update(dict.fromkeys(changed, target))
            desired.run(SYSTEMD_SYSCTL, SYSCTL_PATH)

    def _against(self, demand: Demand, evidence: Evidence) -> list[t.Mapping[str, t.Any]]:
        """Where other files than ours store what breaks the rule."""
        parameter = evidence["sysctl"][demand.key]
        own = [parameter["interfaces"][name] for name in self.interfaces(demand, evidence)]
        stored = [parameter, *self.by_ufw(parameter), *own]
        return [
            place
            for place in stored
            if place["source"] not in (None, SYSCTL_PATH) and not demand.value.holds(place["disk"])
        ]

    def _by_networkd(self, demand: Demand, evidence: Evidence) -> list[t.Mapping[str, t.Any]]:
        """Those of systemd-networkd, whose keys are no paths below /proc/sys."""
        return [place for place in self._against(demand, evidence) if not set(place["written"]) & set("./")]

    def winner(self, demand: Demand, evidence: Evidence) -> str:
        place = next(iter(self._against(demand, evidence)), None)
        return f"{place['source']} ({place['written']} = {place['disk']})" if place else ""

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        parameter, constraint = evidence["sysctl"][demand.key], demand.value
        values = self._values(constraint, parameter["live"])
        matcher: t.Any = values[0] if len(values) == 1 else {"or": values}
        # Which interfaces there are, Goss has from the evidence.
        alone = normalised(demand.key) not in COMBINED
        made = [
            Check("kernel-param", {"name": demand.key, "value": matcher}, decides=alone),
            *loads_at_boot(LOADER, evidence),
        ]
        sources = [place for place in (parameter, *self.by_ufw(parameter)) if place["source"]]
        made += [self._line(place, values) for place in sources]
        # A line that stands is not the one that counts where another follows it.
        last = {"match-regexp": f"^({'|'.join(literal(value) for value in values)})$"}
        made += [matching(as_text("sysctl", demand.key, "disk"), last)] if parameter["source"] else []
        if not sources:
            source = Template(f"{{{{ {lookup('sysctl', demand.key, 'source')} | toJson }}}}")
            made.append(matching(source, {"match-regexp": "^/"}))
        if normalised(demand.key) in COMBINED:
            now = allowed(constraint, demand.key, parameter["live"]) or ("none",)
            for name, own in parameter["interfaces"].items():
                if own["live"] is None:
                    continue
                path = "/proc/sys/" + normalised(demand.key).replace("/all/", f"/{name}/")
                made.append(Check("file", {"path": path, "exists": True, "contents": [f"/^({'|'.join(now)})$/"]}))
                later = allowed(constraint, demand.key, parameter["disk"]) or ("none",)
                disk = Template(
                    f'{{{{ {lookup("sysctl", demand.key, "interfaces", name, "disk")} | default "" | toString | toJson }}}}'
                )
                optional = "?" if normalised(demand.key) in SPREAD else ""
                made.append(matching(disk, {"match-regexp": f"^({'|'.join(later)}){optional}$"}))
        return made

    @staticmethod
    def _values(constraint: Constraint, live: str | None) -> list[t.Any]:
        choices = constraint.in_ if constraint.in_ is not None else (constraint.eq,)
        values: list[t.Any] = [text(one) for one in choices if one is not None]
        if constraint.ge is not None or constraint.le is not None:
            # kernel-param compares text; bounds are rare here and checked by what the planner accepts.
            values = [text(live)] if constraint.holds(live) else ["in bounds"]
        return values

    @staticmethod
    def _line(place: t.Mapping[str, str], values: list[t.Any]) -> Check:
        pattern = "|".join(literal(value) for value in values)
        line = f"/^\\s*-?{literal(place['written'])}\\s*=\\s*({pattern})\\s*$/"
        return Check("file", {"path": place["source"], "exists": True, "contents": [line]})


KINDS = (Sysctl(),)
