"""A hardened host is broken by hand -> both judges and a third observer agree -> hardening mends or holds -> a second run changes nothing."""

from __future__ import annotations

import json
import os
import shlex
import typing as t
from pathlib import Path

import pytest

from tests.hosts import __main__ as tool
from tests.kinds import OBSERVERS, SCENARIOS, rounds
from tests.kinds.scenario import Scenario

from .conftest import EVERYTHING, Target, host_name

# Every scenario takes an hour on two cores; the large rounds hold most of them.
CHOICE = os.environ.get("UNIFIED_SCENARIOS", "")
pytestmark = pytest.mark.skipif(not CHOICE, reason="takes long: make test-scenarios")
ALL = CHOICE == "all"
LARGE = 10
ROUNDS = {
    kind: [
        scenarios
        for scenarios in rounds([scenario for scenario in SCENARIOS if scenario.host == kind])
        if ALL or len(scenarios) >= LARGE
    ]
    for kind in ("container", "uml")
}


# A kernel of its own has no way out to the archive: only what needs such a kernel is hardened and judged there.
VARIABLES = {
    "container": EVERYTHING,
    "uml": {
        **EVERYTHING,
        "compliance_kinds": sorted({one.rule.split("/")[0] for one in SCENARIOS if one.host == "uml"}),
        "compliance_walk": False,
    },
}


@pytest.fixture(scope="module")
def snapshot(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A host of a kind, hardened until nothing changes, as a disk that hosts can start from."""
    kind = request.param
    if lacks := tool.KINDS[kind].missing():
        pytest.skip(f"this machine cannot run {kind} hosts: " + "; ".join(lacks))
    directory = tmp_path_factory.mktemp(f"hardened-{kind}")
    host = Target(tool.up(f"{host_name(request)}-{kind}", kind, "debian13"), directory)
    try:
        host.play("harden_hosts", variables=VARIABLES[kind])
        again = host.play("harden_hosts", variables=VARIABLES[kind])
        assert again.changed(host.host.name) == 0, again.output[-3000:]
        bad = {
            i: r["actual"]
            for i, r in again.model(host.host.name)["rules"].items()
            if r["verdict"] in ("fail", "error") and not r["held"]
        }
        assert bad == {}
        if kind == "container":
            # Without kernel audit these fail at the next boot, which would count as a host that is not well.
            host.shell("systemctl mask --quiet audit-rules.service auditd.service")
        tool.KINDS[kind].snapshot(host.host, directory / "disk")
    finally:
        tool.down([host.host.name])
    return kind, directory / "disk"


def judged(target: Target, book: str) -> dict[str, t.Any]:
    return t.cast(
        "dict[str, t.Any]", target.play(book, variables=VARIABLES[target.host.kind]).model(target.host.name)["rules"]
    )


def observed(target: Target, rules: t.Iterable[str]) -> dict[str, bool]:
    """What the third observer says of each rule that it knows."""
    known = [rule for rule in rules if rule in OBSERVERS]
    script = "".join(
        f"if bash -euc {shlex.quote(OBSERVERS[rule])} >/dev/null 2>&1; then echo '{rule} holds'; else echo '{rule} broken'; fi\n"
        for rule in known
    )
    lines = target.shell(script).splitlines() if known else []
    return {rule: state == "holds" for rule, state in (line.rsplit(" ", 1) for line in lines)}


def disagreements(scenario: Scenario, rule: dict[str, t.Any], third: dict[str, bool]) -> list[str]:
    """What was said of a scenario other than what it expects."""
    said = [] if rule["verdict"] == scenario.verdict else [f"verdict {rule['verdict']} ({rule['actual']})"]
    if scenario.verdict in ("pass", "fail") and rule["goss"] != scenario.verdict:
        said.append(f"Goss says {rule['goss']}")
    if scenario.rule in third and third[scenario.rule] != (scenario.verdict == "pass"):
        said.append(f"the third observer says it {'holds' if third[scenario.rule] else 'is broken'}")
    return said


def run_round(target: Target, scenarios: list[Scenario]) -> dict[str, list[str]]:
    wrong: dict[str, list[str]] = {}
    target.shell(
        "".join(f"( set -eu\n{one.script}\n) >/dev/null || echo 'FAILED {one.rule} {one.name}'\n" for one in scenarios)
    )
    rules = judged(target, "audit_hosts")
    third = observed(target, [one.rule for one in scenarios])
    for one in scenarios:
        wrong[f"{one.rule} {one.name}: broken"] = disagreements(one, rules[one.rule], third)
    mended = judged(target, "harden_hosts")
    third = observed(target, [one.rule for one in scenarios])
    for one in scenarios:
        label = f"{one.rule} {one.name}: hardened"
        if one.held:
            said = [] if one.held in mended[one.rule]["held"] else [f"held because '{mended[one.rule]['held']}'"]
        else:
            said = disagreements(Scenario(one.rule, one.name, "", "pass"), mended[one.rule], third)
        wrong[label] = said
    again = target.play("harden_hosts", variables=VARIABLES[target.host.kind])
    if again.changed(target.host.name):
        wrong["second run"] = [f"changed {again.changed(target.host.name)}: {again.model(target.host.name)['changed']}"]
    return {label: said for label, said in wrong.items() if said}


@pytest.mark.parametrize(
    ("snapshot", "number"),
    [(kind, number) for kind, made in ROUNDS.items() for number in range(len(made))],
    indirect=["snapshot"],
)
def test_judges_agree_on_every_scenario_and_hardening_mends_or_holds_it(
    snapshot: tuple[str, Path], number: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    kind, disk = snapshot
    host = tool.up(f"{host_name(request)}-{kind}{number}", kind, "debian13", str(disk))
    try:
        wrong = run_round(Target(host, tmp_path), ROUNDS[kind][number])
    finally:
        tool.down([host.name])
    assert wrong == {}, json.dumps(wrong, indent=1)


@pytest.mark.parametrize("snapshot", ["container", "uml"], indirect=True)
def test_third_observer_agrees_on_every_rule_of_a_hardened_host(
    snapshot: tuple[str, Path], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    kind, disk = snapshot
    host = tool.up(f"{host_name(request)}-{kind}o", kind, "debian13", str(disk))
    try:
        target = Target(host, tmp_path)
        rules = judged(target, "audit_hosts")
        unseen = {identifier for identifier, rule in rules.items() if rule["verdict"] in ("pass", "fail")} & set(
            OBSERVERS
        )
        third = observed(target, sorted(unseen))
    finally:
        tool.down([host.name])
    assert {
        rule: rules[rule]["verdict"] for rule, holds in third.items() if holds != (rules[rule]["verdict"] == "pass")
    } == {}
