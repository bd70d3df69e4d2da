"""Hosts of kind `container`: podman, systemd as PID 1, a network namespace of their own."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path

from .network import link_down, link_up, wait_for_ssh
from .rootfs import rootfs
from .store import CACHE, Host, HostsError, lacking, need, process_start, run

PROGRAMS = {
    "podman": "podman",
    "slirp4netns": "slirp4netns",
    "ip": "iproute2",
    "unshare": "util-linux",
    "ssh": "openssh-client",
}
BOOT_SECONDS = 180

# Podman has a store of its own here, so that the user's containers are out of reach; and, where the machine's
# cgroups are hybrid, a mount namespace of its own in which systemd finds the unified hierarchy it needs.
START = r"""
set -e
if [ "$(stat -fc %T /sys/fs/cgroup)" != cgroup2fs ]; then
  umount -R -l /sys/fs/cgroup
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
fi
exec podman {storage} --cgroup-manager=cgroupfs run --detach --replace --name {name} --hostname {name} \
  --systemd=always --privileged --pids-limit=0 --ulimit nofile=20000:20000 --ulimit nproc=30000:30000 \
  --network slirp4netns:enable_ipv6=false --log-driver k8s-file --log-opt path={directory}/console.log \
  --conmon-pidfile {directory}/conmon.pid --pidfile {directory}/init.pid \
  --volume {directory}/init:/unified-init:ro --rootfs {root}:O /bin/sh /unified-init
"""

# A privileged container reaches past itself: this takes its hands off the machine before systemd starts.
INIT = r"""#!/bin/sh
set -e
mount -t tmpfs -o mode=755 tmpfs /mnt
for tree in abi debug dev fs kernel user vm; do cp -a /proc/sys/$tree /mnt/ 2>/dev/null || true; done
mkdir /mnt/net; mount --bind /proc/sys/net /mnt/net
mount --rbind /mnt /proc/sys; umount -l /mnt
mount -t tmpfs -o mode=755 tmpfs /mnt
for node in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0 console:5:1 ptmx:5:2 kmsg:1:11; do
  IFS=: read -r name major minor <<END
$node
END
  [ $name = kmsg ] && { ln -s null /mnt/kmsg; continue; }
  [ $name = ptmx ] && { ln -s pts/ptmx /mnt/ptmx; continue; }
  mknod -m 666 /mnt/$name c $major $minor
done
ln -s /proc/self/fd /mnt/fd
mkdir /mnt/pts /mnt/shm /mnt/mqueue
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts /mnt/pts
mount -t tmpfs -o mode=1777,nosuid,nodev shm /mnt/shm
umount -R -l /dev; mount --move /mnt /dev
umount -R -l /tmp 2>/dev/null || true
umount -R -l /var/tmp 2>/dev/null || true
mount -o remount,ro /sys
for file in hosts hostname resolv.conf; do
  content=$(cat /etc/$file); umount /etc/$file 2>/dev/null || true
  rm -f /etc/$file; printf '%s\n' "$content" > /etc/$file; chmod 644 /etc/$file
done
umount -l /unified-init
exec setpriv --bounding-set=-sys_module,-sys_time,-sys_rawio,-audit_control,-mac_admin,-mac_override,-syslog \
  --inh-caps=-sys_module,-sys_time,-sys_rawio,-audit_control,-mac_admin,-mac_override,-syslog \
  /usr/bin/env container=podman /lib/systemd/systemd
"""


def storage() -> list[str]:
    base = CACHE / "podman"
    return ["--root", f"{base}/root", "--runroot", f"{base}/runroot", "--tmpdir", f"{base}/tmp"]


def start(host: Host) -> None:
    need(PROGRAMS)
    root = host.root or rootfs(host.suite)
    (host.directory / "init").write_text(INIT)
    script = START.format(storage=" ".join(storage()), name=host.name, directory=host.directory, root=root)
    run(["unshare", "--mount", "--propagation", "private", "sh", "-c", script], why=f"start {host.name}")
    host.pid = int((host.directory / "init.pid").read_text())
    host.started = process_start(host.pid)
    host.save()
    link_up(host)
    enter = ["nsenter", "-t", str(host.pid), "-n", "ip"]
    run(["ip", "link", "set", host.peer, "netns", str(host.pid)], why="hand the link to the host")
    run([*enter, "link", "set", host.peer, "name", "eth0"], why="name the link")
    run([*enter, "address", "add", f"{host.address}/30", "dev", "eth0"], why="address the host")
    run([*enter, "link", "set", "eth0", "up"], why="bring the host's link up")
    wait_for_ssh(host, timeout=BOOT_SECONDS)


def stop(host: Host) -> None:
    """Kill the host and forget it. Works on a half-started or dead host too."""
    conmon = host.directory / "conmon.pid"
    if host.alive():
        podman = ["podman", *storage(), "--cgroup-manager=cgroupfs", "rm", "--force", "--time", "0", host.name]
        inside = ["nsenter", "-t", conmon.read_text().strip(), "-m", *podman] if conmon.exists() else podman
        done = subprocess.run(inside, capture_output=True, text=True, check=False)
        deadline = time.monotonic() + 10
        while host.alive() and time.monotonic() < deadline:
            with contextlib.suppress(ProcessLookupError):
                os.kill(host.pid, signal.SIGKILL)
            time.sleep(0.05)
        if host.alive():
            raise HostsError(f"{host.name} (process {host.pid}) cannot be ended: {done.stderr.strip()}")
    subprocess.run(["podman", *storage(), "rm", "--force", host.name], capture_output=True, check=False)
    link_down(host)
    shutil.rmtree(host.directory, ignore_errors=True)


def snapshot(host: Host, target: Path) -> None:
    """Copy the host's root file system, without what is mounted below it, to a directory that new hosts can start from."""
    target.mkdir(parents=True)
    # 1 says that something changed while it was read (tar(1)), as /sys and logs of a host that runs may at any moment.
    copy = (
        f"{{ nsenter -t {host.pid} -m -- tar -C / --one-file-system --xattrs --xattrs-include='*' --acls --numeric-owner -cf - .; "
        f"[ $? -le 1 ]; }} | tar -C {shlex.quote(str(target))} --xattrs --xattrs-include='*' --acls --numeric-owner -xpf -"
    )
    run(["bash", "-o", "pipefail", "-c", copy], why=f"copy the disk of {host.name}")


def restart(host: Host) -> None:
    """Boot the host again; what was written to its disk stays."""
    del host
    raise HostsError("a container host cannot reboot and keep its disk: use kind uml for what needs a reboot")


def missing() -> list[str]:
    """What this machine lacks to run this kind; empty when it can."""
    lacks = lacking(PROGRAMS)
    if not Path("/dev/net/tun").exists():
        lacks.append("/dev/net/tun, for the host's way out")
    return lacks
