"""The veth pair between this machine and a host. No bridge, no NAT rule, no port mapping."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from .store import ADMIN, KEY, Host, HostsError, run


def link_up(host: Host) -> None:
    """Make the pair; the machine's end gets its address, the other end waits in this namespace."""
    link_down(host)
    run(["ip", "link", "add", host.link, "type", "veth", "peer", "name", host.peer], why="make a veth pair")
    run(["ip", "address", "add", f"{host.gateway}/30", "dev", host.link], why="give it an address")
    run(["ip", "link", "set", host.link, "up"], why="bring it up")


def link_down(host: Host) -> None:
    subprocess.run(["ip", "link", "delete", host.link], capture_output=True, check=False)


def connect(one: Host, other: Host) -> None:
    """Let two hosts reach each other through this machine, which forwards what comes from their links and from no others.

    Containers reach every host by their own way out; a host with a kernel of its own has none.
    """
    for host, far in ((one, other), (other, one)):
        Path(f"/proc/sys/net/ipv4/conf/{host.link}/forwarding").write_text("1")
        done = ssh(host, f"sudo ip route replace {far.address} via {host.gateway}")
        if done.returncode:
            raise HostsError(f"{host.name} got no route to {far.name}: {done.stderr.strip()}")


def ssh_options(host: Host) -> list[str]:
    known = host.directory / "known_hosts"
    return [
        "-i",
        str(KEY),
        "-o",
        f"UserKnownHostsFile={known}",
        "-o",
        "StrictHostKeyChecking=accept-new",
        "-o",
        "BatchMode=yes",
    ]


def ssh(host: Host, command: str, *, timeout: float = 30) -> subprocess.CompletedProcess[str]:
    argv = [
        "ssh",
        *ssh_options(host),
        "-p",
        str(host.port),
        "-o",
        f"ConnectTimeout={max(20, 5 * host.slowness)}",
        f"{ADMIN}@{host.address}",
        command,
    ]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=timeout * host.slowness)


def greeted(host: Host) -> None:
    """Return where an SSH server says its first word.

    A forwarded port of this machine takes connections before a server is behind it, and an SSH client would wait long for that word.

    Raises:
        OSError: there is no server yet.
    """
    with socket.create_connection((host.address, host.port), timeout=5) as connection:
        if not connection.recv(1):
            raise ConnectionResetError("no SSH server yet")


def wait_for_ssh(host: Host, *, timeout: float, died: Callable[[], bool] = lambda: False) -> None:
    """Return once the administrator has logged in over SSH and systemd has finished booting.

    Args:
        died: whether the host is known not to come up any more.

    Raises:
        HostsError: the host died, or the time was up.
    """
    deadline = time.monotonic() + timeout
    (host.directory / "known_hosts").unlink(missing_ok=True)
    last = ""
    while time.monotonic() < deadline:
        if not host.alive() or died():
            raise HostsError(f"{host.name} ended while it booted; see {host.directory / 'console.log'}")
        try:
            greeted(host)
            done = ssh(host, "systemctl is-system-running --wait")
            # A hardened host shows its banner on stderr.
            last = (done.stdout or done.stderr).strip()
            if last == "running":
                return
            if last == "degraded":
                failed = ssh(host, "systemctl --failed --no-legend --plain").stdout.strip()
                raise HostsError(f"{host.name} booted degraded: {failed}")
        except (OSError, subprocess.TimeoutExpired) as exc:
            last = str(exc)
        time.sleep(0.1)
    raise HostsError(f"{host.name} did not answer on SSH within {timeout:.0f} s (last: {last}); see {host.directory}")


def reboot(host: Host, *, timeout: float, died: Callable[[], bool] = lambda: False) -> None:
    """Reboot the host from inside and wait until it is back; `died` as in wait_for_ssh()."""
    before = ssh(host, "cat /proc/sys/kernel/random/boot_id").stdout
    with contextlib.suppress(subprocess.TimeoutExpired):
        ssh(host, "sudo systemctl reboot")
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and not died():
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            greeted(host)
            after = ssh(host, "cat /proc/sys/kernel/random/boot_id").stdout
            if after and after != before:
                return wait_for_ssh(host, timeout=timeout, died=died)
        time.sleep(0.5)
    raise HostsError(f"{host.name} did not come back from its reboot; see {host.directory / 'console.log'}")


def power_off(host: Host, *, timeout: float) -> None:
    """Shut the host down from inside and wait until it is gone."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        ssh(host, "sudo systemctl poweroff")
    deadline = time.monotonic() + timeout
    while host.alive():
        if time.monotonic() > deadline:
            raise HostsError(f"{host.name} does not shut down; see {host.directory / 'console.log'}")
        time.sleep(0.2)
