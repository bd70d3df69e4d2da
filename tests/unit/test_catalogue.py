from __future__ import annotations

import json
import re
import shutil
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import selection as _selection
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.benchmark import in_section
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.catalogue import ROOT as CATALOGUE
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.catalogue import Catalogue
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.kinds.base import Port
from ansible_collections.unified.deploy.plugins.plugin_utils._errors import CatalogueError

from tests.unit.selections import SELECTIONS
from tools.golden import GUIDE, guide, pinned, schemas

GOLDEN = Path(__file__).parent / "golden"


def test_benchmarks_have_every_control_and_level_of_the_published_lists(catalogue: t.Any) -> None:
    published = json.loads((GOLDEN / "published.json").read_text())
    for name, controls in published.items():
        ours = {c.id: [sorted(c.levels), c.assess] for c in catalogue.benchmarks[name].controls.values()}
        assert ours == controls
    assert {name: len(controls) for name, controls in published.items()} == {"cis_debian13": 343, "cis_debian12": 310}


def test_stig_has_every_rule_with_category_and_references_of_the_published_list(catalogue: t.Any) -> None:
    for name, published in json.loads((GOLDEN / "published_stig.json").read_text()).items():
        ours = {
            c.id: {"level": c.levels[0], "cci": list(c.cci), "srg": list(c.srg), "vuln": c.vuln}
            for c in catalogue.benchmarks[name].controls.values()
        }
        assert ours == published
        assert len(ours) == 194


def test_stig_is_judged_widely_and_says_who_judges(catalogue: t.Any) -> None:
    controls = catalogue.benchmarks["stig_ubuntu2404"].controls.values()
    by_program = [c for c in controls if any(not rule.startswith("manual/") for rule in c.rules)]
    assert len(by_program) >= 120
    by_people = {c.id for c in controls if c.rules and all(rule.startswith("manual/") for rule in c.rules)}
    assert {c.id for c in controls if c.assess == "manual"} == by_people
    assert {c.severity for c in controls} == {"high", "medium", "low"}


def test_readiness_for_a_stig_is_no_stig(catalogue: t.Any) -> None:
    """Nobody may take our list for a document of DISA's: not by its title, and not by asking for a STIG."""
    ready, stig = (catalogue.benchmarks[name] for name in ("stig_ready_debian13", "stig_ubuntu2404"))
    assert "not a DISA document" in ready.title
    assert ready.series != stig.series
    assert list(ready.controls) == list(stig.controls)
    changed = {name for name in stig.controls if ready.controls[name] != stig.controls[name]}
    assert changed == {f"UBTU-24-{number}" for number in (100010, 100700, 100840, 200610, 600160, 600180, 700100)}


def test_level_1_server_of_debian_13_is_judged_widely(catalogue: t.Any) -> None:
    benchmark = catalogue.benchmarks["cis_debian13"]
    level_1 = [c for c in benchmark.controls.values() if "l1_server" in c.levels]
    judged = [c for c in level_1 if any(not rule.startswith("manual/") for rule in c.rules)]
    assert len(level_1) == 262
    assert len(judged) >= 200
    assert len(catalogue.rules) >= 200


def test_every_rule_is_used_by_a_control(catalogue: t.Any) -> None:
    used = {rule for b in catalogue.benchmarks.values() for c in b.controls.values() for rule in c.rules}
    assert sorted(set(catalogue.rules) - used) == []


def test_automated_controls_have_a_rule_or_are_known_to_lack_one(catalogue: t.Any) -> None:
    """A control may lack a rule only while it is listed here: the list shrinks, it does not grow unseen."""
    lacking = {f"{b.id}:{c.id}" for b in catalogue.benchmarks.values() for c in b.controls.values() if not c.rules}
    assert lacking == set((GOLDEN / "without_rules.txt").read_text().split())


def test_every_cci_is_known_to_the_table(catalogue: t.Any) -> None:
    table = (CATALOGUE / "tables" / "cci_nist_800_53_r5.csv").read_text()
    for rule in catalogue.rules.values():
        for cci in rule.cci:
            assert f"\n{cci}," in table, f"{rule.id}: {cci}"


def test_purposes_in_conditions_are_known(catalogue: t.Any) -> None:
    conditional = [*catalogue.rules.values(), *(c for b in catalogue.benchmarks.values() for c in b.controls.values())]
    used = {purpose for part in conditional for side in (part.when, part.unless) for purpose in side.get("purpose", ())}
    assert used <= set(catalogue.purposes)


def test_purposes_imply_ports(catalogue: t.Any) -> None:
    assert catalogue.purposes["web_server"].ports == tuple(Port(n, n, "tcp", "", "web_server") for n in (80, 443))
    assert Port(30000, 32767, "udp", "", "kubernetes_node") in catalogue.purposes["kubernetes_node"].ports


def test_only_the_benchmarks_that_are_asked_for_are_read(catalogue: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = Catalogue()
    monkeypatch.setattr(fresh.benchmarks, "_load", lambda path: pytest.fail(f"{path} was read"))
    assert set(fresh.benchmarks) == set(catalogue.benchmarks)
    assert "cis_debian13" in fresh.benchmarks
    assert fresh.benchmarks.platforms("cis_debian13") == {"debian": ("13",)}


def test_schemas_are_those_that_kinds_and_platforms_make() -> None:
    """`make golden` writes them."""
    stored = {path.name: path.read_text() for path in (CATALOGUE / "schema").glob("*.json")}
    assert stored == schemas()


def test_guide_counts_who_judges_what(catalogue: t.Any) -> None:
    """`make golden` writes the table."""
    assert GUIDE.read_text() == guide(catalogue)


@pytest.mark.parametrize(
    ("control", "prefix", "within"),
    [
        ("5.1", "5.1", True),
        ("5.1.2", "5.1", True),
        ("5.10", "5.1", False),
        ("UBTU-24-400320", "UBTU-24-400320", True),
        ("UBTU-24-400320", "UBTU-24", True),
        ("UBTU-24-400320", "UBTU-24-4", False),
        ("UBTU-24-400320", "UBTU-24-4*", True),
        ("R30", "R3", False),
        ("R30", "R30", True),
        ("R30", "*", True),
    ],
)
def test_section_is_a_prefix_of_any_form_of_id(control: str, prefix: str, within: bool) -> None:
    assert in_section(control, prefix) is within


def test_titles_are_our_own_words(catalogue: t.Any) -> None:
    """The benchmarks' own titles all begin so."""
    for benchmark in catalogue.benchmarks.values():
        assert not [c.id for c in benchmark.controls.values() if c.title.startswith(("Ensure", "Ubuntu 24.04 LTS"))]


@pytest.mark.parametrize("name", SELECTIONS)
def test_selection_is_pinned(catalogue: t.Any, name: str) -> None:
    """An update of a benchmark shows as a reviewed change of this file."""
    wishes, host = SELECTIONS[name]
    selection = _selection.select(catalogue, wishes, _selection.Overlay(), host)
    assert pinned(selection) == (GOLDEN / f"{name}.txt").read_text(), "run 'make golden' if this change is meant"


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CATALOGUE, tmp_path / "catalogue"))


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("rules/sshd.yml", "kind: sshd", "kind: sshx", "'sshx' is not one of"),
        (
            "rules/sshd.yml",
            "  Banner: {value: /etc/issue.net,",
            "  Banner: {walue: x, value: /etc/issue.net,",
            "unknown key 'walue'",
        ),
        (
            "rules/sshd.yml",
            "  Banner: {value: /etc/issue.net,",
            '  Banner: {value: /etc/issue.net, mode: "0600",',
            "unknown key 'mode' (known: cci, reason",
        ),
        (
            "rules/sshd.yml",
            "severity: medium, when: {package: [ssh_server]}",
            "severity: grave",
            "'grave' is not one of",
        ),
        (
            "rules/sysctl.yml",
            "fs.suid_dumpable: {value: 0",
            "fs.suid_dumpable: {value: {debian: 0}",
            "no value for platform rhel",
        ),
        (
            "rules/sysctl.yml",
            "fs.suid_dumpable: {value: 0",
            "fs.suid_dumpable: {value: {le: 1, set: 2}",
            "does not satisfy",
        ),
        (
            "rules/sysctl.yml",
            "fs.suid_dumpable: {value: 0",
            "fs.suid_dumpable: {value: {in: [{group: wheeel}]}",
            "platform 'debian' says nothing of 'wheeel'",
        ),
        (
            "rules/package.yml",
            "  apport: {state: absent",
            "  apport: {state: {debian: absent}",
            "no value for platform rhel",
        ),
        ("rules/package.yml", "  apport: {state: absent, ", "  apport: {", "'package/apport': lacks the key 'state'"),
        ("rules/package.yml", "  apport: {", "  aportt: {", "says nothing of 'aportt'. Add it to packages, empty if"),
        (
            "rules/sysctl.yml",
            "purpose: [router]",
            "purpose: [routr]",
            "'routr' is no purpose: add it to purposes.yml",
        ),
        (
            "rules/sysctl.yml",
            "purpose: [router]",
            "family: [readhat]",
            "'readhat' is no family (one of debian, redhat)",
        ),
        ("rules/sysctl.yml", "purpose: [router]", "architecture: [amd64]", "'amd64' is no architecture"),
        ("platforms/rhel.yml", "  apport: []\n", "", "packages lacks 'apport', which platform"),
        ("platforms/rhel.yml", "family: redhat", "family: suse", "'suse' is not one of debian, redhat"),
        ("platforms/ubuntu.yml", "based_on: debian", "based_on: mint", "there is no 'mint'"),
        ("purposes.yml", "port: 67,", "port: 70000,", "'70000' is not between 1 and 65535"),
        (
            "benchmarks/cis/cis_debian13.yml",
            "benchmark: cis_debian13",
            "benchmark: cis_debian12",
            "as its file and folder",
        ),
        ("benchmarks/cis/cis_debian13.yml", "{debian: [", "{debain: [", "'debain' is not one of debian, rhel, ubuntu"),
        (
            "rules/kmod.yml",
            "  atm: {title: The ATM protocol cannot be loaded",
            "  atm: {remediate: manual, title: The ATM protocol cannot be loaded",
            "without a reason",
        ),
        (
            "benchmarks/cis/cis_debian13.yml",
            "rules: [kmod/cramfs]",
            "rules: [kmod/cramfz]",
            "unknown rule 'kmod/cramfz'",
        ),
        (
            "benchmarks/cis/cis_debian13.yml",
            "levels: [l1_server, l1_workstation], assess: automated, rules: [kmod/cramfs]",
            "levels: [l9], assess: automated",
            "unknown level 'l9'",
        ),
        ("benchmarks/cis/cis_debian13.yml", '  "1.1.1.1": {', "  1.1: {", "must be text: put it in quotes"),
        ("benchmarks/cis/cis_debian13.yml", '  "1.1.1.2": {', '  "1.1.1.1": {', "stands twice"),
        (
            "benchmarks/cis/cis_debian13.yml",
            "values: {faillock/deny: {ge: 1, le: 4, set: 4}}",
            "values: {faillock/deny: {ge: 1}, faillock/x: 1}",
            "which it does not name",
        ),
    ],
)
def test_mistake_in_the_catalogue_names_file_and_line(
    copied: Path, file: str, old: str, new: str, message: str
) -> None:
    path = copied / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(CatalogueError) as caught:
        list(Catalogue(copied).benchmarks.values())
    assert message in str(caught.value)
    # What a platform lacks is said of its file; all else of the line that is wrong.
    assert re.match(rf"{re.escape(str(path))}:\d+: ", str(caught.value)) or "packages lacks" in message, caught.value


def test_rules_that_no_person_wrote_are_refused_by_their_size(copied: Path) -> None:
    path = copied / "rules/kmod.yml"
    path.write_text(path.read_text() + "# " + "x" * 10_000_000)
    with pytest.raises(CatalogueError, match=r"rules/kmod\.yml.*is larger than 4 MB.*Split it"):
        Catalogue(copied)


def test_levels_that_inherit_in_a_circle_are_refused(copied: Path) -> None:
    path = copied / "benchmarks" / "cis" / "cis_debian13.yml"
    data = yaml.safe_load(path.read_text())
    data["levels"]["l1_server"]["inherits"] = "l2_server"
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(CatalogueError, match="inherits from itself"):
        Catalogue(copied).benchmarks["cis_debian13"]
