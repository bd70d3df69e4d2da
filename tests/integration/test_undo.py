"""A run that nobody confirms is undone by the host itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import typing as t
from pathlib import Path

from tests.hosts import __main__ as tool
from tests.hosts.network import ssh

from .conftest import ANSIBLE, ROOT, Target

PROGRAM = ROOT / ".venv/bin/ansible-playbook"
TIMER = "/etc/systemd/system/unified-revert.timer"
DROP_IN = "/etc/ssh/sshd_config.d"
RULES = ["sshd/MaxAuthTries", "sshd/PermitRootLogin", "file//etc/crontab", "sysctl/kernel.kptr_restrict"]
SITE: dict[str, t.Any] = {"compliance_rules": RULES}


def state(target: Target) -> str:
    """What the rules ask for, as the host is."""
    return target.shell(
        f"cat {DROP_IN}/* 2>/dev/null || true; stat -c %a /etc/crontab; sysctl -n kernel.kptr_restrict | xargs; "
        "sshd -T | grep -E '^(maxauthtries|permitrootlogin)'"
    )


def wait_for_undoing(target: Target, seconds: float = 60) -> None:
    """Until the timer is gone. sshd is restarted meanwhile, so that a login may fail."""
    deadline = time.monotonic() + seconds
    while ssh(target.host, f"test ! -e {TIMER}", timeout=30).returncode:
        assert time.monotonic() < deadline, f"the host has undone nothing within {seconds} s"
        time.sleep(1)


def kill_before_confirmation(target: Target, seconds: int) -> None:
    """Harden, and kill the controller in the moment in which the changes are made and nobody has confirmed them."""
    directory: Path = target.directory
    (directory / "inventory.json").write_text(json.dumps(tool.inventory()))
    variables = {**SITE, "compliance_results": str(directory / "killed"), "hardening_confirm_seconds": seconds}
    argv = [str(PROGRAM), "unified.deploy.harden_hosts", "-i", "inventory.json", "-l", target.host.name]
    running = subprocess.Popen(
        [*argv, "-e", json.dumps(variables)],
        env={**os.environ, **ANSIBLE},
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert running.stdout
    said = []
    for line in running.stdout:
        said.append(line)
        if "Prove that people still get in" in line:
            break
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert "Prove that people still get in" in said[-1], "".join(said[-30:])


def test_host_undoes_what_a_killed_run_did_not_confirm(container: Target) -> None:
    container.shell("DEBIAN_FRONTEND=noninteractive; apt-get update -qq; apt-get install -qq goss >/dev/null")
    before = state(container)
    kill_before_confirmation(container, 10)
    assert state(container) != before
    wait_for_undoing(container)
    assert state(container) == before
