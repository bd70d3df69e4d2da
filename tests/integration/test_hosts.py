"""The tool that makes test hosts keeps its hands off the machine and cleans up after itself."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.hosts import __main__ as tool
from tests.hosts import store

from .conftest import Target


def test_host_is_a_real_systemd_machine(container: Target) -> None:
    assert container.shell("cat /proc/1/comm; systemctl is-system-running; id -un").split() == [
        "systemd",
        "running",
        "root",
    ]


def test_kernel_parameters_of_the_machine_stay_as_they_are(container: Target) -> None:
    path = Path("/proc/sys/kernel/panic")
    before = path.read_text()
    container.shell("sysctl -qw kernel.panic=7; sysctl -qw net.ipv4.conf.all.log_martians=1")
    assert container.shell("sysctl -n kernel.panic").strip() == "7"
    assert path.read_text() == before


def test_killed_host_is_reported_and_replaced(container: Target) -> None:
    os.kill(container.host.pid, signal.SIGKILL)
    for _try in range(100):
        if not container.host.alive():
            break
        subprocess.run(["sleep", "0.1"], check=True)
    assert not container.host.alive()
    container.host = tool.up(container.host.name, "container", "debian13")
    assert container.shell("systemctl is-system-running").strip() == "running"


def test_removing_a_host_leaves_no_trace(container: Target) -> None:
    host = tool.up("it-trace", "container", "debian13")
    link, directory = Path(f"/sys/class/net/{host.link}"), host.directory
    assert link.exists() and directory.exists()
    tool.down(["it-trace"])
    assert not link.exists()
    assert not directory.exists()
    assert not host.alive()
    assert container.host.alive(), "another host was touched"


def test_unknown_suite_is_refused_by_name() -> None:
    with pytest.raises(store.HostsError, match="unknown suite 'debian99': one of debian12, debian13"):
        tool.up("it-none", "container", "debian99")
    assert store.find("it-none") is None


def test_missing_program_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(store.HostsError, match="apt-get install -y podman"):
        store.need({"podman": "podman"})
