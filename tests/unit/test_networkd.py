"""Kernel parameters that systemd-networkd sets when it brings up an interface, by files as systemd.network(5) has them."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._collect import networkd, sysctl

FORWARD, FORWARD6 = (f"net/{family}/conf/all/forwarding" for family in ("ipv4", "ipv6"))
INTERFACES = ("enp1s0", "wlan0")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree with the places of systemd-networkd's files, and the link that starts it."""
    for name in ("etc/network", "usr/network", "etc/networkd.conf.d"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "link").touch()
    bases = tuple(str(tmp_path / top) for top in ("etc", "usr"))
    monkeypatch.setattr(networkd, "SYSTEMD_BASES", bases)
    monkeypatch.setattr(networkd, "DIRECTORIES", tuple(f"{base}/network" for base in bases))
    monkeypatch.setattr(networkd, "SIGNS", (f"{tmp_path}/li*",))
    return tmp_path


def seen(place: Path) -> dict[str, tuple[str, str]]:
    """Values and names of the keys, by path."""
    made = networkd.parameters(INTERFACES, {})
    return {path: (one.value, one.written) for path, one in made.items()}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("IPForward=yes", {FORWARD: "IPForward", FORWARD6: "IPForward"}),
        ("IPForward=ipv4", {FORWARD: "IPForward"}),
        ("IPForward=yes\nIPForward=no", {}),
        ("IPForward=yes\nIPForward=", {}),
        ("IPv4Forwarding=true", {FORWARD: "IPv4Forwarding"}),
        ("IPv6Forwarding=1", {FORWARD6: "IPv6Forwarding"}),
        ("IPMasquerade=both", {FORWARD: "IPMasquerade", FORWARD6: "IPMasquerade"}),
        ("IPMasquerade=ipv4 \n# IPv6Forwarding=yes", {FORWARD: "IPMasquerade"}),
        ("DHCP=yes\n[DHCPv4]\nIPForward=yes", {}),
    ],
)
def test_what_lets_packets_on_for_an_interface_counts_for_all(place: Path, lines: str, expected: t.Any) -> None:
    (place / "etc/network/x.network").write_text(f"[Match]\nName=en*\n[Network]\n{lines}\n")
    assert seen(place) == {path: ("1", written) for path, written in expected.items()}


@pytest.mark.parametrize(
    ("match", "filtered"),
    [
        ("Name=en* ve-*", {"enp1s0"}),
        ("Name=ve-*", set()),
        ("Name=ve-*\nName=wlan0", {"wlan0"}),
        ("Name=!en* lo", {"wlan0"}),
        ("Type=ether", {"enp1s0", "wlan0"}),
        ("Name=wl*\nSSID=guests", {"wlan0"}),
        ("", {"enp1s0", "wlan0"}),
    ],
)
def test_file_counts_for_the_interfaces_that_it_may_match(place: Path, match: str, filtered: set[str]) -> None:
    (place / "usr/network/x.network").write_text(f"[Match]\n{match}\n[Network]\nIPv4ReversePathFilter=loose\n")
    assert seen(place) == {f"net/ipv4/conf/{name}/rp_filter": ("2", "IPv4ReversePathFilter") for name in filtered}


def test_first_file_that_surely_matches_counts_with_its_drop_ins(place: Path) -> None:
    (place / "etc/network/10-a.network").write_text("[Match]\nName=enp1s0\n[Network]\nDHCP=yes\n")
    (place / "usr/network/20-b.network").write_text("[Network]\nIPForward=yes\n")
    (place / "etc/network/20-b.network").symlink_to("/dev/null")
    (place / "usr/network/30-c.network").write_text("[Match]\nName=enp1s0\n[Network]\nIPv6Forwarding=yes\n")
    assert seen(place) == {}
    directory = place / "usr/network/10-a.network.d"
    directory.mkdir()
    (directory / "x.conf").write_text("[Network]\nIPv4Forwarding=yes\n")
    assert {path: one.source for path, one in networkd.parameters(INTERFACES, {}).items()} == {
        FORWARD: f"{directory}/x.conf"
    }


def test_settings_for_all_interfaces_are_read_with_their_drop_ins(place: Path) -> None:
    (place / "etc/networkd.conf").write_text("[Network]\nIPv4Forwarding=yes\nIPv6Forwarding=yes\n")
    (place / "etc/networkd.conf.d/x.conf").write_text("[Network]\nIPv6Forwarding=no\n")
    assert seen(place) == {FORWARD: ("1", "IPv4Forwarding")}
    (place / "link").unlink()
    assert seen(place) == {}, "nothing starts it"


def test_what_networkd_sets_wins_over_every_file_of_sysctl(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "etc/network/x.network").write_text("[Network]\nIPv4Forwarding=yes\nIPv4ReversePathFilter=no\n")
    (tmp_path / "sysctl.d").mkdir()
    (tmp_path / "sysctl.d/zz.conf").write_text("net.ipv4.ip_forward = 0\nnet.ipv4.conf.*.rp_filter = 1\n")
    monkeypatch.setattr(sysctl, "DIRECTORIES", (str(tmp_path / "sysctl.d"),))
    monkeypatch.setattr(sysctl, "CREDENTIALS", ())
    monkeypatch.setattr(sysctl, "_listed", lambda path: ["all", "default", "lo", *INTERFACES])
    keys = ["net.ipv4.ip_forward", "net.ipv4.conf.all.rp_filter"]
    items = sysctl.Parameters(keys).read().items
    assert (items[keys[0]]["disk"], items[keys[0]]["written"]) == ("1", "IPv4Forwarding")
    assert {name: own["disk"] for name, own in items[keys[1]]["interfaces"].items()} == {
        "lo": "1", "enp1s0": "0", "wlan0": "0",
    }  # fmt: skip
