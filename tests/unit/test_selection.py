from __future__ import annotations

import datetime
import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.selection import (
    Filters,
    Overlay,
    load_overlay,
    select,
)
from ansible_collections.unified.deploy.plugins.plugin_utils._errors import CatalogueError, SelectionError

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
    assert demand.value.some_of == ("ops",)
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
            "no cis benchmark for alpine 3. Supported are debian 12, debian 13",
        ),
        ({"kinds": ("sysctls",)}, "unknown kind 'sysctls'. Did you mean sysctl"),
        ({"rules": ("sshd/Baner",)}, "unknown rule 'sshd/Baner'. Did you mean sshd/Banner"),
        ({"sections": ("9",)}, "unknown section of cis_debian13 '9'"),
    ],
)
def test_unknown_names_are_refused_with_the_right_one(catalogue: t.Any, arguments: t.Any, message: str) -> None:
    with pytest.raises(SelectionError) as caught:
        chosen(catalogue, **arguments)
    assert message in str(caught.value)


def test_empty_meet_names_both_controls(catalogue: t.Any) -> None:
    import copy

    from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.constraint import Constraint

    twisted = copy.copy(catalogue)
    benchmark = catalogue.benchmarks["cis_debian13"]
    controls = dict(benchmark.controls)
    twin = controls["1.5.10"]
    controls["1.5.10"] = type(twin)(
        **{**twin.__dict__, "values": {"sysctl/kernel.yama.ptrace_scope": {"value": Constraint.parse(0)}}}
    )
    twisted.benchmarks = {
        **catalogue.benchmarks,
        "cis_debian13": type(benchmark)(**{**benchmark.__dict__, "controls": controls}),
    }
    with pytest.raises(SelectionError) as caught:
        chosen(twisted)
    assert "cis_debian13:1.5.3 asks for 1 or 2 or 3 and cis_debian13:1.5.10 for 0: nothing satisfies both" in str(
        caught.value
    )


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
