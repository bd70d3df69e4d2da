"""A run that dies in the middle of a batch, on real hosts: what it left is ended by the next run, by the timer or by the boot."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import typing as t

import pytest

from tests.hosts import __main__ as tool
from tests.hosts.network import ssh, ssh_options
from tests.hosts.store import ADMIN
from tests.hosts.uml import cut_power, power_on
from tests.integration.conftest import ANSIBLE, ROOT, Target

DROP_IN = "/etc/ssh/sshd_config.d/00-unified.conf"
UNITS = "/etc/systemd/system/unified-revert"
WEAK = "hmac-sha1"
STARTED = "started.log"


def batch(run: str, *, tries: int, revert_after: int, hold: str = "") -> dict[str, t.Any]:
    """A batch that closes sshd a little; HOLD is a command that lets the test kill it where it waits."""
    return {
        "unified.deploy.hardening_batch": {
            "run": run,
            "name": "sshd",
            "files": [
                {"path": DROP_IN, "content": f"MaxAuthTries {tries}\nMACs -{WEAK}\n", "mode": "0600"},
                {"path": "/etc/motd", "content": f"{tries}\n"},
            ],
            "checks": [{"argv": ["sshd", "-t"], "trees": ["/etc/ssh"]}],
            "attributes": [{"path": "/etc/crontab", "mode": "0600"}],
            "units": {"restarted": ["ssh.service"]},
            "commands": [{"argv": ["sh", "-c", hold], "saves": ["/etc/none"]}] if hold else [],
            "revert_after": revert_after,
        }
    }


def book(target: Target, *tasks: dict[str, t.Any], name: str = "book") -> str:
    path = target.directory / f"{name}.yml"
    play = {"hosts": "all", "gather_facts": False, "become": True, "tasks": list(tasks)}
    path.write_text(json.dumps([play]))
    return str(path)


def state(target: Target) -> str:
    """What the daemon that runs was started with, and what the disk says."""
    script = f"head -1 {DROP_IN} 2>/dev/null || echo none; cat /etc/motd | head -1; stat -c %a /etc/crontab"
    return target.shell(script).replace("\n", " ").strip()


def younger(target: Target) -> bool:
    """Whether sshd was started after its configuration was written."""
    script = f"""
    started=$(date -d "$(systemctl show -P ActiveEnterTimestamp ssh.service)" +%s)
    written=$(stat -c %Z $(ls -d {DROP_IN} /etc/ssh/sshd_config.d /etc/ssh/sshd_config 2>/dev/null || true) | sort -n | tail -1)
    test "$started" -ge "$written" && echo yes || echo no
    """
    return target.shell(script).strip() == "yes"


def lets_in_by_what_is_forbidden(target: Target) -> bool:
    """Whether the daemon takes a code that the batch takes from it: so it does until it has read the file."""
    host = target.host
    options = [*ssh_options(host), "-o", "Ciphers=aes128-ctr", "-o", f"MACs={WEAK}", "-p", str(host.port)]
    argv = ["ssh", *options, f"{ADMIN}@{host.address}", "true"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0 or "no matching MAC" in done.stderr, done.stderr
    return done.returncode == 0


def leftovers(target: Target) -> str:
    return target.shell(f"find / -xdev -name '.unified-*'; ls {UNITS}* 2>/dev/null || true").strip()


def start(target: Target, path: str) -> subprocess.Popen[str]:
    """Start a play without waiting for its end; what it says is in the file STARTED."""
    (target.directory / "inventory.json").write_text(json.dumps(tool.inventory()))
    argv = [
        str(ROOT / ".venv/bin/ansible-playbook"),
        path,
        "-i",
        str(target.directory / "inventory.json"),
        "-l",
        target.host.name,
    ]
    environment = {**os.environ, **ANSIBLE}
    with (target.directory / STARTED).open("a") as log:
        return subprocess.Popen(
            argv, stdout=log, stderr=subprocess.STDOUT, env=environment, text=True, start_new_session=True
        )


def wait_for(target: Target, script: str, seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while ssh(target.host, script).returncode:  # sshd may be restarted meanwhile
        assert time.monotonic() < deadline, f"not within {seconds} s: {script}"
        time.sleep(0.2)


HOLD = "touch /run/held; while test -e /run/hold; do sleep 0.1; done"


def die_holding(target: Target, run: str, *, tries: int, revert_after: int) -> None:
    """Kill module and controller while the batch's command runs: files are in place, nothing is restarted."""
    target.shell("touch /run/hold; rm -f /run/held")
    running = start(target, book(target, batch(run, tries=tries, revert_after=revert_after, hold=HOLD), name="dies"))
    wait_for(target, "test -e /run/held")
    pid = json.loads(target.shell("cat /var/lib/unified/lock"))["pid"]
    target.shell(f"kill -KILL {pid}; rm /run/hold")
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()


@pytest.fixture
def clean(container: Target) -> Target:
    container.shell(
        f"rm -rf /var/lib/unified {DROP_IN}; echo 0 > /etc/motd; chmod 644 /etc/crontab; systemctl reset-failed; systemctl restart ssh; sleep 1.1"
    )
    return container


def test_next_run_finishes_what_a_killed_one_began(clean: Target) -> None:
    die_holding(clean, "one", tries=3, revert_after=0)
    assert state(clean) == "MaxAuthTries 3 3 600" and not younger(clean) and lets_in_by_what_is_forbidden(clean)
    clean.play(book(clean, batch("two", tries=3, revert_after=0)))
    assert state(clean) == "MaxAuthTries 3 3 600" and younger(clean) and leftovers(clean) == ""
    assert not lets_in_by_what_is_forbidden(clean)


@pytest.mark.quick
def test_recovery_alone_finishes_it_too(clean: Target) -> None:
    die_holding(clean, "one", tries=3, revert_after=0)
    recovery = {"unified.deploy.hardening_run": {"state": "recovered"}, "register": "outcome"}
    shown = {"ansible.builtin.debug": {"var": "outcome.problems"}}
    assert "run one, batch 01-sshd: finished" in clean.play(book(clean, recovery, shown)).output
    assert younger(clean) and leftovers(clean) == ""
    assert clean.play(book(clean, recovery)).changed(clean.host.name) == 0


def test_host_undoes_a_batch_that_a_killed_run_did_not_confirm(clean: Target) -> None:
    die_holding(clean, "one", tries=3, revert_after=20)
    assert state(clean).startswith("MaxAuthTries 3")
    wait_for(clean, f"test ! -e {UNITS}.timer", 60)
    assert state(clean) == "none 0 644" and younger(clean) and leftovers(clean) == ""


def test_disk_that_is_filled_after_a_change_keeps_no_host_from_undoing_it(clean: Target) -> None:
    """Files and record on one small disk, as where there is only one, and no room left that is not the record's own."""
    path = "/var/lib/unified/site.conf"
    clean.shell(
        "mkdir -m 700 /var/lib/unified; mount -t tmpfs -o size=4m,mode=700 tmpfs /var/lib/unified; "
        f"head -c 400000 /dev/zero | tr '\\0' o > {path}"
    )
    try:
        change = {"run": "one", "name": "site", "files": [{"path": path, "content": "new"}], "revert_after": 8}
        clean.play(book(clean, {"unified.deploy.hardening_batch": change}))
        assert clean.shell(f"cat {path}; dd if=/dev/zero of=/var/lib/unified/fill bs=4k 2>/dev/null || true") == "new"
        wait_for(clean, f"test ! -e {UNITS}.timer", 60)
        assert clean.shell(f"tr -d o < {path} | wc -c; wc -c < {path}").split() == ["0", "400000"]
    finally:
        clean.shell("umount /var/lib/unified")


def test_boot_arms_the_timer_again_after_a_power_cut(uml: Target) -> None:
    before = state(uml)
    uml.play(book(uml, batch("one", tries=3, revert_after=40)))
    assert state(uml).startswith("MaxAuthTries 3")
    cut_power(uml.host)
    power_on(uml.host)
    wait_for(uml, f"test ! -e {UNITS}.timer", 120)
    assert state(uml) == before and younger(uml) and leftovers(uml) == ""


def test_power_cut_in_the_middle_is_finished_by_the_next_run(uml: Target) -> None:
    uml.shell("touch /run/hold; rm -f /run/held")
    running = start(uml, book(uml, batch("cut", tries=2, revert_after=0, hold=HOLD), name="cut"))
    wait_for(uml, "test -e /run/held", 90)
    cut_power(uml.host)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    power_on(uml.host)
    uml.shell("rm -f /run/hold")
    uml.play(book(uml, batch("after", tries=2, revert_after=0)))
    assert state(uml) == "MaxAuthTries 2 2 600" and younger(uml) and leftovers(uml) == ""


@pytest.mark.parametrize("jump", ["3 years", "3 years ago"])
def test_clock_that_jumps_in_the_middle_neither_undoes_a_run_nor_keeps_its_timer(uml: Target, jump: str) -> None:
    name = "ahead" if jump == "3 years" else "back"
    set_clock = {"ansible.builtin.command": {"argv": ["date", "--set", jump]}}
    finished = {"unified.deploy.hardening_run": {"id": name, "state": "finished"}}
    try:
        uml.play(book(uml, batch(name, tries=4, revert_after=60), set_clock, finished))
        assert state(uml) == "MaxAuthTries 4 4 600" and leftovers(uml) == ""
        uml.play(book(uml, batch(f"{name}-alone", tries=2, revert_after=8), set_clock))
        wait_for(uml, f"test ! -e {UNITS}.timer", 90)
        assert state(uml) == "MaxAuthTries 4 4 600" and leftovers(uml) == ""
    finally:
        uml.shell(f"date --set @{int(time.time())} >/dev/null")
