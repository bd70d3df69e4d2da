from __future__ import annotations

import typing as t

import pytest
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.kinds.registry import KINDS
from ansible_collections.unified.deploy.plugins.plugin_utils._compliance.platform import is_version, platform_of
from ansible_collections.unified.deploy.plugins.plugin_utils._errors import CatalogueError, EvidenceError


@pytest.mark.parametrize(
    ("os", "version", "platform", "release"),
    [
        ("debian", "13", "debian", "13"),
        ("debian", "12.7", "debian", "12"),
        ("raspbian", "12", "debian", "12"),
        ("ubuntu", "24.04", "ubuntu", "24.04"),
        ("linuxmint", "22.1", "ubuntu", "24.04"),
        ("rhel", "9.4", "rhel", "9"),
        ("rhel", "10.0", "rhel", "10"),
        ("almalinux", "8.10", "rhel", "8"),
        ("rocky", "9.4", "rhel", "9"),
        ("ol", "9.5", "rhel", "9"),
        ("centos", "9", "rhel", "9"),
    ],
)
def test_system_is_a_release_of_a_platform(
    catalogue: t.Any, os: str, version: str, platform: str, release: str
) -> None:
    chosen = platform_of(catalogue.platforms, {"os": os, "version": version, "like": ""})
    assert (chosen[0].id, chosen[1]) == (platform, release)


@pytest.mark.parametrize(
    ("host", "message"),
    [
        (
            {"os": "alpine", "version": "3.20", "like": ""},
            "system 'alpine 3.20' is not supported. Supported are debian 11",
        ),
        ({"os": "debian", "version": "1"}, "system 'debian 1' is not supported"),
        ({"os": "rhel", "version": "7.9"}, "system 'rhel 7.9' is not supported"),
        (
            {"os": "kali", "version": "2026.1", "like": "debian"},
            "calls itself like debian: if it is, add it to systems of",
        ),
    ],
)
def test_unknown_system_is_refused_and_never_taken_for_another(catalogue: t.Any, host: t.Any, message: str) -> None:
    with pytest.raises(EvidenceError) as caught:
        platform_of(catalogue.platforms, host)
    assert message in str(caught.value)


def test_version_is_of_a_pattern_part_by_part() -> None:
    assert is_version("9.4", "9") and is_version("24.04", "24.04") and is_version("22.1", "22")
    assert not is_version("10", "1") and not is_version("9", "9.4") and not is_version("24.10", "24.04")


def test_name_that_a_platform_lacks_is_refused_and_what_it_has_not_is_empty(catalogue: t.Any) -> None:
    rhel = catalogue.platforms["rhel"]
    assert (rhel.unit("timesyncd"), rhel.package_names("apport"), rhel.group("shadow")) == ("", (), "")
    with pytest.raises(CatalogueError, match=r"platforms/rhel.yml: platform 'rhel' says nothing of 'nothing'"):
        rhel.unit("nothing")


def test_derivative_platform_says_only_what_differs(catalogue: t.Any) -> None:
    debian, ubuntu = catalogue.platforms["debian"], catalogue.platforms["ubuntu"]
    assert ubuntu.units == debian.units
    assert ubuntu.systems != debian.systems


@pytest.mark.parametrize("platform", ["debian", "ubuntu", "rhel"])
def test_firewall_is_each_platforms_own(catalogue: t.Any, platform: str) -> None:
    rules = [rule for rule in catalogue.rules.values() if rule.kind == "firewall" or rule.id == "package/firewall"]
    assert len(rules) == 5
    assert all(KINDS[rule.kind].resolve(rule, catalogue.platforms[platform]) for rule in rules)
    assert catalogue.platforms[platform].package_names("firewall") == (catalogue.platforms[platform].tool("firewall"),)


def test_releases_with_a_goss_of_their_own_are_the_platforms(catalogue: t.Any) -> None:
    assert {one.id: one.goss for one in catalogue.platforms.values()} == {"debian": ("13",), "ubuntu": (), "rhel": ()}
