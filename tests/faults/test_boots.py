"""A host whose mounts no fstab names boots after a hardening as it did before: no line is made for what others mount."""

from __future__ import annotations

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
