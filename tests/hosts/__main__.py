"""Command line: python3 -m tests.hosts up|down|restart|list|inventory|build|goss|check."""

from __future__ import annotations

import argparse
import json
import sys
import time

from . import container, uml, vm
from .archive import goss
from .network import ssh_options
from .rootfs import SUITES, rootfs
from .store import ADMIN, KEY, Host, HostsError, find, hosts, new, say

KINDS = {"container": container, "uml": uml, "vm": vm}


def up(name: str, kind: str, suite: str, root: str = "", architecture: str = "") -> Host:
    """Start a fresh host, or one from the snapshot ROOT; a leftover of the same name (a killed run's) is removed first."""
    if old := find(name):
        KINDS[old.kind].stop(old)
    started = time.monotonic()
    host = new(name, kind, suite, root, architecture)
    try:
        KINDS[kind].start(host)
    except BaseException:
        # The console log is the only witness of a failed boot.
        log = host.directory / "console.log"
        tail = log.read_text(errors="replace").splitlines()[-15:] if log.exists() else []
        KINDS[kind].stop(host)
        print("\n".join(tail), file=sys.stderr)
        raise
    say(f"{name} ({kind}, {suite}) is up at {host.address} after {time.monotonic() - started:.1f} s")
    return host


def down(names: list[str]) -> None:
    for host in hosts():
        if not names or host.name in names:
            KINDS[host.kind].stop(host)
            say(f"{host.name} removed")


def inventory() -> dict[str, object]:
    """An Ansible inventory (YAML-compatible) of the hosts that are up, grouped by kind and suite."""
    children: dict[str, dict[str, dict[str, object]]] = {}
    for host in hosts():
        if not host.alive():
            continue
        variables = {
            "ansible_host": host.address,
            "ansible_port": host.port,
            "ansible_user": ADMIN,
            "ansible_become": True,
            "ansible_ssh_timeout": max(20, 10 * host.slowness),
            # A link is not dead yet when an emulated machine is busy for a minute; elsewhere what is tested keeps the link alive.
            "ansible_ssh_args": "-C -o ControlMaster=auto -o ControlPersist=60s"
            + (f" -o ServerAliveInterval={15 * host.slowness}" if host.slowness > 1 else ""),
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_ssh_private_key_file": str(KEY),
            "ansible_ssh_common_args": " ".join(ssh_options(host)[2:]),
        }
        for group in (host.kind, host.suite):
            children.setdefault(group, {"hosts": {}})["hosts"][host.name] = variables
    return {"all": {"children": children}}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m tests.hosts", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("up", help="start a fresh host")
    start.add_argument("name")
    start.add_argument("--kind", choices=sorted(KINDS), default="container")
    start.add_argument(
        "--architecture", choices=sorted(vm.MACHINES), default="", help="of a vm; this machine's own by default"
    )
    start.add_argument("--suite", choices=sorted(SUITES), default="debian13")
    commands.add_parser("down", help="remove hosts (all of them without names)").add_argument("names", nargs="*")
    commands.add_parser("restart", help="reboot a host").add_argument("name")
    commands.add_parser("list", help="show the hosts")
    commands.add_parser("inventory", help="print an inventory of the hosts that are up")
    commands.add_parser("build", help="build root file systems").add_argument("suites", nargs="*")
    commands.add_parser("goss", help="print the path of a Goss program for hosts without a package of it")
    commands.add_parser("check", help="say what this machine lacks to run each kind")
    options = parser.parse_args(argv)
    try:
        if options.command == "up":
            up(options.name, options.kind, options.suite, architecture=options.architecture)
        elif options.command == "down":
            down(options.names)
        elif options.command == "restart":
            host = find(options.name)
            if not host:
                raise HostsError(f"no host '{options.name}'")
            KINDS[host.kind].restart(host)
        elif options.command == "inventory":
            print(json.dumps(inventory(), indent=1))
        elif options.command == "build":
            for suite in options.suites or SUITES:
                print(rootfs(suite))
        elif options.command == "goss":
            print(goss())
        elif options.command == "list":
            for host in hosts():
                state = "up" if host.alive() else "dead"
                print(f"{host.name:20} {host.kind:10} {host.suite:10} {host.address:15} {state}")
        else:
            lacking = {kind: module.missing() for kind, module in KINDS.items()}
            for kind, lacks in lacking.items():
                print(f"{kind:10} {'ready' if not lacks else 'lacks ' + '; '.join(lacks)}")
            return int(any(lacking.values()))
    except HostsError as exc:
        print(f"hosts: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
