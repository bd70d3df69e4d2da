"""A host boots after a hardening as it did before, be its mounts or its addresses from elsewhere than its own files."""

from __future__ import annotations

import time

import pytest

from tests.faults.advertising import PREFIX, router
from tests.hosts.uml import restart
from tests.integration.conftest import Target

POINTS = {
    "/var/tmp": "bind mount",
    "/home": "overlay",
    "/srv/data": "file system of a pool",
    "/opt/site": "made by a service",
}
UNIT = """
cat > /usr/local/sbin/site-mounts <<'END'
#!/bin/sh -e
mkdir -p /srv/tmp /srv/up /srv/work /srv/data /opt/site
chmod 1777 /srv/tmp
mount --bind /srv/tmp /var/tmp
mount -t overlay overlay -o lowerdir=/home,upperdir=/srv/up,workdir=/srv/work /home
mount -t tmpfs pool/data /srv/data
mount -t tmpfs -o size=1m site /opt/site
END
chmod 755 /usr/local/sbin/site-mounts
cat > /etc/systemd/system/site-mounts.service <<'END'
[Unit]
DefaultDependencies=no
After=systemd-remount-fs.service
Before=local-fs.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/site-mounts
[Install]
WantedBy=local-fs.target
END
systemctl daemon-reload; systemctl enable --quiet --now site-mounts.service
"""
RULES = {
    "compliance_benchmarks": [{"name": "cis", "level": "l2_server"}],
    "compliance_kinds": ["mount", "partition", "kmod", "sysctl"],
    "compliance_walk": False,
}


def mounts(target: Target) -> list[str]:
    return target.shell(
        f"for point in {' '.join(POINTS)}; do findmnt -rno TARGET,FSTYPE,SOURCE $point; done"
    ).splitlines()


def test_host_with_mounts_that_no_fstab_names_boots_as_before(uml: Target) -> None:
    uml.shell(UNIT)
    before, table = mounts(uml), uml.shell("grep -v '^#' /etc/fstab || true")
    assert len(before) == len(POINTS), before
    model = uml.play("harden_hosts", variables=RULES).model(uml.host.name)
    assert model["changed"], "nothing was changed, so that this proves nothing"
    assert "is in use" in model["rules"]["kmod/overlay"]["held"]
    restart(uml.host)
    assert mounts(uml) == before
    assert uml.shell("systemctl is-system-running || true").strip() == "running"
    after = uml.shell("grep -v '^#' /etc/fstab || true")
    new = [line for line in after.splitlines() if line not in table.splitlines() and line.split()[1] in POINTS]
    assert new == [], "a line for what others mount"
    assert uml.play("harden_hosts", variables=RULES).changed(uml.host.name) == 0


# Who makes an address of what routers say: a daemon, or the kernel itself where nobody but `ip` brings the link up.
BY_DAEMON = """
systemctl unmask --quiet systemd-networkd.service systemd-networkd.socket
rm -f /etc/systemd/system/site-network.service
cat > /etc/systemd/network/05-vec0.network <<'END'
[Match]
Name=vec0
[Link]
MACAddress=02:00:00:00:00:07
[Network]
Address={address}/30
IPv6AcceptRA=yes
END
"""
BY_KERNEL = """
systemctl mask --quiet systemd-networkd.service systemd-networkd.socket
cat > /etc/systemd/system/site-network.service <<'END'
[Unit]
Before=network.target ssh.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=ip link set vec0 address 02:00:00:00:00:07
ExecStart=ip link set vec0 up
ExecStart=ip address add {address}/30 dev vec0
[Install]
WantedBy=multi-user.target
END
systemctl enable --quiet site-network.service
"""
ROUTED = {"systemd-networkd": BY_DAEMON, "the kernel": BY_KERNEL}


def routed(target: Target) -> str:
    """The address and the routes that the host has of a router, without numbers of the moment; waits for both a while."""
    script = "ip -6 -o address show dev vec0 scope global; ip -6 route show dev vec0 | grep -v ^fe80"
    ask = f"({script}) | sed -E 's/ (nhid|expires|valid_lft|preferred_lft) [0-9]+(sec)?//g' || true"
    deadline = time.monotonic() + 60
    while True:
        shown = target.shell(ask)
        if (PREFIX in shown and "default" in shown) or time.monotonic() > deadline:
            return shown
        time.sleep(1)


@pytest.mark.parametrize("by", ROUTED)
def test_host_with_addresses_by_router_advertisement_boots_as_before(uml: Target, by: str) -> None:
    with router(uml.host):
        # As on a host that was never hardened: what an earlier drill stored counts from the next boot.
        uml.shell(f"rm -f /etc/sysctl.d/zz-unified.conf; {ROUTED[by].format(address=uml.host.address)}")
        restart(uml.host)
        before = routed(uml)
        assert PREFIX in before and "default via fe80" in before, before
        model = uml.play("harden_hosts", variables=RULES).model(uml.host.name)
        held = model["rules"]["sysctl/net.ipv6.conf.all.accept_ra"]["held"]
        assert ("vec0 has its IPv6 address or route from a router" in held) == (by == "the kernel"), held
        assert "sysctl/net.ipv6.conf.all.accept_redirects" in model["changed"], "nothing of the network was changed"
        restart(uml.host)
        assert routed(uml) == before
        assert uml.shell("systemctl is-system-running || true").strip() == "running"
        assert uml.play("harden_hosts", variables=RULES).changed(uml.host.name) == 0
