# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `loopback`."""

from __future__ import annotations

import re
import typing as t

from ..firewall_tools import Ufw
from .base import Check, Demand, Desired, Evidence, Kind, Platform, Rule, Ruling, ruling
from .matchers import as_json, matching

SAYS = {
    "in": "accepts nothing that comes in over lo",
    "out": "accepts nothing that goes out over lo",
    "refuses": "does not refuse {}",
}
SOURCES = {"ip": "127.0.0.0/8", "ip6": "::1"}
STORED = {"ip": "/etc/ufw/user.rules", "ip6": "/etc/ufw/user6.rules"}
UFW = Ufw()


class Loopback(Kind):
    """The loaded filter accepts what comes and goes over ``lo``, and refuses its addresses where they come in elsewhere."""

    name = "loopback"
    sections = ("firewall", "text")
    constrained = ()

    def resolve(self, rule: Rule, platform: Platform) -> bool:
        return platform.tool("firewall") == "ufw" and super().resolve(rule, platform)

    @staticmethod
    def families(evidence: Evidence) -> list[str]:
        return ["ip", "ip6"] if UFW.filters_ipv6(evidence) else ["ip"]

    def lacking(self, evidence: Evidence) -> list[tuple[str, str]]:
        """Pairs of a family and what its filter does not do."""
        seen = evidence["firewall"]["loopback"]
        return [(family, word) for family in self.families(evidence) for word in SAYS if not seen[family][word]]

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        lacking = [f"{family} {SAYS[word].format(SOURCES[family])}" for family, word in self.lacking(evidence)]
        return ruling(not lacking, "; ".join(lacking) or "as asked", "lo accepted, its addresses refused elsewhere")

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        return {"text": list(STORED.values())}

    def concerns(self, demand: Demand, section: str, item: str) -> bool:
        return section != "text"

    @staticmethod
    def stored(family: str, evidence: Evidence) -> bool:
        """Whether ufw's own file has the rule (ufw notes each as a tuple)."""
        line = rf"^### tuple ### (deny|reject) any any \S+ any {re.escape(SOURCES[family])} in\b"
        return re.search(line, evidence["text"].get(STORED[family]) or "", re.MULTILINE) is not None

    def obstacle(self, demand: Demand, evidence: Evidence) -> str:
        chains = UFW.chains(evidence, "input")
        for family, word in self.lacking(evidence):
            if not any(chain["family"] == family for chain in chains):
                if self.stored(family, evidence):
                    return "it is set, and rule firewall/enabled loads ufw's chains"
            elif word != "refuses":
                return f"the loaded filter {SAYS[word]}: put the lines for lo of the package's own before.rules back into /etc/ufw"
            elif self.stored(family, evidence):
                return f"ufw refuses {SOURCES[family]}, and a rule that stands before it accepts it: take that out"
        return ""

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        for family, word in self.lacking(evidence):
            if word == "refuses" and not self.stored(family, evidence):
                desired.run("ufw", "deny", "in", "from", SOURCES[family])

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        return [
            matching(as_json("firewall", "loopback", family, word), True)
            for family in self.families(evidence)
            for word in SAYS
        ]


KINDS = (Loopback(),)
