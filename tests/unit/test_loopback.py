"""What the loaded filter does with the loopback, and what ufw is asked to add to it."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._collect import loopback, packet_rules
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.kinds.base import Demand, Desired
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.kinds.loopback import STORED, Loopback

RULE = "loopback/traffic"
LO = {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "lo"}}
OUT = {"match": {"op": "==", "left": {"meta": {"key": "oifname"}}, "right": "lo"}}
NOT_LO = {"match": {"op": "!=", "left": {"meta": {"key": "iifname"}}, "right": "lo"}}
NET = {"prefix": {"addr": "127.0.0.0", "len": 8}}
ACCEPT, DROP, COUNTER = {"accept": None}, {"drop": None}, {"counter": {"packets": 0, "bytes": 0}}
BY_INTERFACE = {"vmap": {"key": LO["match"]["left"], "data": {"set": [["eth0", DROP], ["lo", ACCEPT]]}}}
XT = {"xt": {"type": "match", "name": "conntrack"}}


def source(value: t.Any, family: str = "ip") -> dict[str, t.Any]:
    return {"match": {"op": "==", "left": {"payload": {"protocol": family, "field": "saddr"}}, "right": value}}


def seen(*rules: tuple[str, list[dict[str, t.Any]]], family: str = "ip") -> dict[str, dict[str, bool]]:
    """What a ruleset does that is as iptables-nft makes ufw's: base chains that jump to chains of ufw."""
    chains: list[dict[str, t.Any]] = []
    listed: packet_rules.Rules = {}
    for name, hook in (("INPUT", "input"), ("OUTPUT", "output")):
        chains.append({"family": family, "table": "filter", "name": name, "hook": hook, "type": "filter"})
        listed[family, "filter", name] = [[COUNTER, {"jump": {"target": f"ufw-before-{hook}"}}]]
    for chain, steps in rules:
        listed.setdefault((family, "filter", chain), []).extend(packet_rules.expanded(steps))
    return loopback.loopback(chains, listed)


IN, OUTPUT, USER = "ufw-before-input", "ufw-before-output", "ufw-user-input"
UFW = (
    (IN, [LO, COUNTER, ACCEPT]),
    (IN, [XT, COUNTER, ACCEPT]),
    (IN, [XT, COUNTER, DROP]),
    (OUTPUT, [OUT, COUNTER, ACCEPT]),
    (IN, [COUNTER, {"jump": {"target": USER}}]),
)


@pytest.mark.parametrize(
    ("rules", "does"),
    [
        ((), (False, False, False)),
        (UFW, (True, True, False)),
        ((*UFW, (USER, [source(NET), COUNTER, DROP])), (True, True, True)),
        ((*UFW, (USER, [NOT_LO, source(NET), {"reject": None}])), (True, True, True)),
        ((*UFW, (USER, [LO, source(NET), DROP])), (True, True, False)),
        ((*UFW, (USER, [XT, source(NET), DROP])), (True, True, False)),
        ((*UFW, (USER, [{"limit": {"rate": 3}}, source(NET), DROP])), (True, True, False)),
        ((*UFW, (USER, [source("127.0.0.1"), DROP])), (True, True, False)),
        ((*UFW, (USER, [ACCEPT]), (USER, [source(NET), DROP])), (True, True, False)),
        ((*UFW, (USER, [source("127.0.0.1"), ACCEPT]), (USER, [source(NET), DROP])), (True, True, False)),
        ((*UFW, (USER, [source("127.0.0.1"), DROP]), (USER, [source(NET), DROP])), (True, True, True)),
        ((*UFW, (USER, [source({"set": [NET, "192.0.2.1"]}), DROP])), (True, True, True)),
        ((*UFW, (USER, [source({"range": ["127.0.0.0", "127.255.255.255"]}), DROP])), (True, True, True)),
        (
            (*UFW, (USER, [source({"range": ["127.0.0.9", "127.0.0.10"]}), ACCEPT]), (USER, [source(NET), DROP])),
            (True, True, False),
        ),
        (
            (*UFW, (USER, [source({"range": ["126.0.0.0", "127.0.0.1"]}), ACCEPT]), (USER, [source(NET), DROP])),
            (True, True, False),
        ),
        ((*UFW, (USER, [source({"prefix": {"addr": "127.0.0.1", "len": 8}}), DROP])), (True, True, True)),
        (
            (*UFW, (USER, [source({"prefix": {"addr": "127.0.0.1", "len": 30}}), ACCEPT]), (USER, [source(NET), DROP])),
            (True, True, False),
        ),
        # As ufw-not-local: what is for the host itself returns before everything else is dropped.
        ((*UFW, (USER, [XT, {"return": None}]), (USER, [DROP])), (True, True, False)),
        (((IN, [source(NET), DROP]), *UFW), (False, True, True)),
        (((IN, [{"return": None}]), *UFW), (False, True, False)),
        (((IN, [{"jump": {"target": IN}}]),), (False, False, False)),
        (((IN, [{"goto": {"target": USER}}]), *UFW), (False, True, False)),
        (((IN, [BY_INTERFACE]), (OUTPUT, [OUT, ACCEPT])), (True, True, False)),
    ],
)
def test_fate_of_packets_is_what_a_rule_surely_says(rules: t.Any, does: tuple[bool, bool, bool]) -> None:
    answer = seen(*rules)
    assert answer["ip"] == dict(zip(("in", "out", "refuses"), does))
    assert answer["ip6"] == {"in": False, "out": False, "refuses": False}


def test_six_has_its_own_address() -> None:
    assert seen(*UFW, (USER, [source("::1", "ip6"), DROP]), family="ip6")["ip6"] == {
        "in": True,
        "out": True,
        "refuses": True,
    }


@pytest.fixture
def host(hardened: t.Any) -> t.Any:
    words = {"in": True, "out": True, "refuses": True}
    hardened["firewall"]["loopback"] = {"ip": dict(words), "ip6": dict(words)}
    return hardened


def asked(catalogue: t.Any, host: t.Any) -> tuple[str, str, list[list[str]]]:
    """The verdict, what holds it, and the commands that mend it."""
    demand, kind, desired = Demand(catalogue.rules[RULE], {}, ()), Loopback(), Desired()
    verdict = kind.judge(demand, host).verdict
    held = kind.obstacle(demand, host) if verdict == "fail" else ""
    if verdict == "fail" and not held:
        kind.want(demand, host, desired)
    assert kind.asserts(demand, host)
    return verdict, held, desired.commands


def test_filter_that_does_all_passes(catalogue: t.Any, host: t.Any) -> None:
    assert asked(catalogue, host) == ("pass", "", [])


def test_what_is_not_refused_is_asked_of_ufw_once(catalogue: t.Any, host: t.Any) -> None:
    host["firewall"]["loopback"]["ip"]["refuses"] = False
    assert asked(catalogue, host) == ("fail", "", [["ufw", "deny", "in", "from", "127.0.0.0/8"]])
    host["text"][STORED["ip"]] = "### tuple ### deny any any 0.0.0.0/0 any 127.0.0.0/8 in\n"
    assert "stands before it" in asked(catalogue, host)[1]


def test_chains_that_are_not_loaded_are_no_pass_and_asked_for_once(catalogue: t.Any, host: t.Any) -> None:
    host["firewall"]["chains"].clear()
    for does in host["firewall"]["loopback"].values():
        does.update({"in": False, "out": False, "refuses": False})
    verdict, held, commands = asked(catalogue, host)
    assert (verdict, held, len(commands)) == ("fail", "", 2)
    for family, text in (("ip", "0.0.0.0/0 any 127.0.0.0/8"), ("ip6", "::/0 any ::1")):
        host["text"][STORED[family]] = f"### tuple ### deny any any {text} in\n"
    assert "firewall/enabled loads" in asked(catalogue, host)[1]


def test_lines_of_the_package_that_were_taken_out_are_named(catalogue: t.Any, host: t.Any) -> None:
    host["firewall"]["loopback"]["ip"]["in"] = False
    assert "before.rules" in asked(catalogue, host)[1]


def test_family_that_ufw_leaves_out_is_not_asked_about(catalogue: t.Any, host: t.Any) -> None:
    host["firewall"]["loopback"]["ip6"]["refuses"] = False
    host["firewall"]["ufw"]["IPV6"] = "no"
    assert asked(catalogue, host)[0] == "pass"
