from __future__ import annotations

import datetime
import shutil
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.catalogue import ROOT as CATALOGUE
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.catalogue import Catalogue
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.selection import (
    Filters,
    Overlay,
    load_overlay,
    select,
)
from ansible_collections.unified.deploy.plugins.plugin_utils._errors import (
    CatalogueError,
    EvidenceError,
    SelectionError,
)

DEBIAN13 = {"os": "debian", "version": "13"}
TODAY = datetime.date(2026, 11, 21)


def chosen(
    catalogue: t.Any,
    overlay: Overlay | None = None,
    *,
    wishes: t.Any = (("cis", "l1_server"),),
    host: t.Any = DEBIAN13,
    **filters: t.Any,
) -> t.Any:
    return select(catalogue, wishes, overlay or Overlay(), host, Filters(**filters))


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "overlay.yml"
    path.write_text(text)
    return str(path)


def test_series_takes_the_benchmark_of_the_host(catalogue: t.Any) -> None:
    assert chosen(catalogue, host={"os": "debian", "version": "12"}).benchmarks == (("cis_debian12", "l1_server"),)


def test_level_2_includes_level_1(catalogue: t.Any) -> None:
    one, two = chosen(catalogue), chosen(catalogue, wishes=(("cis", "l2_server"),))
    assert set(one.demands) < set(two.demands)


def test_control_values_replace_the_rules_own(catalogue: t.Any) -> None:
    assert chosen(catalogue).demands["faillock/deny"].value.le == 4
    assert chosen(catalogue, host={"os": "debian", "version": "12"}).demands["faillock/deny"].value.le == 5


def test_two_controls_on_one_rule_meet_and_both_are_named(catalogue: t.Any) -> None:
    demand = chosen(catalogue).demands["sshd/KexAlgorithms"]
    assert demand.controls == ("cis_debian13:5.1.12", "cis_debian13:5.1.13")
    assert demand.value.none_of and demand.value.some_of


def test_filters_narrow_by_section_kind_and_rule(catalogue: t.Any) -> None:
    assert {c.control.id.split(".")[0:2] == ["5", "1"] for c in chosen(catalogue, sections=("5.1",)).controls} == {True}
    assert {rule.split("/")[0] for rule in chosen(catalogue, kinds=("sysctl",)).demands} == {"sysctl"}
    assert list(chosen(catalogue, rules=("sshd/Banner",)).demands) == ["sshd/Banner"]


def test_purpose_makes_a_control_or_rule_not_apply(catalogue: t.Any) -> None:
    rsyslog = chosen(catalogue, Overlay(purposes=frozenset({"log_rsyslog"})))
    assert rsyslog.demands["journald/ForwardToSyslog"].value.eq == "yes"
    assert chosen(catalogue).demands["journald/ForwardToSyslog"].value.eq == "no"
    assert "rsyslog/FileCreateMode" not in chosen(catalogue).demands


def test_overlay_value_is_final_and_makes_a_manual_rule_automatic(catalogue: t.Any) -> None:
    demand = chosen(catalogue, Overlay(values={"sshd/AllowGroups": {"some_of": ["ops"]}})).demands["sshd/AllowGroups"]
    assert demand.value.some_of == (("ops",),)
    assert demand.rule.remediate == "automatic"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"wishes": (("cis_debian12", "l1_server"),)},
            "benchmark 'cis_debian12' is for debian 12, this host is debian 13. Use 'cis_debian13'",
        ),
        ({"wishes": (("cis_debian14", "l1_server"),)}, "unknown benchmark 'cis_debian14'. Did you mean cis_debian1"),
        ({"wishes": (("sic", "l1_server"),)}, "unknown benchmark 'sic'"),
        ({"wishes": (("cis", "l3"),)}, "unknown level of cis_debian13 'l3'"),
        (
            {"host": {"os": "alpine", "version": "3"}},
            "system 'alpine 3' is not supported",
        ),
        (
            {"host": {"os": "rocky", "version": "9.4"}},
            "no cis benchmark for rhel 9. Supported are debian 12, debian 13",
        ),
        ({"kinds": ("sysctls",)}, "unknown kind 'sysctls'. Did you mean sysctl"),
        ({"rules": ("sshd/Baner",)}, "unknown rule 'sshd/Baner'. Did you mean sshd/Banner"),
        ({"sections": ("9",)}, "unknown section of cis_debian13 '9'"),
    ],
)
def test_unknown_names_are_refused_with_the_right_one(catalogue: t.Any, arguments: t.Any, message: str) -> None:
    with pytest.raises((SelectionError, EvidenceError)) as caught:
        chosen(catalogue, **arguments)
    assert message in str(caught.value)


@pytest.fixture
def twisted(tmp_path: Path) -> t.Any:
    """A catalogue in which two controls contradict each other."""
    root = Path(shutil.copytree(CATALOGUE, tmp_path / "catalogue"))
    path = root / "benchmarks" / "cis" / "cis_debian13.yml"
    control = '"1.5.10": {'
    text = path.read_text()
    line = next(line for line in text.splitlines() if control in line)
    twist = "values: {sysctl/kernel.yama.ptrace_scope: 0}, rules: [sysctl/kernel.yama.ptrace_scope]}"
    path.write_text(text.replace(line, line[: line.index(", rules:")] + f", {twist}"))
    return Catalogue(root)


def test_empty_meet_names_both_controls(twisted: t.Any) -> None:
    with pytest.raises(SelectionError) as caught:
        chosen(twisted)
    expected = "cis_debian13:1.5.3 asks for 1 or 2 or 3 and cis_debian13:1.5.10 for 0: nothing satisfies both"
    assert expected in str(caught.value)


def test_empty_meet_is_resolved_by_a_value_in_the_overlay(twisted: t.Any) -> None:
    rule = "sysctl/kernel.yama.ptrace_scope"
    assert chosen(twisted, Overlay(values={rule: 2})).demands[rule].value.eq == 2


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("purposes: [routr]\n", 1, "unknown purpose 'routr'. Did you mean router"),
        ("values:\n  sshd/Baner: x\n", 2, "unknown rule 'sshd/Baner'"),
        ("values:\n  file//etc/shadow: {mode: {le: 4, set: 9}}\n", 2, "does not satisfy"),
        ("values:\n  kmod/cramfs: 1\n", 2, "has no 'value'"),
        ('waivers:\n  - {rule: sshd/Banner, reason: r, owner: o, until: "2026-11-20"}\n', 2, "ended on 2026-11-20"),
        ('waivers:\n  - {rule: sshd/Banner, reason: r, owner: o, until: "2026-02-30"}\n', 2, "is no date"),
        (
            'attestations:\n  - {control: "cis_debian13:9.9", answer: pass, by: me, until: "2030-01-01"}\n',
            2,
            "unknown control 'cis_debian13:9.9'",
        ),
        (
            'attestations:\n  - {control: "cis_debain13:1.2.2.1", answer: pass, by: me, until: "2030-01-01"}\n',
            2,
            "unknown control 'cis_debain13:1.2.2.1'. Did you mean cis_debian13:...",
        ),
        ('waivers:\n  - {rule: sshd/Banner, reason: r, owner: o, until: "20300101"}\n', 2, "does not match"),
        ('waivers:\n  - {rule: sshd/Banner, reason: r, owner: o, until: "2030-01-01\\n"}\n', 2, "line break"),
        ("waivers:\n  - {rule: sshd/Banner, reason: r, owner: o, until: 2030}\n", 2, "must be text"),
        (
            """waivers:
  - {rule: sshd/Banner, reason: r, owner: o, until: "2030-01-01"}
  - {rule: sshd/Banner, reason: again, owner: o, until: "2031-01-01"}
""",
            3,
            "there are two waivers for 'sshd/Banner'",
        ),
        ("values:\n  login_defs/UMASK: 027\n", 2, "027 is a number in YAML, but not the one it looks like"),
        ("values:\n  sshd/MaxStartups: 10:30:50\n", 2, "put it in quotes"),
        (f"values:\n  login_defs/UMASK: {'9' * 5000}\n", 2, "put it in quotes"),
        (f"values:\n  login_defs/UMASK: 0x{'f' * 5000}\n", 2, "put it in quotes"),
        ("values:\n  faillock/deny: {ge: 20, le: 10}\n", 2, "nothing satisfies >= 20, <= 10"),
        ('values:\n  sshd/Banner: "/x\\nPermitRootLogin yes"\n', 2, "must not hold a line break or control character"),
        ('values:\n  sudo/logfile: "/x\\u2028ALL"\n', 2, "must not hold a line break"),
        ('values:\n  sshd/AllowGroups: {some_of: ["a\\e[2J"]}\n', 2, "must not hold a line break"),
        ("values: {}\nbanner: a\x07b\n", 2, "holds a control character"),
        ("values: {}\n---\nwaivers: []\n", 3, "holds 2 documents, only 1 is read"),
        ("values:\n\tsshd/Banner: x\n", 2, "not valid YAML"),
        ("ports:\n  - {port: 0, protocol: tcp}\n", 2, "'0' is not between 1 and 65535"),
        ('ports:\n  - {port: "90-80", protocol: tcp}\n', 2, "is not between 1 and 65535"),
        ("ports:\n  - {port: 80, protocol: icmp}\n", 2, "'icmp' is not one of tcp, udp"),
        (
            "ports:\n  - {port: 80, protocol: tcp, from: example.com}\n",
            2,
            "does not appear to be an IPv4 or IPv6 network",
        ),
        (f"values: {'[' * 200000}\n", 1, "nested too deeply"),
        (f"{'- ' * 200000}x\n", 1, "nested too deeply"),
        (
            'attestations:\n  - {control: "cis_debian13:1.2.2.1", answer: pass, by: me, until: "2020-01-01"}\n',
            2,
            "ended on 2020-01-01",
        ),
    ],
)
def test_mistake_in_an_overlay_is_refused_with_its_line(
    catalogue: t.Any, tmp_path: Path, text: str, line: int, message: str
) -> None:
    path = written(tmp_path, text)
    with pytest.raises((SelectionError, CatalogueError)) as caught:
        load_overlay(path, catalogue, TODAY)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert message in str(caught.value)


def test_overlay_that_is_not_there_is_refused(catalogue: t.Any) -> None:
    with pytest.raises(CatalogueError, match=r"/nowhere/overlay\.yml: cannot be read"):
        load_overlay("/nowhere/overlay.yml", catalogue, TODAY)


def test_empty_overlay_adds_nothing(catalogue: t.Any, tmp_path: Path) -> None:
    assert load_overlay(written(tmp_path, ""), catalogue, TODAY).values == {}


def test_overlay_from_an_editor_of_another_system_is_read(catalogue: t.Any, tmp_path: Path) -> None:
    path = tmp_path / "overlay.yml"
    path.write_bytes(b"\xef\xbb\xbfpurposes: [router]\r\nvalues:\r\n  sshd/Banner: /etc/issue\r\n")
    overlay = load_overlay(str(path), catalogue, TODAY)
    assert overlay.purposes == {"router"}
    assert overlay.values == {"sshd/Banner": "/etc/issue"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"# " + b"x" * 10_000_000, ": is larger than 4 MB"),
        (b"values: {}\nbanner: caf\xe9\n", ":2: is not UTF-8 text"),
    ],
)
def test_overlay_that_is_no_overlay_is_refused(catalogue: t.Any, tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "overlay.yml"
    path.write_bytes(content)
    with pytest.raises(CatalogueError) as caught:
        load_overlay(str(path), catalogue, TODAY)
    assert f"{path}{message}" in str(caught.value)


def test_message_about_an_overlay_shows_escapes_instead_of_obeying_them(catalogue: t.Any, tmp_path: Path) -> None:
    with pytest.raises(SelectionError) as caught:
        load_overlay(written(tmp_path, 'values: {"sshd/\\e[2J\\u202e": 1}\n'), catalogue, TODAY)
    assert r"unknown rule 'sshd/\x1b[2J\u202e'" in str(caught.value)


def test_overlay_ports_and_those_of_purposes_reach_every_demand(catalogue: t.Any, tmp_path: Path) -> None:
    text = """purposes: [web_server]
ports:
  - {port: 8080, protocol: tcp, from: 10.0.0.0/8, why: metrics}
  - {port: "5000-5010", protocol: udp}
"""
    overlay = load_overlay(written(tmp_path, text), catalogue, TODAY)
    ports = chosen(catalogue, overlay).demands["firewall/enabled"].site.ports
    assert [(port.first, port.last, port.protocol, port.source, port.why) for port in ports] == [
        (80, 80, "tcp", "", "web_server"),
        (443, 443, "tcp", "", "web_server"),
        (8080, 8080, "tcp", "10.0.0.0/8", "metrics"),
        (5000, 5010, "udp", "", ""),
    ]


def test_cis_and_stig_merge_each_check_once_with_all_its_ids(catalogue: t.Any) -> None:
    demands = chosen(catalogue, wishes=(("cis", "l2_server"), ("stig_ready_debian13", "cat_3"))).demands
    assert demands["pwquality/minlen"].controls == ("cis_debian13:5.3.3.2.2", "stig_ready_debian13:UBTU-24-400320")
    assert demands["pwquality/minlen"].value.ge == 15
    assert demands["shell/TMOUT"].value.le == 600
    assert demands["sshd/ClientAliveCountMax"].value.target() == 1
    # CIS asks for an exchange that withstands quantum computers, the STIG for approved ones: one is both.
    assert demands["sshd/KexAlgorithms"].value.target()[0] == "mlkem768x25519-sha256"


def test_time_service_is_the_sites_choice_where_benchmarks_differ(catalogue: t.Any) -> None:
    wishes = (("cis", "l2_server"), ("stig_ready_debian13", "cat_3"))
    timesyncd = chosen(catalogue, wishes=wishes).demands
    chrony = chosen(catalogue, Overlay(purposes=frozenset({"time_chrony"})), wishes=wishes).demands
    assert "service/timesyncd" in timesyncd and "package/timesyncd" not in timesyncd
    assert "service/timesyncd" not in chrony and "package/timesyncd" in chrony


def test_section_of_one_benchmark_narrows_all_that_are_merged(catalogue: t.Any) -> None:
    wishes = (("cis", "l2_server"), ("stig_ready_debian13", "cat_3"))
    selection = chosen(catalogue, wishes=wishes, sections=("5.1", "UBTU-24-6*"))
    assert {control.section for control in selection.controls} == {"Access control", "Connections, kernel and time"}
    assert all(control.control.id.startswith(("5.1.", "UBTU-24-6")) for control in selection.controls)


def test_same_benchmark_asked_for_twice_is_asked_once(catalogue: t.Any) -> None:
    selection = chosen(catalogue, wishes=(("cis", "l1_server"), ("cis_debian13", "l2_server"), ("cis", "l1_server")))
    assert len({control.id for control in selection.controls}) == len(selection.controls)
    assert selection.demands["sshd/Banner"].controls == ("cis_debian13:5.1.5",)


def test_value_by_platform_and_by_the_platforms_name(tmp_path: Path) -> None:
    root = Path(shutil.copytree(CATALOGUE, tmp_path / "catalogue"))
    path = root / "rules" / "sudo.yml"
    mode = 'value: {debian: {at_most: "0640"}, redhat: {at_most: "0000"}}'
    group = "value: {in: [root, {group: shadow}]}"
    path.write_text(f"kind: limits\nrules:\n  mode: {{{mode}, title: a mode}}\n  group: {{{group}, title: a group}}\n")
    catalogue = Catalogue(root)
    debian, rhel = (
        [catalogue.rules[f"limits/{key}"].constraints(catalogue.platforms[name])["value"] for key in ("mode", "group")]
        for name in ("debian", "rhel")
    )
    assert (debian[0].at_most, debian[1].in_) == ("0640", ("root", "shadow"))
    assert (rhel[0].at_most, rhel[1].in_) == ("0000", ("root",))


def test_filters_that_leave_nothing_are_named(catalogue: t.Any) -> None:
    what = r"nothing is selected: cis_debian13 at level l1_server has nothing that fits compliance_sections \(5.1\) and compliance_kinds"
    with pytest.raises(SelectionError, match=what):
        chosen(catalogue, sections=("5.1",), kinds=("sysctl",))
    # Its controls are of the level l2_server only.
    with pytest.raises(SelectionError, match="another level in compliance_benchmarks"):
        chosen(catalogue, sections=("6.2.3",))


def test_what_the_filters_leave_out_is_counted_once(catalogue: t.Any) -> None:
    whole, narrowed = chosen(catalogue), chosen(catalogue, kinds=("sshd",))
    assert narrowed.left_out.rules == whole.demands.keys() - narrowed.demands.keys()
    ids = {control.id for control in whole.controls}
    assert narrowed.left_out.controls == ids - {control.id for control in narrowed.controls}
    assert (whole.left_out.rules, whole.left_out.controls) == (frozenset(), frozenset())
