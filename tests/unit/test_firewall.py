"""Kind firewall: what is loaded, what is served, and what a site has of its own."""

from __future__ import annotations

import copy
import dataclasses
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._collect import ufw_files
from ansible_collections.unified.deploy.plugins.module_utils._collect.firewall import (
    _assignments,
    _base_chain,
    _rules,
    ufw_rules,
    zone,
)
from ansible_collections.unified.deploy.plugins.module_utils._collect.listen import ROW
from ansible_collections.unified.deploy.plugins.module_utils._collect.packet_rules import Opening, expanded, with_words
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.kinds.base import Port
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.kinds.firewall import FORWARDING

from tests.unit.access import planned

TUPLES = """### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in
### tuple ### allow tcp 8000:8010 0.0.0.0/0 any 10.0.0.0/8 in
### tuple ### limit any 66 0.0.0.0/0 any 0.0.0.0/0 in comment=61
### tuple ### allow tcp 80,443 ::/0 any ::/0 Nginx%20Full - in
### tuple ### allow tcp 99 0.0.0.0/0 any 0.0.0.0/0 in_eth0
### tuple ### route:allow tcp 44 0.0.0.0/0 any 0.0.0.0/0 in
### tuple ### allow tcp 55 0.0.0.0/0 any 0.0.0.0/0 out
### tuple ### deny_log tcp 7:9 0.0.0.0/0 any 0.0.0.0/0 in
"""


def off(evidence: t.Any) -> t.Any:
    """The host as it is before ufw is enabled."""
    evidence["firewall"]["chains"] = []
    evidence["firewall"]["rules"] = []
    evidence["firewall"]["ufw"].update(ENABLED="no", DEFAULT_FORWARD_POLICY="DROP")
    return evidence


def listening(evidence: t.Any, port: int, process: str, address: str = "0.0.0.0", protocol: str = "tcp") -> None:
    evidence["listen"].append({"protocol": protocol, "address": address, "port": port, "processes": [process]})


def own_chain(**facts: t.Any) -> dict[str, t.Any]:
    return {"family": "inet", "table": "site", "name": "input", "type": "filter", "hook": "input", "policy": "accept",
            "jumps": [], "accepts": False, "refuses": False, "open": False, **facts}  # fmt: skip


def test_rules_for_everybody_are_read_from_ufws_own_notes() -> None:
    assert [(r["action"], r["protocol"], r["first"], r["last"]) for r in ufw_rules(TUPLES)] == [
        ("allow", "tcp", 22, 22), ("limit", "any", 66, 66), ("allow", "tcp", 80, 80), ("allow", "tcp", 443, 443),
        ("deny", "tcp", 7, 9),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "row"),
    [
        ('tcp   LISTEN 0      128          0.0.0.0:22        0.0.0.0:*    users:(("sshd",pid=1,fd=6))', ("tcp", "0.0.0.0", "22")),
        ("udp   UNCONN 0      0      127.0.0.53%lo:53        0.0.0.0:*", ("udp", "127.0.0.53%lo", "53")),
        ('tcp   LISTEN 0      511                *:80              *:*    users:(("nginx",pid=2,fd=6))', ("tcp", "*", "80")),
        ("tcp   LISTEN 0      128             [::]:22           [::]:*", ("tcp", "[::]", "22")),
    ],
)  # fmt: skip
def test_sockets_are_read_as_ss_prints_them(line: str, row: tuple[str, str, str]) -> None:
    match = ROW.match(line)
    assert match is not None and (match[1], match[2], match[3]) == row


def test_chain_is_followed_through_its_jumps_but_not_into_ufws() -> None:
    rules = {
        ("inet", "t", "input"): [[{"jump": {"target": "more"}}, {"jump": {"target": "ufw-x"}}]],
        ("inet", "t", "more"): [[{"goto": {"target": "input"}}, {"match": {}}, {"accept": None}]],
        ("inet", "t", "ufw-x"): [[{"drop": None}]],
    }
    chain = _base_chain({"family": "inet", "table": "t", "name": "input", "hook": "input", "policy": "accept"}, rules)
    assert (chain["accepts"], chain["refuses"], chain["jumps"]) == (True, False, ["more", "ufw-x"])


def equals(key: str, value: t.Any, *, op: str = "==") -> dict[str, t.Any]:
    left = {"ct": {"key": "state"}} if key == "ct" else {"meta": {"key": key}}
    return {"match": {"op": op, "left": left, "right": value}}


ACCEPT: dict[str, t.Any] = {"accept": None}
PORT = {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 22}}


def ports(*spans: list[int], protocol: str = "tcp", op: str = "==") -> dict[str, t.Any]:
    left = {"payload": {"protocol": protocol, "field": "dport"}}
    return {"match": {"op": op, "left": left, "right": {"set": [{"range": span} for span in spans]}}}


def address(field: str, network: str, length: int) -> dict[str, t.Any]:
    left = {"payload": {"protocol": "ip", "field": field}}
    return {"match": {"op": "==", "left": left, "right": {"prefix": {"addr": network, "len": length}}}}


def condition(field: str, value: t.Any, *, op: str = "==", protocol: str = "ip") -> dict[str, t.Any]:
    return {"match": {"op": op, "left": {"payload": {"protocol": protocol, "field": field}}, "right": value}}


def concatenation(fields: tuple[str, ...], *elements: tuple[t.Any, ...]) -> dict[str, t.Any]:
    left = {"concat": [{"payload": {"protocol": "tcp" if name == "dport" else "ip", "field": name}} for name in fields]}
    return {"match": {"op": "==", "left": left, "right": {"set": [{"concat": list(one)} for one in elements]}}}


def network(first: str) -> dict[str, t.Any]:
    return {"prefix": {"addr": first, "len": 8}}


@pytest.mark.parametrize(
    ("rules", "everything"),
    [
        ([[{"counter": {}}, ACCEPT]], True),
        ([[equals("iifname", "eth0"), ACCEPT]], True),
        ([[equals("l4proto", "tcp"), ACCEPT]], True),
        (
            [
                [
                    {
                        "match": {
                            "op": "==",
                            "left": {"payload": {"protocol": "ip", "field": "protocol"}},
                            "right": "tcp",
                        }
                    },
                    ACCEPT,
                ]
            ],
            True,
        ),
        ([[equals("ct", ["new", "established"], op="in"), ACCEPT]], True),
        ([[equals("ct", ["related", "established"], op="in"), ACCEPT]], False),
        ([[equals("iifname", "lo"), ACCEPT]], False),
        ([[equals("l4proto", "icmp"), ACCEPT]], False),
        ([[equals("l4proto", "tcp"), PORT, ACCEPT]], False),
        ([[{"xt": {"type": "match", "name": "addrtype"}}, ACCEPT]], False),
        ([[{"counter": {}}, {"drop": None}], [ACCEPT]], False),
        ([[ports([0, 65535]), ACCEPT]], True),
        ([[ports([1, 65535]), ACCEPT]], True),
        ([[ports([1, 21], [23, 65535]), ACCEPT]], True),
        ([[ports([9, 9], op="!="), ACCEPT]], True),
        ([[ports([1024, 65535]), ACCEPT]], False),
        ([[ports([1, 30000]), ACCEPT], [ports([30001, 65535]), ACCEPT]], True),
        ([[ports([1, 30000]), ACCEPT], [ports([30001, 65535], protocol="udp"), ACCEPT]], False),
        ([[ports([1, 65535]), {"jump": {"target": "ufw-more"}}]], True),
        ([[equals("iifname", "lo", op="!="), ACCEPT]], True),
        ([[equals("iifname", "eth0", op="!="), ACCEPT]], False),
        ([[equals("ct", "invalid", op="!="), ACCEPT]], True),
        ([[equals("ct", "new", op="!="), ACCEPT]], False),
        ([[equals("l4proto", "icmp", op="!="), ACCEPT]], True),
        ([[address("saddr", "0.0.0.0", 1), ACCEPT]], True),
        ([[address("saddr", "10.0.0.0", 8), ACCEPT]], False),
        ([[address("daddr", "224.0.0.0", 4), ACCEPT]], False),
        ([[condition("saddr", {"range": ["0.0.0.1", "255.255.255.254"]}), ACCEPT]], True),
        ([[condition("saddr", {"range": ["198.51.100.1", "198.51.100.9"]}), ACCEPT]], False),
        ([[condition("saddr", {"set": [network(f"{first}.0.0.0") for first in range(1, 129)]}), ACCEPT]], True),
        ([[condition("saddr", {"set": [network("10.0.0.0"), network("11.0.0.0")]}), ACCEPT]], False),
        ([[condition("ttl", 0, op=">"), ACCEPT]], True),
        ([[condition("version", 4), ACCEPT]], True),
        ([[condition("dscp", "cs0"), ACCEPT]], True),
        ([[equals("nfproto", "ipv4"), ACCEPT]], True),
        ([[equals("hour", {"range": ["00:00", "23:59"]}), ACCEPT]], True),
        (
            [[{"match": {"op": "==", "left": {"payload": {"base": "nh", "offset": 0, "len": 4}}, "right": 4}}, ACCEPT]],
            True,
        ),
        ([[concatenation(("protocol", "ttl"), ("tcp", {"range": [0, 255]})), ACCEPT]], True),
        ([[concatenation(("protocol", "ttl"), ("icmp", {"range": [0, 255]})), ACCEPT]], False),
        (
            [
                [
                    concatenation(
                        ("saddr", "dport"), ({"prefix": {"addr": "0.0.0.0", "len": 0}}, {"range": [1, 65535]})
                    ),
                    ACCEPT,
                ]
            ],
            True,
        ),
        ([[concatenation(("saddr", "dport"), ({"prefix": {"addr": "0.0.0.0", "len": 0}}, 22)), ACCEPT]], False),
        ([[concatenation(("saddr", "ttl"), ("198.51.100.1", {"range": [0, 255]})), ACCEPT]], False),
        ([[condition("type", "echo-request", protocol="icmp"), ACCEPT]], False),
        ([[condition("saddr", "02:00:00:00:00:01", protocol="ether"), ACCEPT]], False),
        ([[equals("skuid", 0), ACCEPT]], False),
        (
            [[condition("saddr", {"range": ["02:00:00:00:00:01", "02:00:00:00:00:ff"]}, protocol="ether"), ACCEPT]],
            False,
        ),
        ([[condition("dport", 1, op=">", protocol="tcp"), ACCEPT]], True),
        ([[condition("dport", 65000, op="<=", protocol="tcp"), ACCEPT]], True),
        ([[condition("dport", 1024, op=">=", protocol="tcp"), ACCEPT]], False),
        ([[condition("dport", 1024, op="<", protocol="tcp"), ACCEPT]], False),
        ([[{"match": {"op": "==", "left": {"meta": {"key": "mark"}}, "right": 0}}, ACCEPT]], True),
        ([[{"match": {"op": "==", "left": {"&": [{"ct": {"key": "mark"}}, 255]}, "right": 0}}, ACCEPT]], True),
        ([[{"match": {"op": "==", "left": {"meta": {"key": "mark"}}, "right": 7}}, ACCEPT]], False),
        (
            [
                [
                    {
                        "vmap": {
                            "key": {"meta": {"key": "l4proto"}},
                            "data": {"set": [["icmp", {"drop": None}], ["tcp", ACCEPT]]},
                        }
                    }
                ]
            ],
            True,
        ),
        ([[{"limit": {"rate": 9}}, ACCEPT]], True),
        ([[{"jump": {"target": "ufw-more"}}]], True),
        ([[PORT, {"jump": {"target": "ufw-more"}}]], False),
        ([[{"jump": {"target": "ufw-back"}}], [{"jump": {"target": "ufw-more"}}]], True),
    ],
)
def test_chain_that_accepts_everything_is_told(rules: list[t.Any], everything: bool) -> None:
    more = [[{"counter": {}}, ACCEPT]]
    chains = {("ip", "filter", "INPUT"): rules, ("ip", "filter", "ufw-more"): more,
              ("ip", "filter", "ufw-back"): [[{"return": None}], [ACCEPT]]}  # fmt: skip
    chain = {"family": "ip", "table": "filter", "name": "INPUT", "hook": "input", "policy": "drop"}
    chains = {place: [one for rule in listed for one in expanded(rule)] for place, listed in chains.items()}
    assert _base_chain(chain, chains)["open"] is everything


@pytest.mark.parametrize(
    ("name", "lines", "opens"),
    [
        ("before.rules", ["-A ufw-before-input -j ACCEPT"], ["input"]),
        ("before6.rules", ["-A ufw6-before-forward -p tcp -m conntrack --ctstate NEW -j ACCEPT"], ["forward"]),
        ("after.rules", ["-A ufw-after-input ! -i lo -s 0.0.0.0/0 -j ACCEPT"], ["input"]),
        ("user.rules", ["-A ufw-user-input -p tcp --dport 1:65535 -j site", "-A site -j ACCEPT"], ["input"]),
        ("before.rules", ["-A OUTPUT -m comment --comment 'all of it' -j ACCEPT"], ["output"]),
        ("user.rules", ["-A ufw-user-input -p tcp -m multiport --dports 1:40000,40001:65535 -j ACCEPT"], ["input"]),
        ("user.rules", ["-A ufw-user-input -p tcp --dport 22 -j ACCEPT", "-A ufw-user-input -s 10.0.0.0/8 -j ACCEPT"], []),
        ("before.rules", ["-A ufw-before-input -i lo -j ACCEPT", "# -A ufw-before-input -j ACCEPT"], []),
        ("before.rules", ["-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"], []),
        ("before.rules", ["-A ufw-before-input -j DROP", "-A ufw-before-input -j ACCEPT"], []),
        ("before.rules", ["-A ufw-before-input -d 224.0.0.251 -p udp --dport 5353 -j ACCEPT", "-A x 'open -j ACCEPT"], []),
    ],
)  # fmt: skip
def test_file_by_which_ufw_accepts_everything_from_its_next_start_on_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, lines: list[str], opens: list[str]
) -> None:
    monkeypatch.setattr(ufw_files, "DIRECTORY", str(tmp_path))
    nat = "*nat\n-A ufw-before-input -j ACCEPT\nCOMMIT\n"
    (tmp_path / name).write_text("\n".join([f"{nat}*filter", ":ufw-before-input - [0:0]", *lines, "COMMIT", ""]))
    left_out: dict[str, str] = {}
    assert {hook: files for hook, files in ufw_files.stored(left_out).items() if files} == {
        hook: [f"{tmp_path}/{name}"] for hook in opens
    }
    assert left_out == {}
    (tmp_path / "after.init").touch(mode=0o755)
    ufw_files.stored(left_out)
    assert list(left_out) == [f"{tmp_path}/after.init"]


def test_what_ufw_accepts_from_its_next_start_on_fails_and_is_held(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["firewall"]["stored"]["input"] = ["/etc/ufw/before.rules"]
    verdict = planned(catalogue, hardened).verdicts["firewall/default_incoming"]
    assert verdict.verdict == "fail" and verdict.held == "a rule in /etc/ufw/before.rules accepts everything: remove it"


def test_named_sets_and_maps_stand_for_their_elements() -> None:
    everybody = [{"prefix": {"addr": "0.0.0.0", "len": 1}}, {"elem": {"val": network("128.0.0.0"), "comment": "x"}}]
    entries = [
        {"set": {"family": "ip", "table": "filter", "name": "all", "elem": everybody}},
        {"map": {"family": "ip", "table": "filter", "name": "by", "elem": [["tcp", ACCEPT]]}},
        {"rule": {"family": "ip", "table": "filter", "chain": "sets", "expr": [condition("saddr", "@all"), ACCEPT]}},
        {"rule": {"family": "ip", "table": "filter", "chain": "maps",
                  "expr": [{"vmap": {"key": {"meta": {"key": "l4proto"}}, "data": "@by"}}]}},
        {"rule": {"family": "ip", "table": "filter", "chain": "unknown", "expr": [condition("saddr", "@other"), ACCEPT]}},
    ]  # fmt: skip
    rules = _rules(entries, {})
    opened = {place[2]: Opening(rules).lets_all_in(place) for place in rules}
    assert opened == {"sets": True, "maps": True, "unknown": False}


def test_comment_of_an_element_hides_nothing() -> None:
    # As nft 1.0.6 prints: ip saddr { 0.0.0.0/0 comment "x" } accept
    noted = {"set": [{"elem": {"val": {"prefix": {"addr": "0.0.0.0", "len": 0}}, "comment": "x"}}]}
    place = {"family": "ip", "table": "filter", "chain": "noted"}
    rules = _rules([{"rule": {**place, "expr": [condition("saddr", noted), ACCEPT]}}], {})
    assert Opening(rules).lets_all_in(("ip", "filter", "noted"))


@pytest.mark.parametrize(
    ("name", "words", "everything"),
    [
        ("comment", '-m comment --comment "site" -j ACCEPT', True),
        ("conntrack", "-m conntrack --ctstate NEW,RELATED,ESTABLISHED -j ACCEPT", True),
        ("conntrack", "-m conntrack ! --ctstate INVALID -j ACCEPT", True),
        ("conntrack", "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", False),
        ("multiport", "-p tcp -m multiport --dports 0:65535 -j ACCEPT", True),
        ("multiport", "-p tcp -m multiport --dports 1:1000,1001:65535 -j ACCEPT", True),
        ("multiport", "-p tcp -m multiport --dports 80,443 -j ACCEPT", False),
        ("multiport", "-p tcp -m multiport ! --dports 80,443 -j ACCEPT", True),
        ("addrtype", "-m addrtype --dst-type LOCAL -j ACCEPT", True),
        ("addrtype", "-m addrtype --dst-type MULTICAST -j ACCEPT", False),
        ("pkttype", "-m pkttype --pkt-type unicast -j ACCEPT", True),
        ("recent", "-m recent --update --seconds 30 --name x -j ACCEPT", False),
        ("length", "-m length --length 0:65535 -j ACCEPT", True),
        ("mark", "-m mark --mark 0x0 -j ACCEPT", True),
        ("mark", "-m mark ! --mark 0x1 -j ACCEPT", True),
        ("mark", "-m mark --mark 0x10 -j ACCEPT", False),
        ("iprange", "-m iprange --src-range 0.0.0.1-255.255.255.254 -j ACCEPT", True),
        ("iprange", "-m iprange --src-range 10.0.0.1-10.0.0.9 -j ACCEPT", False),
        ("set", "-m set --match-set friends src -j ACCEPT", False),
    ],
)
def test_match_of_iptables_is_judged_by_what_it_prints(name: str, words: str, everything: bool) -> None:
    place = ("ip", "filter", "INPUT")
    rules = {place: [[{"counter": {}}, ACCEPT], [{"xt": {"type": "match", "name": name}}, ACCEPT]]}
    del rules[place][0]
    assert with_words(rules, {"ip": f"*filter\n:INPUT DROP [0:0]\n-A INPUT {words}\nCOMMIT\n"}) == []
    assert Opening(rules).lets_all_in(place) is everything


def test_match_of_iptables_that_nobody_prints_is_said() -> None:
    place = ("ip", "filter", "INPUT")
    rules = {place: [[{"xt": {"type": "match", "name": "conntrack"}}, ACCEPT]]}
    assert with_words(rules, {}) == [place]
    assert with_words(rules, {"ip": "-A INPUT -j DROP\n-A INPUT -j ACCEPT\n"}) == [place]
    rules = {place: [[{"xt": {"type": "match", "name": "comment"}}, ACCEPT]]}
    assert with_words(rules, {}) == [] and Opening(rules).lets_all_in(place)


def test_policy_that_decides_on_nothing_fails_and_is_held(catalogue: t.Any, hardened: t.Any) -> None:
    next(c for c in hardened["firewall"]["chains"] if c["hook"] == "input")["open"] = True
    verdict = planned(catalogue, hardened).verdicts["firewall/default_incoming"]
    assert (verdict.verdict, "accepts everything" in verdict.held) == ("fail", True)
    # ufw itself accepts new connections one by one where that is its policy (ufw-track-input).
    hardened["firewall"]["ufw"]["DEFAULT_INPUT_POLICY"] = "ACCEPT"
    plan = planned(catalogue, hardened)
    assert (plan.verdicts["firewall/default_incoming"].held, "firewall/default_incoming" in plan.changes) == ("", True)


@pytest.mark.parametrize("state", [{"file": "disabled"}, {"file": "masked", "load": "masked"}, {"reached": False}])
def test_firewall_that_the_next_boot_does_not_start_is_enabled(
    catalogue: t.Any, hardened: t.Any, state: dict[str, t.Any]
) -> None:
    hardened["service"]["ufw.service"].update(state)
    plan = planned(catalogue, hardened)
    assert plan.verdicts["firewall/enabled"].verdict == "fail"
    assert "ufw.service" in plan.desired.units_enabled


def test_service_that_would_be_cut_off_holds_the_firewall_by_name(catalogue: t.Any, hardened: t.Any) -> None:
    listening(off(hardened), 8080, "python3")
    plan = planned(catalogue, hardened)
    assert "it would close 8080/tcp (python3)" in plan.verdicts["firewall/enabled"].held
    assert not [command for command in plan.desired.commands if command[0] == "ufw"]
    assert "ufw.service" not in plan.desired.units_enabled


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "127.0.0.53"])
def test_service_for_the_host_itself_holds_nothing(catalogue: t.Any, hardened: t.Any, address: str) -> None:
    listening(off(hardened), 8080, "python3", address)
    assert planned(catalogue, hardened).verdicts["firewall/enabled"].held == ""


@pytest.mark.parametrize("action", ["allow", "limit", "deny", "reject"])
def test_port_that_the_site_has_decided_on_holds_nothing(catalogue: t.Any, hardened: t.Any, action: str) -> None:
    listening(off(hardened), 8080, "python3")
    hardened["firewall"]["rules"] = [{"action": action, "protocol": "tcp", "first": 8000, "last": 8100}]
    assert planned(catalogue, hardened).verdicts["firewall/enabled"].held == ""


def test_port_that_the_overlay_opens_and_a_rule_closes_holds_the_firewall(catalogue: t.Any, hardened: t.Any) -> None:
    listening(off(hardened), 8080, "python3")
    hardened["firewall"]["rules"] = [{"action": "deny", "protocol": "tcp", "first": 8080, "last": 8080}]
    plan = planned(catalogue, hardened, ports=(Port(8080, 8080, "tcp"),))
    assert "refuses 8080/tcp, which the overlay opens" in plan.verdicts["firewall/enabled"].held


def test_published_ports_hold_ufw_until_the_site_names_the_purpose_which_lets_them_through(
    catalogue: t.Any, hardened: t.Any
) -> None:
    off(hardened)["firewall"]["chains"] = [own_chain(table="netavark", type="nat", hook="prerouting")]
    held = planned(catalogue, hardened, purposes=frozenset()).verdicts["firewall/enabled"].held
    assert "sent on to others (table inet netavark)" in held and "container_host" in held
    plan = planned(catalogue, hardened, purposes=frozenset({"container_host"}))
    commands = [command for command in plan.desired.commands if command[0] == "ufw"]
    assert commands[-2:] == [["ufw", "default", "allow", "routed"], ["ufw", "--force", "enable"]]


def test_purposes_that_send_packets_on_are_those_of_the_rule(catalogue: t.Any) -> None:
    assert set(catalogue.rules["firewall/default_routed"].unless["purpose"]) == FORWARDING


def test_port_that_a_later_overlay_does_not_name_stays_as_it_is(catalogue: t.Any, hardened: t.Any) -> None:
    listening(hardened, 8080, "python3")
    hardened["firewall"]["rules"] += [{"action": "allow", "protocol": "tcp", "first": 8080, "last": 8080}]
    assert not [rule for rule in planned(catalogue, hardened).changes if rule.startswith("firewall/")]


def test_ports_of_the_site_and_of_logins_are_opened_before_the_firewall_is_on(
    catalogue: t.Any, hardened: t.Any
) -> None:
    listening(off(hardened), 443, "nginx")
    listening(hardened, 2200, "sshd")
    hardened["sshd"]["session"] = {
        "user": "ansible",
        "address": "10.0.0.1",
        "local_address": "",
        "port": "2222",
        "differs": {},
    }
    hardened["sshd"]["effective"]["listenaddress"] = "0.0.0.0:2022 [::]:2022"
    hardened["sshd"]["effective"]["port"] = "22"
    ports = (Port(443, 443, "tcp"), Port(9000, 9010, "udp", "10.0.0.0/8"))
    commands = [c for c in planned(catalogue, hardened, ports=ports).desired.commands if c[0] == "ufw"]
    assert commands[:-2] == [
        *(["ufw", "allow", f"{port}/tcp"] for port in (2022, 22, 2200, 2222, 443)),
        ["ufw", "allow", "proto", "udp", "from", "10.0.0.0/8", "to", "any", "port", "9000:9010"],
    ]
    assert commands[-1] == ["ufw", "--force", "enable"]


def test_denying_by_default_opens_the_port_of_logins_first(catalogue: t.Any, hardened: t.Any) -> None:
    hardened["firewall"]["ufw"]["DEFAULT_INPUT_POLICY"] = "ACCEPT"
    hardened["firewall"]["rules"] = []
    for chain in hardened["firewall"]["chains"]:
        chain["policy"] = "accept"
    commands = [c for c in planned(catalogue, hardened).desired.commands if c[0] == "ufw"]
    assert commands.index(["ufw", "allow", "22/tcp"]) < commands.index(["ufw", "default", "deny", "incoming"])


def test_rule_that_refuses_logins_holds_the_firewall(catalogue: t.Any, hardened: t.Any) -> None:
    off(hardened)["firewall"]["rules"] = [{"action": "deny", "protocol": "any", "first": 1, "last": 100}]
    assert "refuses 22/tcp" in planned(catalogue, hardened).verdicts["firewall/enabled"].held


@pytest.mark.parametrize("section", ["listen", "sshd"])
def test_what_was_not_read_of_ports_holds_the_firewall(catalogue: t.Any, hardened: t.Any, section: str) -> None:
    off(hardened).document["sections"][section] = {"items": None, "whole": False, "left_out": {"": "gone"}}
    assert f"was not read ({section}: gone)" in planned(catalogue, hardened).verdicts["firewall/enabled"].held


@pytest.mark.parametrize(
    ("facts", "holds"),
    [
        ({"policy": "drop"}, True),
        ({"accepts": True, "refuses": True}, True),
        ({"refuses": True}, False),
        ({"accepts": True}, False),
        ({"family": "ip", "table": "filter", "name": "INPUT", "policy": "drop"}, True),
    ],
)
def test_filter_of_the_site_holds_ufw_by_its_table(
    catalogue: t.Any, hardened: t.Any, facts: dict[str, t.Any], holds: bool
) -> None:
    off(hardened)["firewall"]["chains"] = [own_chain(**facts)]
    held = planned(catalogue, hardened).verdicts["firewall/enabled"].held
    assert ("filter rules of its own (table" in held) is holds


def test_legacy_tables_hold_ufw(catalogue: t.Any, hardened: t.Any) -> None:
    off(hardened)["firewall"]["legacy"] = ["filter"]
    assert "legacy iptables rules" in planned(catalogue, hardened).verdicts["firewall/enabled"].held


def test_ufw_that_is_on_but_whose_chains_are_gone_fails(catalogue: t.Any, hardened: t.Any) -> None:
    """A site's own nftables service flushes the ruleset when it restarts."""
    hardened["firewall"]["chains"] = [own_chain(policy="drop")]
    verdicts = planned(catalogue, hardened).verdicts
    assert verdicts["firewall/enabled"].verdict == "fail"
    assert verdicts["firewall/default_incoming"].verdict == "fail"


@pytest.mark.parametrize(
    ("six", "addresses", "policy", "verdict"),
    [
        ("yes", True, "drop", "fail"),
        ("no", True, "drop", "pass"),
        ("no", True, "accept", "fail"),
        ("no", True, "", "fail"),
        ("no", False, "", "pass"),
    ],
)
def test_ufw_without_its_chains_for_ipv6(
    catalogue: t.Any, hardened: t.Any, six: str, addresses: bool, policy: str, verdict: str
) -> None:
    """Where ufw leaves IPv6 alone, it lets nothing in by it but over the loopback."""
    firewall = hardened["firewall"]
    firewall["ipv6"], firewall["ufw"]["IPV6"] = addresses, six
    firewall["chains"] = [c for c in firewall["chains"] if c["family"] == "ip"]
    if policy:
        own = own_chain(policy=policy)
        firewall["chains"].append({**own, "family": "ip6", "table": "filter", "accepts": True, "refuses": False})
    plan = planned(catalogue, hardened)
    assert plan.verdicts["firewall/enabled"].verdict == verdict
    assert (["ufw", "reload"] in plan.desired.commands) is (six == "no" and verdict == "fail")


def test_policy_of_the_kernel_is_judged_too(catalogue: t.Any, hardened: t.Any) -> None:
    next(c for c in hardened["firewall"]["chains"] if c["hook"] == "input")["policy"] = "accept"
    verdict = planned(catalogue, hardened).verdicts["firewall/default_incoming"]
    assert verdict.verdict == "fail" and "accept" in verdict.actual


# firewall-cmd(1), --list-all.
ZONE = """public (active)
  target: default
  icmp-block-inversion: no
  interfaces: eth0
  sources:
  services: dhcpv6-client ssh
  ports: 8080/tcp 9000-9010/udp
  protocols:
"""


def firewalld(evidence: t.Any) -> t.Any:
    """The evidence of a host with firewalld, written after its documented output."""
    evidence.platform = dataclasses.replace(
        evidence.platform, tools={**evidence.platform.tools, "firewall": "firewalld"},
        units={**evidence.platform.units, "firewall": ("firewalld.service",)},
    )  # fmt: skip
    evidence["service"]["firewalld.service"] = dict(evidence["service"]["ufw.service"])
    evidence["firewall"]["zone"] = zone(ZONE)
    chain = own_chain(table="firewalld", accepts=True, refuses=True)
    hooks = {"input": "filter_INPUT", "forward": "filter_FORWARD", "output": "filter_OUTPUT"}
    evidence["firewall"]["chains"] = [
        {**copy.deepcopy(chain), "hook": hook, "name": name} for hook, name in hooks.items()
    ]
    return evidence


def test_firewalld_passes_by_its_zone_and_chains(catalogue: t.Any, hardened: t.Any) -> None:
    verdicts = planned(catalogue, firewalld(hardened)).verdicts
    assert verdicts["firewall/enabled"].verdict == "pass"
    assert verdicts["firewall/default_incoming"].actual.startswith("reject, chains loaded")


def test_firewalld_that_is_off_is_enabled_with_the_ports_of_logins(catalogue: t.Any, hardened: t.Any) -> None:
    evidence = firewalld(hardened)
    evidence["firewall"]["chains"] = []
    evidence["firewall"]["zone"] = None
    plan = planned(catalogue, evidence)
    assert ["firewall-offline-cmd", "--add-port=22/tcp"] in plan.desired.commands
    assert "firewalld.service" in plan.desired.units_enabled


@pytest.mark.parametrize("state", [{"replaced": True, "drop_ins": ["/etc/x.conf"]}, {"conditions": ["/etc/x.conf"]}])
def test_firewall_that_something_else_is_started_for_is_held(
    catalogue: t.Any, hardened: t.Any, state: dict[str, t.Any]
) -> None:
    hardened["service"]["ufw.service"].update(state)
    verdict = planned(catalogue, hardened).verdicts["firewall/enabled"]
    assert verdict.verdict == "fail" and verdict.held.startswith("ufw.service") and "/etc/x.conf" in verdict.held


def test_settings_of_ufw_have_digits_in_their_names() -> None:
    assert dict(_assignments('IPV6=no\nDEFAULT_INPUT_POLICY="DROP"\n'))["IPV6"] == "no"
