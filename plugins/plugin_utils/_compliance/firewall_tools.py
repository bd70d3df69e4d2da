# SPDX-License-Identifier: GPL-3.0-or-later
"""Who writes a platform's packet filter: ufw(8), firewalld(1) or the site itself with nft(8)."""

from __future__ import annotations

import typing as t

from .kinds.base import Check, Desired, Evidence
from .kinds.matchers import Template, literal, matching

HOOKS = {"default_incoming": "input", "default_outgoing": "output", "default_routed": "forward"}
Chain = t.Mapping[str, t.Any]


class Tool:
    """A firewall's settings, what the kernel has of them, and how to change them.

    A policy is ``deny``, ``reject`` or ``allow``, or None where it is not set.
    """

    name: t.ClassVar[str]

    def enabled(self, evidence: Evidence) -> bool:
        """Whether it is switched on for the next boot."""
        raise NotImplementedError

    def chains(self, evidence: Evidence, hook: str) -> list[Chain]:
        """Base chains of this tool that the kernel has for HOOK."""
        raise NotImplementedError

    def loaded(self, evidence: Evidence, hook: str) -> bool:
        return bool(self.chains(evidence, hook))

    def policy(self, evidence: Evidence, key: str) -> str | None:
        raise NotImplementedError

    def obstacle(self, evidence: Evidence) -> str:
        """Why this tool must not be used on the host; empty where it may."""
        own = sorted({f"{c['family']} {c['table']}" for c in self.foreign(evidence)})
        if own:
            return f"the host has filter rules of its own (table {', '.join(own)}): let one firewall rule, theirs or {self.name}"
        if evidence["firewall"]["legacy"]:
            return f"the host has legacy iptables rules ({', '.join(evidence['firewall']['legacy'])}): move them to {self.name} first"
        return ""

    def foreign(self, evidence: Evidence) -> list[Chain]:
        """Chains of others that choose what comes in: by a policy, or by accepting some and refusing the rest."""
        mine = self.chains(evidence, "input")
        return [
            chain
            for chain in evidence["firewall"]["chains"]
            if chain["hook"] == "input"
            and chain["type"] == "filter"
            and ((chain["policy"] == "drop" and chain not in mine) or (chain["accepts"] and chain["refuses"]))
        ]

    def decides(self, evidence: Evidence, port: str) -> str:
        """What the tool's rules do with a port (``443/tcp``) from anywhere: allow, deny, or empty for no rule."""
        raise NotImplementedError

    def open(self, port: str, source: str, desired: Desired) -> None:
        """Let a port or a range (``443/tcp``, ``9000-9010/udp``) in, from SOURCE or, where that is empty, from anywhere."""
        raise NotImplementedError

    def enable(self, evidence: Evidence, desired: Desired) -> None:
        raise NotImplementedError

    def redirected(self, evidence: Evidence) -> list[str]:
        """Tables of others that send what comes in on to elsewhere, and that this tool would close."""
        return []

    def let_through(self, desired: Desired) -> None:
        """Leave what is sent on to others, containers for one, to those who send it."""

    def set_policy(self, key: str, policy: str, desired: Desired) -> None:
        raise NotImplementedError

    def asserts(self, key: str, policies: t.Sequence[str]) -> list[Check]:
        """Goss resources for a rule: its file, and what the kernel has."""
        raise NotImplementedError


class Ufw(Tool):
    name = "ufw"
    variables: t.ClassVar[dict[str, str]] = {
        "default_incoming": "DEFAULT_INPUT_POLICY",
        "default_outgoing": "DEFAULT_OUTPUT_POLICY",
        "default_routed": "DEFAULT_FORWARD_POLICY",
    }
    words: t.ClassVar[dict[str, str]] = {"DROP": "deny", "REJECT": "reject", "ACCEPT": "allow"}
    # /etc/ufw/before.rules and before6.rules let these in: DHCP, discovery by multicast.
    always: t.ClassVar[tuple[str, ...]] = ("68/udp", "546/udp", "1900/udp", "5353/udp")

    def enabled(self, evidence: Evidence) -> bool:
        return str(evidence["firewall"]["ufw"].get("ENABLED", "no")).lower() == "yes"

    def chains(self, evidence: Evidence, hook: str) -> list[Chain]:
        return [
            chain
            for chain in evidence["firewall"]["chains"]
            if chain["hook"] == hook
            and (chain["family"], chain["table"]) in (("ip", "filter"), ("ip6", "filter"))
            and any(target.startswith("ufw") for target in chain["jumps"])
        ]

    def loaded(self, evidence: Evidence, hook: str) -> bool:
        families = {chain["family"] for chain in self.chains(evidence, hook)}
        if self.filters_ipv6(evidence):
            return families >= {"ip", "ip6"}
        return families >= {"ip"} and (hook != "input" or self.refuses_ipv6(evidence))

    @staticmethod
    def filters_ipv6(evidence: Evidence) -> bool:
        return str(evidence["firewall"]["ufw"].get("IPV6", "yes")).lower() == "yes"

    @staticmethod
    def refuses_ipv6(evidence: Evidence) -> bool:
        """Whether nothing comes in by IPv6: what ufw sees to where it leaves that alone (ufw-init-functions, IPV6=no)."""
        return not evidence["firewall"]["ipv6"] or any(
            (chain["family"], chain["table"], chain["hook"], chain["policy"]) == ("ip6", "filter", "input", "drop")
            and not chain["open"]
            for chain in evidence["firewall"]["chains"]
        )

    def policy(self, evidence: Evidence, key: str) -> str | None:
        return self.words.get(evidence["firewall"]["ufw"].get(self.variables[key], ""))

    def decides(self, evidence: Evidence, port: str) -> str:
        number, _mark, protocol = port.partition("/")
        for rule in evidence["firewall"]["rules"]:
            if rule["protocol"] in ("any", protocol) and rule["first"] <= int(number) <= rule["last"]:
                return "allow" if rule["action"] in ("allow", "limit") else "deny"
        return "allow" if port in self.always else ""

    def open(self, port: str, source: str, desired: Desired) -> None:
        number, _mark, protocol = port.replace("-", ":").partition("/")
        if source:
            desired.run("ufw", "allow", "proto", protocol, "from", source, "to", "any", "port", number)
        else:
            desired.run("ufw", "allow", f"{number}/{protocol}")

    def enable(self, evidence: Evidence, desired: Desired) -> None:
        desired.run("ufw", "--force", "enable")
        if not self.filters_ipv6(evidence) and not self.refuses_ipv6(evidence):
            # What has started already it does not start again.
            desired.run("ufw", "reload")
        desired.add("units_enabled", evidence.platform.unit_names("firewall"))

    def redirected(self, evidence: Evidence) -> list[str]:
        chains = evidence["firewall"]["chains"]
        nat = [chain for chain in chains if (chain["type"], chain["hook"]) == ("nat", "prerouting")]
        return sorted({f"{chain['family']} {chain['table']}" for chain in nat})

    def let_through(self, desired: Desired) -> None:
        # A port that a container publishes passes its chain for routed packets, which its rules for ports do not open.
        desired.run("ufw", "default", "allow", "routed")

    def set_policy(self, key: str, policy: str, desired: Desired) -> None:
        desired.run("ufw", "default", policy, key.removeprefix("default_"))

    def asserts(self, key: str, policies: t.Sequence[str]) -> list[Check]:
        hook = HOOKS.get(key, "input")
        if key == "enabled":
            line = Check(
                "file", {"path": "/etc/ufw/ufw.conf", "exists": True, "contents": ["/^ENABLED=[yY][eE][sS]\\s*$/"]}
            )
        else:
            values = [word for word, policy in self.words.items() if policy in policies]
            pattern = f'/^{self.variables[key]}="?({"|".join(values)})"?\\s*$/'
            line = Check("file", {"path": "/etc/default/ufw", "exists": True, "contents": [pattern]})
        made = [line, *(self._live(family, hook, key, policies) for family in ("ip", "ip6"))]
        return [*made, self._left_alone()] if hook == "input" else made

    @staticmethod
    def _left_alone() -> Check:
        """Where ufw leaves IPv6 alone, what comes in by it is refused."""
        off = '(eq (lower (dig "sections" "firewall" "items" "ufw" "IPV6" "yes" .Vars)) "no")'
        chain = '(eq .family "ip6") (eq .hook "input") (eq .table "filter")'
        word = f"{{{{ if and {chain} }}}}{{{{ .policy }}}}{{{{ if .open }}}}, open{{{{ end }}}}{{{{ end }}}}"
        shown = f"{{{{ range .Vars.sections.firewall.items.chains }}}}{word}{{{{ end }}}}"
        asked = f'{{{{ if and {off} (dig "sections" "firewall" "items" "ipv6" true .Vars) }}}}{shown}{{{{ else }}}}drop{{{{ end }}}}'
        return matching(Template(f'"{asked}"'), {"match-regexp": "^drop$"})

    @staticmethod
    def _live(family: str, hook: str, key: str, policies: t.Sequence[str]) -> Check:
        """The policy of ufw's chain: the word ``none`` where it has none, ``off`` where ufw leaves a family out."""
        chain = (
            f'and (eq .family "{family}") (eq .hook "{hook}") (eq .table "filter") (contains "ufw" (join "," .jumps))'
        )
        shown = f"{{{{ range .Vars.sections.firewall.items.chains }}}}{{{{ if {chain} }}}}{{{{ .policy }}}}{{{{ end }}}}{{{{ end }}}}"
        off = '{{ if eq (lower (dig "sections" "firewall" "items" "ufw" "IPV6" "yes" .Vars)) "no" }}off{{ end }}'
        allowed = ["drop|accept"] if key == "enabled" else ["accept" if one == "allow" else "drop" for one in policies]
        pattern = "|".join([*dict.fromkeys(allowed), *(["off"] if family == "ip6" else [])])
        return matching(
            Template(f'"{shown}{off if family == "ip6" else ""}"'),
            {"match-regexp": f"^({pattern}|(drop|accept)off)$" if family == "ip6" else f"^({pattern})$"},
        )


class Firewalld(Tool):
    """The default zone: its target is what happens to what no rule of it names (firewalld.zone(5))."""

    name = "firewalld"
    targets: t.ClassVar[dict[str, str]] = {
        "default": "reject",
        "%%REJECT%%": "reject",
        "DROP": "deny",
        "ACCEPT": "allow",
    }

    def enabled(self, evidence: Evidence) -> bool:
        return bool(evidence["firewall"].get("zone"))

    def chains(self, evidence: Evidence, hook: str) -> list[Chain]:
        return [c for c in evidence["firewall"]["chains"] if c["hook"] == hook and c["table"] == "firewalld"]

    def policy(self, evidence: Evidence, key: str) -> str | None:
        zone = evidence["firewall"].get("zone") or {}
        # It has no policy for what goes out, and forwards only inside a zone.
        return (
            {"default_incoming": self.targets.get(zone.get("target", "")), "default_routed": "reject"}.get(key, "allow")
            if zone
            else None
        )

    def decides(self, evidence: Evidence, port: str) -> str:
        zone = evidence["firewall"].get("zone") or {}
        named = {"22/tcp": "ssh", "80/tcp": "http", "443/tcp": "https", "546/udp": "dhcpv6-client"}.get(port)
        number, _mark, protocol = port.partition("/")
        for one in zone.get("ports", ()):
            span, _mark, name = one.partition("/")
            first, _mark, last = span.partition("-")
            if name == protocol and int(first) <= int(number) <= int(last or first):
                return "allow"
        return "allow" if named in zone.get("services", ()) or port == "68/udp" else ""

    def open(self, port: str, source: str, desired: Desired) -> None:
        number, _mark, protocol = port.partition("/")
        if not source:
            desired.run("firewall-offline-cmd", f"--add-port={port}")
            return
        family = "ipv6" if ":" in source else "ipv4"
        rule = f'rule family="{family}" source address="{source}" port port="{number}" protocol="{protocol}" accept'
        desired.run("firewall-offline-cmd", f"--add-rich-rule={rule}")

    def enable(self, evidence: Evidence, desired: Desired) -> None:
        desired.add("units_enabled", evidence.platform.unit_names("firewall"))

    def set_policy(self, key: str, policy: str, desired: Desired) -> None:
        target = {"deny": "DROP", "reject": "%%REJECT%%", "allow": "ACCEPT"}[policy]
        desired.run("firewall-cmd", "--permanent", f"--set-target={target}")
        desired.run("firewall-cmd", "--reload")

    def asserts(self, key: str, policies: t.Sequence[str]) -> list[Check]:
        if key == "enabled":
            shown = "{{ range .Vars.sections.firewall.items.chains }}{{ .table }} {{ end }}"
            return [matching(Template(f'"{shown}"'), {"match-regexp": "firewalld"})]
        targets = [literal(target) for target, policy in self.targets.items() if policy in policies]
        shown = '{{ dig "sections" "firewall" "items" "zone" "target" "" .Vars }}'
        return [matching(Template(f'"{shown}"'), {"match-regexp": f"^({'|'.join(targets)})$"})]


TOOLS: t.Mapping[str, Tool] = {"ufw": Ufw(), "firewalld": Firewalld()}
