# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind `firewall`."""

from __future__ import annotations

import ipaddress
import typing as t

from ..constraint import text
from ..firewall_tools import HOOKS, TOOLS, Tool
from .base import Check, Connection, Demand, Desired, Evidence, Kind, Platform, Rule, Ruling, ruling
from .matchers import as_json, as_text, matching
from .service import STARTED, kept_from_boot, loads_at_boot, starts_at_boot

# Purposes that send packets on: as firewall/default_routed has them.
FORWARDING = frozenset({"container_host", "kubernetes_node", "router"})


class Firewall(Kind):
    """The settings of the platform's firewall, and the policies that the kernel's base chains really have."""

    name = "firewall"
    sections = ("firewall", "service")

    def request(self, rule: Rule, platform: Platform) -> dict[str, t.Any]:
        return {"listen": None, "sshd": None, "service": list(platform.unit_names("firewall"))}

    @staticmethod
    def tool(evidence: Evidence) -> Tool:
        return TOOLS[evidence.platform.tool("firewall")]

    def judge(self, demand: Demand, evidence: Evidence) -> Ruling:
        tool = self.tool(evidence)
        loaded = "chains loaded" if tool.loaded(evidence, HOOKS.get(demand.key, "input")) else "no chains loaded"
        if demand.key == "enabled":
            enabled = "yes" if tool.enabled(evidence) else "no"
            late = [name for name in self.units(evidence) if not starts_at_boot(evidence["service"][name])]
            kept = kept_from_boot("firewall", evidence)
            holds = demand.value.holds(enabled) and loaded == "chains loaded" and not late and not kept
            shown = f"{enabled}, {loaded}" + "".join(f", {name} is not started at boot" for name in late)
            shown += f", {kept}" if kept else ""
            return ruling(holds, shown, f"{demand.value.describe()}, chains loaded")
        policy = tool.policy(evidence, demand.key)
        live = {chain["policy"] for chain in tool.chains(evidence, HOOKS[demand.key])}
        if wide := self.wide(demand, evidence):
            return Ruling("fail", f"{wide} accepts everything, whatever the policy", demand.value.describe())
        if later := self.later(demand, evidence):
            return Ruling("fail", f"{later} accepts everything from ufw's next start on", demand.value.describe())
        holds = demand.value.holds(policy) and loaded == "chains loaded" and live == {self.kernel(policy, tool)}
        shown = f"{policy or 'not set'}, {loaded}" + (f" with the policy {', '.join(sorted(live))}" if live else "")
        return ruling(holds, shown, f"{demand.value.describe()}, chains loaded")

    @staticmethod
    def units(evidence: Evidence) -> tuple[str, ...]:
        return evidence.platform.unit_names("firewall")

    def wide(self, demand: Demand, evidence: Evidence) -> str:
        """The chain of the tool that leaves its policy nothing to decide on; empty where none does.

        Where the policy is to accept, the tool writes such rules itself: they go with it.
        """
        tool = self.tool(evidence)
        if tool.policy(evidence, demand.key) == "allow":
            return ""
        chains = tool.chains(evidence, HOOKS[demand.key])
        return next((f"chain {c['name']} of table {c['family']} {c['table']}" for c in chains if c["open"]), "")

    def later(self, demand: Demand, evidence: Evidence) -> str:
        """The files by which the next start of the tool leaves its policy nothing to decide on; empty where none do."""
        if self.tool(evidence).name != "ufw" or self.tool(evidence).policy(evidence, demand.key) == "allow":
            return ""
        return " ".join(evidence["firewall"]["stored"][HOOKS[demand.key]])

    @staticmethod
    def kernel(policy: str | None, tool: Tool) -> str:
        """The policy of the base chain: firewalld's chains end in a rule instead."""
        return "accept" if policy == "allow" or tool.name == "firewalld" else "drop"

    def obstacle(self, demand: Demand, evidence: Evidence) -> str:
        tool = self.tool(evidence)
        if demand.key == "enabled" and (kept := kept_from_boot("firewall", evidence)) and "masked" not in kept:
            return f"{kept}: mend it there"
        if demand.key != "enabled" and (wide := self.wide(demand, evidence)):
            return f"a rule in {wide}, or in one that it jumps to, accepts everything: remove it"
        if demand.key != "enabled" and (later := self.later(demand, evidence)):
            return f"a rule in {later} accepts everything: remove it"
        stored = demand.key != "enabled" and demand.value.holds(tool.policy(evidence, demand.key))
        if stored and not tool.loaded(evidence, HOOKS[demand.key]):
            return f"it is set, and rule firewall/enabled loads {tool.name}'s chains"
        return tool.obstacle(evidence)

    def would_lock_out(self, demand: Demand, evidence: Evidence, connection: Connection) -> str:
        if demand.key not in ("enabled", "default_incoming"):
            return ""
        for section in ("listen", "sshd"):
            if evidence.get(section) is None:
                reason = evidence.unreadable(section) if section in evidence else "not collected"
                return f"which ports people come by was not read ({section}: {reason}): what it would close cannot be foreseen"
        tool = self.tool(evidence)
        refused = [port for port in sorted(self.login_ports(evidence)) if tool.decides(evidence, port) == "deny"]
        if refused:
            return f"a rule of {tool.name} refuses {', '.join(refused)}, where logins come in: remove it"
        logins = self.login_ports(evidence)
        closed = [
            f"{port} ({', '.join(processes) or 'the kernel'})"
            for port, processes in sorted(self.served(evidence).items())
            if port not in logins and not self.named(demand, port) and not tool.decides(evidence, port)
        ]
        contrary = [
            port
            for port in sorted(self.served(evidence))
            if port not in logins and self.named(demand, port) and tool.decides(evidence, port) == "deny"
        ]
        redirected = (
            tool.redirected(evidence) if demand.key == "enabled" and not FORWARDING & demand.site.purposes else []
        )
        if redirected:
            return (
                f"it would close ports that are sent on to others (table {', '.join(redirected)}): say in the overlay that this is its "
                f"purpose ({', '.join(sorted(FORWARDING))})"
            )
        if contrary:
            return f"a rule of {tool.name} refuses {', '.join(contrary)}, which the overlay opens: remove it, or that from 'ports'"
        if closed:
            return f"it would close {', '.join(closed)}: allow or deny them in {tool.name}, or list them under 'ports' in the overlay"
        return ""

    @staticmethod
    def named(demand: Demand, port: str) -> bool:
        """Whether the site says that a port stays open, to some at least."""
        number, _mark, protocol = port.partition("/")
        return any(one.protocol == protocol and one.first <= int(number) <= one.last for one in demand.site.ports)

    @staticmethod
    def served(evidence: Evidence) -> dict[str, list[str]]:
        """Ports that others can reach, with the programs behind them."""
        ports: dict[str, list[str]] = {}
        for socket in evidence["listen"]:
            if not _loopback(socket["address"]):
                ports.setdefault(f"{socket['port']}/{socket['protocol']}", []).extend(socket["processes"])
        return {port: list(dict.fromkeys(processes)) for port, processes in ports.items()}

    @staticmethod
    def login_ports(evidence: Evidence) -> set[str]:
        """Where people log in: this session's own port, sshd's settings, and what sshd listens on."""
        sshd = evidence["sshd"]
        ports = {(sshd.get("session") or {}).get("port", "")}
        # ListenAddress may name another port than Port.
        addresses = sshd["effective"].get("listenaddress", "").split()
        ports |= {address.rpartition(":")[2] for address in addresses} or set(sshd["effective"].get("port", "").split())
        ports |= {str(s["port"]) for s in evidence["listen"] if s["protocol"] == "tcp" and "sshd" in s["processes"]}
        return {f"{port}/tcp" for port in ports if port}

    def want(self, demand: Demand, evidence: Evidence, desired: Desired) -> None:
        tool = self.tool(evidence)
        if demand.key in ("enabled", "default_incoming"):
            # First, and before anything is refused: what people come in through.
            for port in sorted(self.login_ports(evidence)):
                if not tool.decides(evidence, port):
                    tool.open(port, "", desired)
            for one in demand.site.ports:
                span = str(one.first) if one.first == one.last else f"{one.first}-{one.last}"
                if one.source or not all(
                    tool.decides(evidence, f"{number}/{one.protocol}") for number in range(one.first, one.last + 1)
                ):
                    tool.open(f"{span}/{one.protocol}", one.source, desired)
        if demand.key == "enabled":
            if FORWARDING & demand.site.purposes and tool.policy(evidence, "default_routed") != "allow":
                tool.let_through(desired)
            tool.enable(evidence, desired)
        else:
            tool.set_policy(demand.key, text(demand.value.target()), desired)

    def asserts(self, demand: Demand, evidence: Evidence) -> list[Check]:
        policies = [policy for policy in ("deny", "reject", "allow") if demand.value.holds(policy)]
        made = self.tool(evidence).asserts(demand.key, policies)
        if demand.key == "enabled":
            made += loads_at_boot("firewall", evidence)
            made += [matching(as_json("service", name, "reached"), True) for name in self.units(evidence)]
            made += [
                matching(as_text("service", name, "file"), {"match-regexp": STARTED}) for name in self.units(evidence)
            ]
        elif "allow" not in policies:
            mine, chains = self.tool(evidence).chains(evidence, HOOKS[demand.key]), evidence["firewall"]["chains"]
            places = [index for index, chain in enumerate(chains) if chain in mine]
            made += [matching(as_json("firewall", "chains", index, "open"), False) for index in places]
            if self.tool(evidence).name == "ufw":
                made.append(matching(as_json("firewall", "stored", HOOKS[demand.key]), {"have-len": 0}))
        return made


def _loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False  # '*': every address


KINDS = (Firewall(),)
