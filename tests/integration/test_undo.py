"""A run that nobody confirms is undone by the host itself."""

from __future__ import annotations

import json
import os
import re
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


def stop_at_the_new_login(target: Target, seconds: int) -> subprocess.Popen[str]:
    """Harden, and return in the moment in which a batch is made and the controller is about to log in anew."""
    directory: Path = target.directory
    (directory / "inventory.json").write_text(json.dumps(tool.inventory()))
    waiting = directory / "waiting"
    client = directory / "ssh"
    client.write_text(f'#!/bin/sh\ncase " $* " in *" -O stop "*) touch {waiting}; sleep 60;; esac\nexec ssh "$@"\n')
    client.chmod(0o755)
    variables = {**SITE, "compliance_results": str(directory / "killed"), "hardening_confirm_seconds": seconds}
    variables["ansible_ssh_executable"] = str(client)
    argv = [str(PROGRAM), "unified.deploy.harden_hosts", "-i", "inventory.json", "-l", target.host.name]
    running = subprocess.Popen(
        [*argv, "-e", json.dumps(variables)],
        env={**os.environ, **ANSIBLE},
        cwd=directory,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not waiting.exists():
        assert running.poll() is None and time.monotonic() < deadline, "no batch was made"
        time.sleep(0.1)
    return running


def test_host_undoes_what_a_killed_run_did_not_confirm(container: Target) -> None:
    container.shell("DEBIAN_FRONTEND=noninteractive; apt-get update -qq; apt-get install -qq goss >/dev/null")
    before = state(container)
    running = stop_at_the_new_login(container, 8)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert state(container) != before
    wait_for_undoing(container)
    assert state(container) == before


TRAP = f"""
mkdir -p /etc/systemd/system/ssh.service.d
cat > /etc/systemd/system/ssh.service.d/trap.conf <<'END'
[Service]
ExecReload=/bin/sh -c 'if grep -qs MaxAuthTries {DROP_IN}/00-unified.conf; then echo closed > /etc/nologin; else rm -f /etc/nologin; fi'
ExecStartPre=/bin/rm -f /etc/nologin
END
systemctl daemon-reload
"""


def test_batch_that_shuts_its_own_login_out_is_undone_by_the_host_and_the_next_run_is_green(container: Target) -> None:
    """No configuration shows that this sshd closes to all once it is changed: only the new login does."""
    container.shell(TRAP)
    before = state(container)
    play = container.play("harden_hosts", variables={**SITE, "hardening_confirm_seconds": 8}, fails=True)
    run = re.search(r"python3 -I /var/lib/unified/runs/(\S+)/revert", play.output)
    assert run and f"run {run[1]}: after it a new login as root failed" in play.output.replace("\n", " "), play.output
    assert "These rules shut people out: sshd/MaxAuthTries, sshd/PermitRootLogin" in play.output
    (end,) = json.loads((play.results / "report.json").read_text())["not_run"]
    assert (end["name"], end["state"]) == (container.host.name, "failed")
    assert ssh(container.host, "true").returncode, "the trap has not closed"
    wait_for_undoing(container)
    assert state(container) == before, "later batches are not made either"
    container.shell("rm -r /etc/systemd/system/ssh.service.d; systemctl daemon-reload")
    container.play("harden_hosts", variables=SITE)
    model = container.play("harden_hosts", variables=SITE).model(container.host.name)
    assert model["changed"] == [] and model["summary"]["rules"].get("fail", 0) == 0


PACKAGES = "dpkg-query -W -f='${Package} ${Version} ${db:Status-Abbrev}\\n'; md5sum /etc/pam.d/common-* | sort"
# What tells of processes, moments and logins is never twice the same.
MOMENTARY = (
    "daemons",
    "newest",
    "session",
    "inode",
    "device",
    "loaded",
    "started",
    "changed",
    "modified",
    "pid",
    "ctime",
    "inodes",
)


def evidence(target: Target, variables: dict[str, t.Any]) -> t.Any:
    play = target.play("audit_hosts", variables=variables)
    document = json.loads((play.results / "hosts" / target.host.name / "evidence.json").read_text())
    return lasting(document["sections"])


def lasting(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        return {key: lasting(one) for key, one in value.items() if key not in MOMENTARY}
    return [lasting(one) for one in value] if isinstance(value, list) else value


def differences(before: t.Any, after: t.Any, where: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        keys = sorted({*before, *after})
        return [said for key in keys for said in differences(before.get(key), after.get(key), f"{where}.{key}")]
    if isinstance(before, list) and isinstance(after, list):
        gone, come = (
            [str(one) for one in these if one not in those] for these, those in ((before, after), (after, before))
        )
        return [f"{where}: {gone} became {come}"] if gone or come else []
    return [] if before == after else [f"{where}: {before} became {after}"]


# Starts once the run is open, and waits for apt's lock as unattended-upgrades does.
MEANWHILE = """
systemd-run --quiet --collect --unit meanwhile bash -c 'until ls -d /var/lib/unified/runs/*-1 2>/dev/null; do sleep 0.05; done
DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 install -qq hello >/dev/null'
"""


def test_run_is_reverted_with_its_packages_and_the_evidence_is_as_before(container: Target) -> None:
    container.shell("apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -qq goss telnet >/dev/null")
    container.shell("rm -rf /var/lib/unified/runs")
    site = {"compliance_rules": [*RULES, "package/telnet", "package/pwquality", "pwquality/minlen", "sudo/use_pty"]}
    before, proof = container.shell(PACKAGES) + state(container), evidence(container, site)
    container.shell(MEANWHILE)
    container.play("harden_hosts", variables=site)
    container.shell("while systemctl is-active -q meanwhile; do sleep 0.2; done")
    during = container.shell(PACKAGES)
    assert "libpam-pwquality" in during and not re.search(r"^(inetutils-)?telnet \S+ ii", during, re.MULTILINE)
    assert differences(proof, evidence(container, site))
    listed = container.play("list_runs").output
    assert "before.json.gz" in listed and "after.json.gz" in listed and "reverted.json.gz" not in listed
    # What somebody installs later is nobody's business here.
    container.shell("DEBIAN_FRONTEND=noninteractive apt-get install -qq tree >/dev/null")
    revert = {"hardening_state": "reverted"}
    started = time.monotonic()
    play = container.play("harden_hosts", variables=revert)
    assert play.changed(container.host.name) == 1
    print(f"reverted in {time.monotonic() - started:.1f} s")
    said = re.findall(r'"(\w+ [^"]*: nothing became)', play.output)
    assert said == ["package hello: nothing became", "package tree: nothing became"], play.output
    assert "hello" in container.shell("dpkg-query -W hello tree")
    container.shell("dpkg --purge hello tree >/dev/null")
    assert container.shell(PACKAGES) + state(container) == before
    assert "\n".join(differences(proof, evidence(container, site))) == ""
    assert container.play("harden_hosts", variables=revert).changed(container.host.name) == 0


def test_revert_is_proved_by_equal_evidence_which_root_alone_can_read(container: Target) -> None:
    container.shell("chmod 0664 /etc/crontab")
    container.play("harden_hosts", variables=SITE)
    play = container.play("harden_hosts", variables={"hardening_state": "reverted"})
    assert "the evidence is as before run" in play.output, play.output
    modes = container.shell(
        "stat -c '%a %U' $(ls -d /var/lib/unified/runs/* | tail -1) /var/lib/unified/runs/*/*.json.gz"
    )
    assert set(modes.splitlines()) == {"700 root", "600 root"}
    (kept, *_more) = container.shell("ls -t /var/lib/unified/runs/*/after.json.gz").split()
    after = json.loads(container.shell(f"zcat {kept}"))
    assert after["complete"] and after["sections"]["file"] and after["request"]["file"]
