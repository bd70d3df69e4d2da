# SPDX-License-Identifier: GPL-3.0-or-later
"""What rules of the packet filter let in, as nft shows them (libnftables-json(5)) and, for matches of iptables, iptables-save(8)."""

from __future__ import annotations

import re
import typing as t

from .addresses import spans

Place = tuple[str, str, str]
Step = dict[str, t.Any]
Rule = list[Step]
Rules = dict[Place, list[Rule]]
Ranges = list[tuple[int, int]]
# What names a packet's protocol in nft's words (libnftables-json(5)); iptables writes the last two.
PROTOCOLS = (
    {"meta": {"key": "l4proto"}},
    {"meta": {"key": "protocol"}},
    {"payload": {"protocol": "ip", "field": "protocol"}},
    {"payload": {"protocol": "ip6", "field": "nexthdr"}},
)
TRANSPORTS = frozenset(("tcp", "udp"))
PORTS = 1 << 16
FEW_PORTS = 1024
"""A rule that leaves out fewer ports than the privileged ones leaves the policy next to nothing to decide on."""
SHORTEST_PREFIX = 7
"""No network that belongs to somebody has a shorter prefix (fc00::/7; 10.0.0.0/8)."""
LARGEST_SHARE = 0.25
"""What lists take in more of all addresses name no networks of somebody: the addresses of a large country are less."""
BOUNDS: dict[str, t.Callable[[int], tuple[int, int]]] = {
    "<": lambda number: (0, number - 1),
    "<=": lambda number: (0, number),
    ">": lambda number: (number + 1, PORTS - 1),
    ">=": lambda number: (number, PORTS - 1),
}
"""Which ports fit a comparison with a number."""
HEADERS = ("ip", "ip6", "tcp", "udp", "th")
"""Of what stands in these beside addresses and ports the sender may choose nearly all."""
ANYBODYS = ("cpu", "day", "hour", "length", "nfproto", "priority", "random", "time")
ANYBODYS_XT = (
    "bpf", "comment", "connbytes", "connlimit", "dscp", "hashlimit", "hl", "length", "limit", "quota", "statistic", "tcp", "time", "ttl", "u32", "udp",
)  # fmt: skip
"""Conditions that do not tell one sender from another (nft(8); iptables-extensions(8))."""
DEEPEST = 16
"""Jumps from one chain to the next that are followed; the kernel allows as many (nf_tables_api.c, NFT_JUMP_STACK_SIZE)."""
VERDICTS = ("accept", "drop", "reject", "return", "jump", "goto", "continue", "queue")


def with_elements(rule: Rule, elements: t.Mapping[str, list[t.Any]]) -> Rule:
    """A rule with the bare elements of its sets, those of each named set and map in the place of its name (``@name``;
    libnftables-json(5)).
    """

    def listed(value: t.Any) -> t.Any:
        name = value[1:] if isinstance(value, str) and value.startswith("@") else ""
        if isinstance(value, dict) and isinstance(value.get("set"), list):
            return {**value, "set": [bare(one) for one in value["set"]]}
        return {"set": elements[name]} if name in elements else value

    made = []
    for step in rule:
        if "match" in step:
            step = {**step, "match": {**step["match"], "right": listed(step["match"].get("right"))}}
        elif "vmap" in step:
            step = {**step, "vmap": {**step["vmap"], "data": listed(step["vmap"].get("data"))}}
        made.append(step)
    return made


def elements_of(named: t.Mapping[str, t.Any]) -> list[t.Any]:
    """What a named set or map holds."""
    return [bare(one) for one in named.get("elem", [])]


def bare(element: t.Any) -> t.Any:
    """An element without its comment, counter or time (libnftables-json(5), ELEM)."""
    return element["elem"]["val"] if isinstance(element, dict) and "elem" in element else element


def expanded(rule: Rule) -> list[Rule]:
    """A rule with a verdict map as one rule for each of its elements."""
    index = next((number for number, step in enumerate(rule) if "vmap" in step), None)
    if index is None:
        return [rule]
    key, values = rule[index]["vmap"].get("key"), rule[index]["vmap"].get("data")
    pairs = values.get("set", []) if isinstance(values, dict) else []
    head = rule[:index]
    return [[*head, {"match": {"op": "==", "left": key, "right": one}}, verdict] for one, verdict in pairs]


def jumps(rules: list[Rule]) -> list[str]:
    return [
        step[verb]["target"]
        for rule in rules
        for step in rule
        for verb in ("jump", "goto")
        if isinstance(step.get(verb), dict)
    ]


def fate(place: Place, rules: Rules, matches: t.Callable[[Step], bool], depth: int = 0) -> str:
    """The first word, accept or drop, of a rule whose steps all match a packet for sure; empty where none does.

    What may match decides nothing; what may leave a chain leaves the rest of it undecided.
    """
    if depth > DEEPEST:
        return ""
    for rule in rules.get(place, []):
        verdicts = rule if all(matches(step) for step in rule) else []
        if not verdicts and any("return" in step for step in rule):
            return ""
        for step in verdicts:
            if "accept" in step:
                return "accept"
            if {"drop", "reject"} & step.keys():
                return "drop"
            if "return" in step:
                return ""
        for target in jumps([verdicts]):
            word = fate((place[0], place[1], target), rules, matches, depth + 1)
            if word or any("goto" in step for step in verdicts):
                return word
    return ""


class Opening:
    """Follows a base chain and notes by which ports it accepts new connections from anybody."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.accepted: dict[str, Ranges] = {}

    def lets_all_in(self, place: Place, seen: frozenset[Place] = frozenset()) -> bool:
        """Whether a chain, or one that it hands everything to, accepts new connections from anybody to next to any port."""
        for rule in self.rules.get(place, []):
            conditions = [step for step in rule if set(step) & {"match", "xt"}]
            ports = [span for step in conditions if (span := _ports(step)) is not None]
            if not all(_is_wide(step) for step in conditions if _ports(step) is None):
                continue
            if "accept" in {name for step in rule for name in step} and self._accepts(conditions, ports):
                return True
            for target in jumps([rule]) if all(_cover(span) for span in ports) else ():
                other = (place[0], place[1], target)
                if other not in seen and self.lets_all_in(other, seen | {place, other}):
                    return True
            if not conditions and any({"drop", "reject", "return"} & set(step) for step in rule):
                return False
        return False

    def _accepts(self, conditions: list[Step], ports: list[Ranges]) -> bool:
        """Note what a rule accepts; whether that, with the rules before it, is next to everything of a protocol."""
        for protocol in _transports(conditions):
            known = self.accepted.setdefault(protocol, [])
            # Of several conditions on ports the narrowest bounds what is accepted.
            known += min(ports, key=_size) if ports else [(0, PORTS - 1)]
            if _cover(known):
                return True
        return False


def _size(ranges: t.Iterable[tuple[int, int]]) -> int:
    merged, end = 0, -1
    for first, last in sorted(ranges):
        merged += max(0, last - max(first, end + 1) + 1)
        end = max(end, last)
    return merged


def _cover(ranges: Ranges) -> bool:
    return PORTS - _size(ranges) < FEW_PORTS


def _transports(conditions: list[Step]) -> set[str]:
    """Protocols with ports that a rule's conditions leave."""
    left = set(TRANSPORTS)
    for step in conditions:
        match = step.get("match", {})
        if match.get("left") in PROTOCOLS:
            left &= _protocols(match)
        payload = match.get("left", {}).get("payload", {}) if isinstance(match.get("left"), dict) else {}
        if payload.get("protocol") in TRANSPORTS:
            left &= {payload["protocol"]}
    return left


def _protocols(match: Step) -> set[str]:
    listed = {str(one) for one in _listed(match.get("right"))}
    if listed & {"ip", "ip6"}:
        listed |= TRANSPORTS
    return set(TRANSPORTS - listed if match.get("op") == "!=" else TRANSPORTS & listed)


def _listed(right: t.Any) -> list[t.Any]:
    if isinstance(right, dict) and isinstance(right.get("set"), list):
        return list(right["set"])
    return right if isinstance(right, list) else [right]


def _ports(step: Step) -> Ranges | None:
    """The ports that a condition leaves; None where it is about something else."""
    if "words" in step:
        return _multiport(step["words"]) if step["xt"].get("name") == "multiport" else None
    match = step.get("match", {})
    payload = match.get("left", {}).get("payload", {}) if isinstance(match.get("left"), dict) else {}
    if payload.get("field") not in ("dport", "sport"):
        return None
    ranges: Ranges = []
    for one in _listed(match.get("right")):
        if isinstance(one, dict) and "range" in one:
            ranges.append((int(one["range"][0]), int(one["range"][1])))
        elif isinstance(one, int):
            ranges.append((one, one))
    if match.get("op") in BOUNDS and ranges:
        return [BOUNDS[match["op"]](ranges[0][0])]
    return _others(ranges) if match.get("op") == "!=" else ranges


def _others(ranges: Ranges) -> Ranges:
    left, start = [], 0
    for first, last in sorted(ranges):
        if first > start:
            left.append((start, first - 1))
        start = max(start, last + 1)
    return [*left, (start, PORTS - 1)] if start < PORTS else left


def _multiport(words: str) -> Ranges:
    """The ports of iptables' multiport (iptables-extensions(8))."""
    option = re.search(r"(! )?--(?:dports|sports|ports) (\S+)", words)
    if option is None:
        return []
    spans = [one.partition(":") for one in option[2].split(",")]
    ranges = [(int(first or 0), int(last or (PORTS - 1 if mark else first))) for first, mark, last in spans]
    return _others(ranges) if option[1] else ranges


def _is_wide(step: Step) -> bool:
    """Whether a condition leaves out next to nobody: an interface other than the loopback, a protocol, new connections."""
    if "xt" in step:
        return _is_wide_xt(step["xt"].get("name", ""), step.get("words", ""))
    match = step["match"]
    if match.get("op") in BOUNDS:
        return True  # of a number that is no port every packet has one, and the sender may choose it
    if match.get("op") not in ("==", "in", "!="):
        return False
    if match.get("left") in PROTOCOLS:
        return bool(_protocols(match))
    # What all but a few are is wide.
    return _takes_in(match.get("left"), _listed(match.get("right"))) is not bool(match["op"] == "!=")


def _takes_in(left: t.Any, listed: list[t.Any]) -> bool:
    """Whether next to every new connection of strangers is one of those listed."""
    if not isinstance(left, dict):
        return False
    if "concat" in left:
        values = [one["concat"] for one in listed if isinstance(one, dict) and "concat" in one]
        return all(_part_is_wide(part, [one[n] for one in values]) for n, part in enumerate(left["concat"]))
    if left.get("meta", {}).get("key") in ("iif", "iifname", "iifgroup", "iiftype", "oif", "oifname"):
        return any(one != "lo" for one in listed)
    if left.get("meta", {}).get("key") == "pkttype":
        return bool({"host", "unicast"} & {str(one) for one in listed})
    if left.get("meta", {}).get("key") in ANYBODYS:
        return True
    if left.get("ct", {}).get("key") == "state":
        return "new" in listed
    if left.get("fib", {}).get("result") == "type":
        return "local" in listed
    if _mark(left):
        return 0 in listed  # what nobody has marked
    if "&" in left:
        return left["&"][0] == {"payload": {"protocol": "tcp", "field": "flags"}} and "syn" in listed
    payload = left.get("payload", {})
    if payload.get("field") == "saddr":
        shares = [one.share for one in spans({"set": listed})]
        return any(one > 2**-SHORTEST_PREFIX for one in shares) or sum(shares) > LARGEST_SHARE
    if "base" in payload or (payload.get("protocol") in HEADERS and payload.get("field") != "daddr"):
        return True
    # The host's own addresses; what is sent to groups is for a few programs.
    return bool(payload.get("field") == "daddr") and not all(_is_group(one) for one in listed)


def _part_is_wide(left: t.Any, listed: list[t.Any]) -> bool:
    """The same for a part of a concatenation, which may be a port."""
    step = {"match": {"op": "==", "left": left, "right": {"set": listed}}}
    ports = _ports(step)
    return _is_wide(step) if ports is None else _cover(ports)


def _mark(left: dict[str, t.Any]) -> bool:
    """Whether a condition asks for a packet's mark, or for some bits of it."""
    asked = left["&"][0] if "&" in left else left
    return any(isinstance(asked, dict) and asked.get(kind, {}).get("key") == "mark" for kind in ("meta", "ct"))


def _is_group(address: t.Any) -> bool:
    """Whether an address, or a network, is one of multicast, of broadcast, of the loopback or a named set, which nobody looked at."""
    shown = address.get("prefix", {}).get("addr", "") if isinstance(address, dict) else str(address)
    first = shown.partition(".")[0]
    numbers = first.isdigit() and (int(first) >= 224 or int(first) == 127)
    return not shown or numbers or shown.lower().startswith(("ff", "@")) or shown == "::1"


def _is_wide_xt(name: str, words: str) -> bool:
    """The same for a match of iptables, of which nft shows the name only (iptables-extensions(8))."""
    if name in ANYBODYS_XT:
        return True
    if name in ("mark", "connmark"):
        return re.search(r"(?<!! )--mark (0x)?0+(/\S+)?( |$)|! --mark", words) is not None
    if name == "iprange":
        source = re.search(r"(! )?--src-range (\S+)-(\S+)", words)
        return source is not None and (
            bool(source[1]) or any(one.share > LARGEST_SHARE for one in spans({"range": [source[2], source[3]]}))
        )
    if name in ("conntrack", "state"):
        state = re.search(r"(! )?--(?:ct)?state (\S+)", words)
        return state is not None and ("NEW" in state[2].split(",")) != bool(state[1])
    if name == "addrtype":
        return bool(re.search(r"(?<!! )--dst-type (\S+,)?LOCAL\b|! --(dst|src)-type (?!LOCAL|UNICAST)", words))
    return name == "pkttype" and bool(re.search(r"(?<!! )--pkt-type unicast|! --pkt-type (?!unicast)", words))


def with_words(rules: Rules, saved: t.Mapping[str, str]) -> list[Place]:
    """Give matches of iptables (``xt``) the WORDS that iptables-save printed for their rules.

    Args:
        saved: output of iptables-nft-save for table ``filter``, by nft's name of the family.

    Returns:
        Chains in which rules that let something in, or on to another chain, have matches of which no words were printed.
    """
    lines: dict[Place, list[str]] = {}
    for family, output in saved.items():
        for chain, words in re.findall(r"^-A (\S+) ?(.*)$", output, re.MULTILINE):
            lines.setdefault((family, "filter", chain), []).append(words)
    unknown = []
    for place, listed in rules.items():
        printed = lines.get(place, [])
        for index, rule in enumerate(listed):
            opaque = [step for step in rule if "xt" in step and step["xt"].get("type") == "match"]
            if len(printed) == len(listed):
                for step in opaque:
                    step["words"] = printed[index]
            elif any(step["xt"].get("name") != "comment" for step in opaque) and "accept" in {
                n for s in rule for n in s
            }:
                unknown.append(place)
    return list(dict.fromkeys(unknown))
