"""A hardened host is broken by hand -> both judges and a third observer agree -> hardening mends or holds -> a second run changes nothing."""

from __future__ import annotations

import os
import shlex
import typing as t
from pathlib import Path

import pytest

from tests.hosts import __main__ as tool
from tests.kinds import OBSERVERS, SCENARIOS, rounds
from tests.kinds.scenario import Scenario

from .conftest import EVERYTHING, Target, goss_for_hosts_without_a_package, host_name

# Every scenario takes an hour on two cores; of each of `USUAL` the round that breaks the most rules takes minutes.
CHOICE = os.environ.get("UNIFIED_SCENARIOS", "")
# Scenarios that a round of the choice "large" has at least.
LARGE = 10
# What a scenario calls its host: the kind of it, and its suite.
HOSTS = {"container": ("container", "debian13"), "debian12": ("container", "debian12"), "uml": ("uml", "debian13")}
USUAL = ("container", "uml")
CHOSEN_HOSTS = list(HOSTS) if CHOICE == "all" else USUAL
ROUNDS = {name: rounds([scenario for scenario in SCENARIOS if scenario.host == name]) for name in HOSTS}
CHOSEN = [
    (name, number)
    for name in CHOSEN_HOSTS
    for number, scenarios in enumerate(ROUNDS[name])
    if CHOICE == "all" or len(scenarios) >= (LARGE if CHOICE == "large" else max(map(len, ROUNDS[name])))
]


def kinds_of(name: str) -> list[str]:
    return sorted({one.rule.split("/")[0] for one in SCENARIOS if one.host == name})


# A kernel of its own has no way out to the archive: only what needs such a kernel is hardened and judged there.
VARIABLES: dict[str, dict[str, t.Any]] = {
    "container": EVERYTHING,
    "debian12": {
        "compliance_benchmarks": [{"name": "cis", "level": "l1_server"}],
        "compliance_kinds": [*kinds_of("debian12"), "firewall", "package"],
    },
    "uml": {**EVERYTHING, "compliance_kinds": kinds_of("uml")},
}


@pytest.fixture(scope="module")
def disks() -> dict[str, Path]:
    """Disks of hardened hosts by name: made once, whichever test is the first to need one."""
    return {}


@pytest.fixture
def snapshot(
    request: pytest.FixtureRequest, disks: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """A host of a name, hardened until nothing changes, as a disk that hosts can start from."""
    name = request.param
    kind, _suite = HOSTS[name]
    if lacks := tool.KINDS[kind].missing():
        pytest.skip(f"this machine cannot run {kind} hosts: " + "; ".join(lacks))
    if name not in disks:
        disks[name] = hardened(name, f"{host_name(request)}-{name}", tmp_path_factory.mktemp(f"hardened-{name}"))
    return name, disks[name]


def hardened(name: str, address: str, directory: Path) -> Path:
    kind, suite = HOSTS[name]
    host = Target(tool.up(address, kind, suite), directory)
    try:
        host.play("harden_hosts", variables=variables_of(host))
        again = host.play("harden_hosts", variables=variables_of(host))
        assert again.changed(host.host.name) == 0, again.output[-3000:]
        bad = {
            i: r["actual"]
            for i, r in again.model(host.host.name)["rules"].items()
            if r["verdict"] in ("fail", "error") and not r["held"]
        }
        assert bad == {}
        assert ids(again.model(host.host.name)) == asked(again.model(host.host.name))
        if kind == "container":
            # Without kernel audit these fail at the next boot, which would count as a host that is not well.
            host.shell("systemctl mask --quiet audit-rules.service auditd.service")
        tool.KINDS[kind].snapshot(host.host, directory / "disk")
    finally:
        tool.down([host.host.name])
    return directory / "disk"


def ids(model: dict[str, t.Any]) -> dict[str, list[str]]:
    """The controls of each rule that was judged, as the report has them."""
    return {rule: sorted(made["controls"]) for rule, made in model["rules"].items()}


def asked(model: dict[str, t.Any]) -> dict[str, list[str]]:
    """The same by the controls of all benchmarks: a rule that several ask for is judged once, with all their ids."""
    made: dict[str, list[str]] = {}
    for control in model["controls"]:
        for rule in set(control["rules"]) & model["rules"].keys() if control["applicable"] else ():
            made.setdefault(rule, []).append(f"{control['benchmark']}:{control['id']}")
    return {rule: sorted(controls) for rule, controls in made.items()}


@pytest.fixture(scope="module", autouse=True)
def tally(pytestconfig: pytest.Config) -> t.Iterator[dict[str, set[str]]]:
    """Rules that a round has judged, and those of them that both judges saw broken; printed at the end."""
    counted: dict[str, set[str]] = {"judged": set(), "broken": set()}
    yield counted
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(
            f"\n{len(counted['broken'])} of {len(counted['judged'])} rules were broken on hosts, by "
            f"{sum(len(ROUNDS[name][number]) for name, number in CHOSEN)} of {len(SCENARIOS)} scenarios"
        )


def variables_of(target: Target) -> dict[str, t.Any]:
    name = next(name for name, host in HOSTS.items() if host == (target.host.kind, target.host.suite))
    return {**VARIABLES[name], **(goss_for_hosts_without_a_package() if name == "debian12" else {})}


def judged(target: Target, book: str) -> dict[str, t.Any]:
    return t.cast(
        "dict[str, t.Any]", target.play(book, variables=variables_of(target)).model(target.host.name)["rules"]
    )


def observed(target: Target, rules: t.Iterable[str]) -> dict[str, bool]:
    """What the third observer says of each rule that it knows."""
    known = [rule for rule in rules if rule in OBSERVERS]
    scripts = [
        f"if bash -euc {shlex.quote(OBSERVERS[rule])} >/dev/null 2>&1; then echo '{rule} holds'; else echo '{rule} broken'; fi\n"
        for rule in known
    ]
    # An argument of a program ends at 128 KiB (execve(2), MAX_ARG_STRLEN).
    parts = ["".join(scripts[start : start + 50]) for start in range(0, len(scripts), 50)]
    lines = [line for part in parts for line in target.shell(part).splitlines()]
    return {rule: state == "holds" for rule, state in (line.rsplit(" ", 1) for line in lines)}


def disagreements(rule: dict[str, t.Any], verdict: str, third: bool | None) -> list[str]:
    """What was said of a rule other than VERDICT; THIRD is the third observer's word, None where it has none."""
    said = [] if rule["verdict"] == verdict else [f"planner says {rule['verdict']} ({rule['actual']})"]
    if verdict in ("pass", "fail") and rule["goss"] != verdict:
        said.append(f"Goss says {rule['goss']}")
    if third is not None and verdict in ("pass", "fail") and third != (verdict == "pass"):
        said.append(f"the third observer says it {'holds' if third else 'is broken'}")
    return said


def run_round(target: Target, scenarios: list[Scenario], tally: dict[str, set[str]]) -> list[str]:
    """Break, audit, harden, harden again; a line for each thing that did not come as the scenarios say."""
    marks = {f"{one.rule} {one.name}": one for one in scenarios}
    script = "".join(f"( set -eu\n{one.script}\n) >/dev/null || echo '{mark}'\n" for mark, one in marks.items())
    wrong = [f"{mark}: its script fails" for mark in target.shell(script).splitlines() if mark in marks]

    rules, third = judged(target, "audit_hosts"), observed(target, [one.rule for one in scenarios])
    wrong += [f"{mark}: no such rule is judged here" for mark, one in marks.items() if one.rule not in rules]
    marks = {mark: one for mark, one in marks.items() if one.rule in rules}
    tally["judged"] |= set(rules)
    for mark, one in marks.items():
        said = disagreements(rules[one.rule], one.verdict, third.get(one.rule))
        wrong += [f"{mark}: expected {one.verdict}: {'; '.join(said)}"] if said else []
        if one.verdict == "fail" and not said:
            tally["broken"].add(one.rule)

    mended, third = judged(target, "harden_hosts"), observed(target, [one.rule for one in scenarios])
    for mark, one in marks.items():
        rule = mended[one.rule]
        if one.verdict == "error":
            said = disagreements(rule, "error", None)
        elif one.held:
            said = [] if one.held in rule["held"] else [f"{rule['verdict']}, held: '{rule['held']}'"]
        else:
            said = disagreements(rule, "pass", third.get(one.rule))
            said += [f"held: {rule['held']}"] if said and rule["held"] else []
        wrong += (
            [f"{mark}: expected {f'held ({one.held})' if one.held else 'mended'}: {'; '.join(said)}"] if said else []
        )

    again = target.play("harden_hosts", variables=variables_of(target))
    if again.changed(target.host.name):
        wrong.append(f"second run: changed {again.model(target.host.name)['changed']}")
    return wrong


@pytest.mark.parametrize(("snapshot", "number"), CHOSEN, indirect=["snapshot"])
def test_judges_agree_on_every_scenario_and_hardening_mends_or_holds_it(
    snapshot: tuple[str, Path],
    number: int,
    tally: dict[str, set[str]],
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    name, disk = snapshot
    host = tool.up(f"{host_name(request)}-{name}{number}", *HOSTS[name], str(disk))
    try:
        wrong = run_round(Target(host, tmp_path), ROUNDS[name][number], tally)
    finally:
        tool.down([host.name])
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("snapshot", CHOSEN_HOSTS, indirect=True)
def test_third_observer_agrees_on_every_rule_of_a_hardened_host(
    snapshot: tuple[str, Path], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    name, disk = snapshot
    host = tool.up(f"{host_name(request)}-{name}o", *HOSTS[name], str(disk))
    try:
        target = Target(host, tmp_path)
        rules = judged(target, "audit_hosts")
        unseen = {identifier for identifier, rule in rules.items() if rule["verdict"] in ("pass", "fail")} & set(
            OBSERVERS
        )
        third = observed(target, sorted(unseen))
    finally:
        tool.down([host.name])
    assert third.keys() == unseen, "a rule of which the observer said nothing agrees with nobody"
    assert {
        rule: rules[rule]["verdict"] for rule, holds in third.items() if holds != (rules[rule]["verdict"] == "pass")
    } == {}
