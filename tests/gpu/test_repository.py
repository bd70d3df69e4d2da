"""Repositories by their key: five attacks against stand-in archives that real apt reads, and the way that works."""

from __future__ import annotations

import typing as t

import pytest

from tests.gpu.conftest import URL, Vendor, four_archives
from tests.integration.conftest import Target

WRITTEN = "ls /etc/apt/sources.list.d /etc/apt/keyrings /var/lib/apt/lists | grep -i -e unified -e 8443 || true"


@pytest.fixture(scope="module")
def seller(host: Target) -> Vendor:
    return four_archives(host, "apt")


def test_repository_is_tried_written_and_taken_away(seller: Vendor) -> None:
    arguments = seller.repository("apt", "good/")
    assert seller.module("gpu_repository", arguments, check=True)["changed"] is True
    assert seller.target.shell(WRITTEN) == ""
    first = seller.module("gpu_repository", arguments)
    assert (first["changed"], first["fingerprint"]) == (True, seller.keys["vendor"]), first
    assert "1.0-1" in seller.target.shell("apt-cache policy standin-tool")
    for check in (True, False):
        assert seller.module("gpu_repository", arguments, check=check)["changed"] is False
    gone = {"name": "standin", "state": "absent"}
    assert [seller.module("gpu_repository", gone)["changed"] for _turn in range(2)] == [True, False]
    seller.target.shell("apt-get -qq update")
    assert seller.target.shell(WRITTEN) == ""


ATTACKS: dict[str, tuple[dict[str, t.Any], str]] = {
    "another key in the vendor's place": ({"archive": "good/", "key": "stranger"}, "and not the pinned"),
    "an archive that another key signed": ({"archive": "foreign/"}, "signature verification"),
    "a key that has expired": ({"archive": "old/", "key": "expired", "pinned": "expired"}, "expired on 2020-01-31"),
    "an archive that nobody signed": ({"archive": "unsigned/"}, "is not signed"),
    "a way from https to http": ({"archive": "downgrade/good/"}, "forbidden"),
    "an address of http": ({"archive": "good/", "url": "http://127.0.0.1:8080/good/"}, "is not protected on its way"),
    "a fingerprint cut short": ({"archive": "good/", "fingerprints": ["EB693B30"]}, "whole fingerprint"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_repository_is_refused_and_nothing_is_written(seller: Vendor, attack: str) -> None:
    changed, said = ATTACKS[attack]
    # What the host allows must not help the attack.
    weak = "/etc/apt/apt.conf.d/99weak"
    seller.target.shell(f"echo 'Acquire::AllowInsecureRepositories \"true\";' > {weak}")
    try:
        answer = seller.module("gpu_repository", seller.repository("apt", **changed))
    finally:
        seller.target.shell(f"rm {weak}")
    assert answer["failed"] and said in answer["msg"], answer
    assert seller.target.shell(WRITTEN) == ""


def test_second_entry_of_a_repository_that_would_stop_apt_is_refused(seller: Vendor) -> None:
    other = "/etc/apt/sources.list.d/other.sources"
    entry = f"Types: deb\nURIs: {URL}/good/\nSuites: /\nSigned-By: /srv/standin/vendor.asc\n"
    seller.target.shell(f"printf '{entry}' > {other}")
    try:
        answer = seller.module("gpu_repository", seller.repository("apt", "good/"))
        seller.target.shell("apt-cache policy >/dev/null")
    finally:
        seller.target.shell(f"rm {other}")
    assert answer["failed"] and "Conflicting values set for option Signed-By" in answer["msg"], answer
    assert seller.target.shell(WRITTEN) == ""
