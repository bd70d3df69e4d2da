"""What is done to a cluster while writers write."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import os
import subprocess
import time
import typing as t
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.secrets import programs

from .cluster import FLAVOUR, REAL, Cluster
from .load import WRITERS, Load

HOURS_OFF = 4
ETC, STATE = f"/etc/{FLAVOUR}", f"/var/lib/{FLAVOUR}"


def unsealed(cluster: Cluster) -> None:
    """As an operator would: every server that is up and sealed gets its keys."""
    keys = cluster.secrets[:2]

    def awake() -> list[str]:
        for name in cluster.hosts:
            health = cluster.health(name)
            if health["version"] and health["sealed"]:
                for key in keys:
                    with contextlib.suppress(OSError):
                        cluster.ask(name, "sys/unseal", {"key": key}, method="PUT")
        return cluster.awake()

    programs.until(awake, lambda names: names == list(cluster.hosts), 180)
    cluster.leader()


def standby(cluster: Cluster) -> str:
    leader = cluster.leader()
    return next(name for name in cluster.hosts if name != leader)


def lead(cluster: Cluster, name: str) -> None:
    """Leaders step down until this server leads."""
    for _try in range(30):
        leader = cluster.leader()
        if leader == name:
            break
        with contextlib.suppress(OSError):
            cluster.ask(leader, "sys/step-down", {}, token=cluster.token, method="PUT")
        time.sleep(2)
    assert cluster.leader() == name


def kill_leaders(cluster: Cluster, load: Load, times: int) -> None:
    for number in range(times):
        leader = cluster.leader()
        cluster.hosts[leader].shell(f"systemctl kill -s KILL {FLAVOUR}")
        load.more(WRITERS)
        unsealed(cluster)
        load.more(WRITERS)
        print(f"  leader {number + 1} of {times} killed ({leader}), {len(load.acknowledged)} acknowledged", flush=True)


def restart_all(cluster: Cluster, _load: Load, _times: int) -> None:
    """A setting that asks for a restart, brought by the role."""
    before = cluster.starts()
    cluster.variables["vault_config"] = f'log_level = "warn" # {time.time_ns()}\n'
    cluster.play()
    after = cluster.starts()
    assert all(after[name] > before[name] for name in after), (before, after)


def upgrade(cluster: Cluster, _load: Load, _times: int) -> None:
    versions = {cluster.health(name)["version"] for name in cluster.hosts}
    cluster.builds(Path(REAL))
    cluster.play()
    newer = {cluster.health(name)["version"] for name in cluster.hosts}
    assert len(versions) == len(newer) == 1 and newer != versions, (versions, newer)


def wipe_member(cluster: Cluster, load: Load, _times: int) -> None:
    name = standby(cluster)
    cluster.hosts[name].shell(f"systemctl stop {FLAVOUR}; rm -rf {STATE}/*")
    load.more(WRITERS)
    cluster.play()
    assert cluster.voters() == list(cluster.hosts)


def fill_disk(cluster: Cluster, load: Load, _times: int) -> None:
    """The one that leads has its data on a small file system, and that is full."""
    name = cluster.leader()
    host = cluster.hosts[name]
    host.shell(
        f"systemctl stop {FLAVOUR}; cp -a {STATE} /root/kept; size=$(du -sm {STATE} | cut -f1); "
        f"mount -t tmpfs -o size=$((size + 64))m,mode=0700,uid=$(id -u {FLAVOUR}),gid=$(id -g {FLAVOUR}) tmpfs {STATE}; "
        f"cp -a /root/kept/. {STATE}; rm -rf /root/kept; systemctl start {FLAVOUR}"
    )
    unsealed(cluster)
    lead(cluster, name)
    try:
        host.shell(
            f"cat /dev/zero > {STATE}/filler 2>/dev/null || true; test $(df --output=avail {STATE} | tail -1) -eq 0"
        )
        # The files have room inside of them.
        ballast = {"data": {"v": "x" * 400_000}}
        for number in range(300):
            with contextlib.suppress(OSError):
                cluster.ask(cluster.leader(), f"secret/data/ballast-{number}", ballast, token=cluster.token)
            if int(host.shell(f"journalctl -u {FLAVOUR} --no-pager | grep -ci 'no space left' || true")):
                break
        else:
            raise AssertionError("the disk was never felt")
        load.more(10 * WRITERS, 300)
    finally:
        host.shell(f"rm {STATE}/filler; systemctl restart {FLAVOUR}")
    unsealed(cluster)


def expired(cluster: Cluster, address: str) -> tuple[bytes, bytes]:
    """A certificate of the cluster's authority that ended yesterday, and its key."""
    secret = programs.run(programs.build() / "sops", "decrypt", cluster.directory / "vault/ca.key.sops")
    signer: t.Any = serialization.load_pem_private_key(secret, None)
    issuer = x509.load_pem_x509_certificate(Path(cluster.ca).read_bytes())
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address)]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=30))
        .not_valid_after(now - datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return made.public_bytes(pem), private


def verifies(cluster: Cluster, name: str) -> str:
    """What a client says of a server's certificate."""
    argv = ["openssl", "s_client", "-connect", f"{cluster.hosts[name].host.address}:8200", "-CAfile", cluster.ca]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, input="")
    return next(line for line in done.stdout.splitlines() if "erif" in line and "return code" in line)


def end_certificate(cluster: Cluster, load: Load, _times: int) -> None:
    name = standby(cluster)
    host = cluster.hosts[name]
    certificate, key = expired(cluster, host.host.address)
    host.shell(
        f"cat > {ETC}/tls/server.pem <<'E'\n{certificate.decode()}E\ncat > {ETC}/tls/server.key <<'E'\n{key.decode()}E\n"
        f"systemctl reload {FLAVOUR}"
    )
    programs.until(lambda: verifies(cluster, name), lambda said: "certificate has expired" in said, 30)
    load.more(10 * WRITERS)
    cluster.play()
    assert ": 0 (ok)" in verifies(cluster, name)


def lose_share(cluster: Cluster, load: Load, _times: int) -> None:
    """The file of one share is gone, and the leader is killed."""
    share = cluster.directory / "vault/unseal_key_1.sops.json"
    kept = share.read_bytes()
    share.unlink()
    try:
        cluster.hosts[cluster.leader()].shell(f"systemctl kill -s KILL {FLAVOUR}")
        load.more(WRITERS)
        said = cluster.play(fails=True).output.replace("\n", " ")
        assert "unseal_key_1.sops.json" in said
        others = [f"sops://{cluster.directory}/vault/unseal_key_{number}.sops.json#key" for number in (2, 3)]
        cluster.play(vault_unseal_keys=others)
        assert cluster.awake() == list(cluster.hosts)
    finally:
        share.write_bytes(kept)
        os.chmod(share, 0o600)


def restore_all(cluster: Cluster, load: Load, _times: int) -> None:
    """A snapshot is taken, every disk is wiped, and the playbook restore_vault builds the cluster anew."""
    load.more(200)
    load.end()
    path = cluster.directory / "last.snap"
    path.unlink(missing_ok=True)
    cluster.play(entry="snapshot", vault_snapshot_path=str(path))
    for host in cluster.hosts.values():
        host.shell(f"systemctl stop {FLAVOUR}; rm -rf {STATE}/*")
    cluster.rebuild(path)
    programs.until(cluster.awake, lambda names: names == list(cluster.hosts), 60)


def set_clock(cluster: Cluster, name: str, hours: int) -> None:
    """So many hours away from this machine's clock."""
    host = cluster.hosts[name]
    host.shell(f"date --set @{time.time() + hours * 3600:.0f} >/dev/null")
    off = (int(host.shell("date +%s")) - time.time()) / 3600
    assert abs(off - hours) < 0.1, off


def shift_clock(cluster: Cluster, load: Load, _times: int) -> None:
    """The clock of one server, which leads, is hours ahead, then hours behind, each time restarted with it; then right again.

    Servers make each other certificates that are valid from half a minute before. Who is behind refuses those that are made
    after its time, and is out of the cluster from its restart until its clock is right.
    """
    name = next(name for name, target in cluster.hosts.items() if target.host.kind == "uml")
    host = cluster.hosts[name]
    for hours in (HOURS_OFF, -HOURS_OFF):
        lead(cluster, name)
        set_clock(cluster, name, hours)
        load.more(10 * WRITERS)
        host.shell(f"systemctl restart {FLAVOUR}")
        unsealed(cluster)
        load.more(10 * WRITERS)
        print(f"  {name} off by {hours} h, {len(load.acknowledged)} acknowledged", flush=True)
    assert cluster.leader() != name
    set_clock(cluster, name, 0)
    host.shell(f"systemctl restart {FLAVOUR}")
    unsealed(cluster)
    assert [cluster.play().changed(each) for each in cluster.hosts] == [0] * len(cluster.hosts)
    assert cluster.voters() == list(cluster.hosts)
    newest = list(load.acknowledged)[-1]
    assert cluster.read(name, newest) == load.acknowledged[newest], "it knows what was written while it was out"
