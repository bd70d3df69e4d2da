"""The same for dnf: real dnf 4 of Debian's archive reads stand-in repositories. No host of the RHEL family is to be had."""

from __future__ import annotations

import typing as t

import pytest

from tests.gpu.conftest import Vendor, four_archives
from tests.integration.conftest import Target

WRITTEN = "ls /etc/yum.repos.d /etc/pki/rpm-gpg 2>/dev/null | grep -i unified || true"


@pytest.fixture(scope="module")
def seller(host: Target) -> Vendor:
    return four_archives(host, "dnf")


def test_repository_is_tried_written_and_taken_away(seller: Vendor) -> None:
    arguments = seller.repository("dnf", "good/")
    foreseen = seller.module("gpu_repository", arguments, check=True)
    assert foreseen["changed"] is True, foreseen
    assert seller.target.shell(WRITTEN) == ""
    first = seller.module("gpu_repository", arguments)
    assert (first["changed"], first["fingerprint"]) == (True, seller.keys["vendor"]), first
    assert "standin-tool-0:1.0-1" in seller.target.shell("dnf -q -y repoquery standin-tool")
    # rpm takes the key that was written, and with it the package.
    assert "Complete!" in seller.target.shell("dnf -y install standin-tool && rpm -q standin-tool")
    for check in (True, False):
        assert seller.module("gpu_repository", arguments, check=check)["changed"] is False
    gone = {"name": "standin", "manager": "dnf", "state": "absent"}
    assert [seller.module("gpu_repository", gone)["changed"] for _turn in range(2)] == [True, False]
    assert seller.target.shell(WRITTEN) == ""


ATTACKS: dict[str, tuple[dict[str, t.Any], str]] = {
    "another key in the vendor's place": ({"archive": "good/", "key": "stranger"}, "and not the pinned"),
    "a repository that another key signed": ({"archive": "foreign/"}, "GPG"),
    "a key that has expired": ({"archive": "old/", "key": "expired", "pinned": "expired"}, "expired on 2020-01-31"),
    "a repository that nobody signed": ({"archive": "unsigned/"}, "repomd.xml.asc"),
    "an address of http": ({"archive": "good/", "url": "http://127.0.0.1:8080/good/"}, "is not protected on its way"),
    "a repository that is not there": ({"archive": "nowhere/"}, "Cannot download repomd.xml"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_repository_is_refused_and_nothing_is_written(seller: Vendor, attack: str) -> None:
    changed, said = ATTACKS[attack]
    # What the host allows must not help the attack.
    conf = "/etc/dnf/dnf.conf"
    seller.target.shell(
        f"cp {conf} /srv/dnf.conf; printf '[main]\\ngpgcheck=0\\nrepo_gpgcheck=0\\nsslverify=0\\n' > {conf}"
    )
    try:
        answer = seller.module("gpu_repository", seller.repository("dnf", **changed))
    finally:
        seller.target.shell(f"cp /srv/dnf.conf {conf}")
    assert answer["failed"] and said in answer["msg"], answer
    assert seller.target.shell(WRITTEN) == ""
