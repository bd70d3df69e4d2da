"""A host that lacks something while it is hardened: the run is green or says what failed, and the next one is green."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import typing as t

import pytest

from tests.faults.test_dead_runs import STARTED, leftovers, start, wait_for
from tests.hosts.network import ssh
from tests.integration.conftest import Target

RULES = ["sshd/MaxAuthTries", "file//etc/crontab", "sysctl/kernel.kptr_restrict", "sudo/use_pty"]
PACKAGE = "package/pwquality"
SITE: dict[str, t.Any] = {"compliance_rules": RULES, "compliance_walk": False, "hardening_lock_timeout": 5}
FRESH = """
rm -rf /var/lib/unified /etc/ssh/sshd_config.d/00-unified.conf /etc/sudoers.d/*unified* /etc/sysctl.d/*unified*
chmod 644 /etc/crontab; sysctl -qw kernel.kptr_restrict=0; dpkg --purge libpam-pwquality >/dev/null 2>&1 || true
systemctl reset-failed; systemctl restart ssh; sleep 1.1
"""
# A copy of a directory on a small file system of its own, in its place.
COPY = "mkdir -p /run/copy; mount -t tmpfs -o size={size},mode=755 tmpfs /run/copy; cp -a {path}/. /run/copy/; mount --bind /run/copy {path}; "
FILL = "dd if=/dev/zero of={path}/fill bs=1k 2>/dev/null || true"
BACK = "umount -l {path}; umount -l /run/copy"
REFUSING_PROXY = """
python3 - >/dev/null 2>&1 <<'END' &
import http.server, socketserver
class Refuse(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_error(407)
socketserver.TCPServer(("127.0.0.1", 8407), Refuse).serve_forever()
END
echo $! > /run/proxy; sleep 1
echo 'Acquire::http::Proxy "http://127.0.0.1:8407";' > /etc/apt/apt.conf.d/00drill
"""
BROKEN_PACKAGE = """
mkdir -p /root/odd/DEBIAN
printf 'Package: odd\\nVersion: 1\\nArchitecture: all\\nMaintainer: a <a@b.c>\\nDescription: odd\\n' > /root/odd/DEBIAN/control
printf '#!/bin/sh\\nexit 1\\n' > /root/odd/DEBIAN/postinst
chmod 755 /root/odd/DEBIAN/postinst
dpkg-deb --build /root/odd /root/odd.deb >/dev/null
dpkg --install /root/odd.deb >/dev/null 2>&1 || true
"""
# For what root does alone, for who is limited in sshd is not let in at all; taken away by a process that has no limit.
LIMIT = """
systemd-run --quiet --collect sh -c 'until test -e /home/ansible/over; do sleep 0.1; done; rm -f /home/ansible/over /etc/security/limits.d/drill.conf'
echo 'root hard {}' > /etc/security/limits.d/drill.conf
"""
HOLD_DPKG = (
    "nohup python3 -c \"import fcntl, time; f = open('/var/lib/dpkg/lock-frontend', 'w'); fcntl.lockf(f, fcntl.LOCK_EX); time.sleep(90)\" "
    ">/dev/null 2>&1 & echo $! > /run/holder; sleep 1"
)


class Fault(t.NamedTuple):
    """What is done to the host before a run and undone after it, and words of its output; none where it is to be green."""

    make: str
    unmake: str
    says: str = ""
    package: bool = False
    confirms: bool = True


FAULTS = {
    "/etc is full": Fault(
        COPY.format(path="/etc", size="8m") + FILL.format(path="/etc"), BACK.format(path="/etc"), "No space left"
    ),
    "/etc has no inodes left": Fault(
        COPY.format(path="/etc", size="9m,nr_inodes=4k")
        + "n=0; while touch /etc/fill$((n+=1)) 2>/dev/null; do :; done",
        BACK.format(path="/etc"),
        "No space left",
    ),
    "/etc is read-only": Fault("mount --bind -o ro /etc /etc", "umount -l /etc", "read-only"),
    "/var is full": Fault(
        COPY.format(path="/var", size="300m") + FILL.format(path="/var"), BACK.format(path="/var"), "No space left"
    ),
    "/var/log is full": Fault(
        "mount -t tmpfs -o size=16k tmpfs /var/log; " + FILL.format(path="/var/log"), "umount -l /var/log"
    ),
    "/tmp is full": Fault(
        "mount -t tmpfs -o size=16k,mode=1777 tmpfs /tmp; " + FILL.format(path="/tmp"), "umount -l /tmp"
    ),
    "the package database is locked": Fault(HOLD_DPKG, "kill $(cat /run/holder)", "lock", package=True),
    "a package is half configured": Fault(
        BROKEN_PACKAGE, "dpkg --purge --force-all odd >/dev/null 2>&1", "odd", package=True
    ),
    "the archive is gone": Fault(
        "cp /etc/apt/sources.list /root/; rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb; "
        "echo 'deb http://127.0.0.1:9/ trixie main' > /etc/apt/sources.list",
        "cp /root/sources.list /etc/apt/",
        "127.0.0.1",
        package=True,
    ),
    "no name is resolved": Fault(
        "cp /etc/resolv.conf /root/; rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb; "
        "echo 'nameserver 127.0.0.9' > /etc/resolv.conf",
        "cat /root/resolv.conf > /etc/resolv.conf",
        "resolv",
        package=True,
    ),
    "the proxy asks for a password": Fault(
        f"rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb; {REFUSING_PROXY}",
        "kill $(cat /run/proxy); rm /etc/apt/apt.conf.d/00drill",
        "407",
        package=True,
    ),
    "apt-daily starts in the middle": Fault("systemctl start --no-block apt-daily.service", "true", package=True),
    "programs get 40 MB": Fault(
        LIMIT.format("as 40000"),
        "test ! -e /etc/security/limits.d/drill.conf",
        "emory",
    ),
    "programs may open eight files": Fault(
        LIMIT.format("nofile 8"),
        "test ! -e /etc/security/limits.d/drill.conf",
        "Too many open files",
    ),
    "files end at 4 KB": Fault(
        LIMIT.format("fsize 4"),
        "test ! -e /etc/security/limits.d/drill.conf",
        "File too large",
    ),
}


def is_whole(target: Target) -> bool:
    """No file that programs refuse, nothing of ours left over, and no daemon older than its configuration."""
    target.shell("sshd -t; visudo -c >/dev/null; test -s /etc/passwd")
    # A reload changes the state without entering it anew.
    loaded, written = target.shell(
        'date -d "$(systemctl show -P StateChangeTimestamp ssh.service)" +%s; '
        "stat -c %Z $(ls -d /etc/ssh/sshd_config.d/* /etc/ssh/sshd_config.d /etc/ssh/sshd_config) | sort -n | tail -1"
    ).split()
    return leftovers(target) == "" and int(loaded) >= int(written)


def ends_well(target: Target, site: dict[str, t.Any]) -> None:
    """The next run is green, and the one after it has nothing to do."""
    rules = target.play("harden_hosts", variables=site).model(target.host.name)["summary"]["rules"]
    assert not {"fail", "error"} & {verdict for verdict, count in rules.items() if count}, rules
    assert is_whole(target)
    assert target.play("harden_hosts", variables=site).changed(target.host.name) == 0


@pytest.fixture(scope="module")
def host(container: Target) -> Target:
    container.shell("apt-get -qq update; DEBIAN_FRONTEND=noninteractive apt-get -qq install -y goss >/dev/null")
    return container


@pytest.mark.parametrize("name", FAULTS)
def test_run_is_green_or_says_what_failed_and_the_next_is_green(host: Target, name: str) -> None:
    fault = FAULTS[name]
    site = {**SITE, "compliance_rules": [*RULES, *([PACKAGE] if fault.package else [])]}
    host.shell(FRESH)
    host.shell(fault.make)
    try:
        play = host.play("harden_hosts", variables=site, fails=bool(fault.says))
        assert fault.says in play.output, play.output[-3000:]
    finally:
        assert ssh(host.host, "touch over; sleep 1" if "limits.d" in fault.make else "true").returncode == 0
        host.shell(fault.unmake)
    assert is_whole(host)
    ends_well(host, site)


# As many processes as the login of an administrator has, and none for what a module calls. A kernel of its own, for others have no such
# limit to give; taken away by a process that is not counted.
FEW_PROCESSES = """
systemd-run --quiet --collect sh -c 'until test -e /home/ansible/over; do sleep 0.1; done
systemctl set-property --runtime user-1000.slice TasksMax=infinity; rm /home/ansible/over'
systemctl set-property --runtime user-1000.slice TasksMax=$(systemctl show -P TasksCurrent user-1000.slice)
"""


def test_run_that_gets_no_processes_says_so_and_the_next_is_green(uml: Target) -> None:
    uml.shell(FRESH)
    uml.shell(FEW_PROCESSES)
    try:
        output = uml.play("harden_hosts", variables=SITE, fails=True).output
        assert "temporarily unavailable" in output or "fork" in output, output[-3000:]
    finally:
        # Written by the login's own shell, which gets no process for another program.
        assert ssh(uml.host, "echo > over").returncode == 0
        wait_for(uml, "test ! -e over")
    assert is_whole(uml)
    ends_well(uml, SITE)


# sudo's child is the shell in which a module's Python is read from standard input, or that Python in its place (dash(1), exec of the last).
KILL_MODULE = """
cat > /root/kill-module <<'END'
seen=0
while sleep 0.01; do
  for pid in $(pgrep -u 0 -x python3); do
    parent=$(ps -o ppid= -p $pid)
    case "$(ps -o comm= -p ${parent:-1})" in sh|sudo) ;; *) continue;; esac
    case " $known " in *" $pid "*) continue;; esac
    known="$known $pid"; seen=$((seen + 1))
    test $seen -eq $1 && { sleep 0.15; kill -KILL $pid; touch /run/killed; exit 0; }
  done
done
END
rm -f /run/killed; systemd-run --quiet --unit drill-kill --collect bash /root/kill-module %d
"""


@pytest.mark.parametrize("number", range(1, 7))
def test_module_that_is_killed_fails_the_run_and_the_next_is_green(host: Target, number: int) -> None:
    """Evidence, the batches and the end of the run, evidence again, Goss: one execution each."""
    host.shell(FRESH)
    host.shell(KILL_MODULE % number)
    try:
        host.play("harden_hosts", variables=SITE, fails=True)
        assert host.shell("ls /run/killed").strip() == "/run/killed"
    finally:
        host.shell("systemctl stop drill-kill 2>/dev/null || true; rm -f /run/killed")
    ends_well(host, SITE)


# In its place: where it is called with WORD, the program is killed after a moment, and so is what was called.
KILLED = """
real=$(readlink -f $(command -v {program})); mv $real $real.real
cat > $real <<'END'
#!/bin/sh
case " $* " in *"{word}"*) "$0.real" "$@" & sleep 0.2; touch /run/killed; kill -KILL $! $$;; esac
exec "$0.real" "$@"
END
chmod 755 $real; rm -f /run/killed
"""
PROGRAMS = {
    "apt-get": (" install ", [PACKAGE]),
    "dpkg": (" --unpack ", [PACKAGE]),
    "pam-auth-update": ("--", ["pam/pam_faillock"]),
    "ufw": (" enable ", ["package/firewall", "firewall/enabled", "firewall/default_incoming"]),
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_program_that_is_killed_fails_the_run_and_the_next_is_green(host: Target, program: str) -> None:
    word, rules = PROGRAMS[program]
    site = {**SITE, "compliance_rules": [*RULES, *rules]}
    if program == "ufw":
        host.shell("DEBIAN_FRONTEND=noninteractive apt-get -qq install -y ufw >/dev/null")
    host.shell(FRESH)
    host.shell(KILLED.format(program=program, word=word))
    try:
        host.play("harden_hosts", variables=site, fails=True)
        assert host.shell("ls /run/killed").strip() == "/run/killed"
    finally:
        host.shell(f"real=$(readlink -f $(command -v {program})); mv $real.real $real")
    ends_well(host, site)


def link(target: Target, state: str) -> None:
    subprocess.run(["ip", "link", "set", target.host.link, state], check=True)


def run_in_the_background(target: Target, site: dict[str, t.Any], name: str = "harden") -> subprocess.Popen[str]:
    variables = {**site, "compliance_results": str(target.directory / f"results-{name}")}
    path = target.directory / f"{name}.yml"
    role = {"role": "unified.deploy.hardening"}
    path.write_text(
        json.dumps([{"hosts": "all", "gather_facts": False, "become": True, "vars": variables, "roles": [role]}])
    )
    return start(target, str(path))


def test_link_that_flaps_only_takes_longer(host: Target) -> None:
    host.shell(FRESH)
    running = run_in_the_background(host, SITE)
    for _time in range(4):
        time.sleep(2)
        link(host, "down")
        time.sleep(1)
        link(host, "up")
    assert running.wait(timeout=240) == 0
    ends_well(host, SITE)


def test_link_that_stays_down_ends_the_run_within_a_minute(
    host: Target, record_property: t.Callable[[str, object], None]
) -> None:
    host.shell(FRESH)
    running = run_in_the_background(host, SITE)
    time.sleep(4)
    link(host, "down")
    cut = time.monotonic()
    try:
        assert running.wait(timeout=150) != 0
        took = time.monotonic() - cut
        record_property("note", f"the run ended {took:.0f} s after the link was cut")
    finally:
        link(host, "up")
    assert took < 60, f"the run went on for {took:.0f} s"
    ends_well(host, SITE)


# A task of Ansible's own, over the connection that one of ours has opened: a host that it does not reach would be dropped.
WAITING_DPKG = """
real=$(readlink -f $(command -v dpkg)); mv $real $real.real
cat > $real <<'END'
#!/bin/sh
case " $* " in *" --configure "*) touch /run/held; sleep 5;; esac
exec "$0.real" "$@"
END
chmod 755 $real; rm -f /run/held
"""


def test_link_that_is_cut_while_packages_come_ends_the_run_within_a_minute(
    host: Target, record_property: t.Callable[[str, object], None]
) -> None:
    site = {**SITE, "compliance_rules": [*RULES, PACKAGE]}
    host.shell(FRESH)
    host.shell(WAITING_DPKG)
    running = run_in_the_background(host, site)
    try:
        wait_for(host, "test -e /run/held")
        link(host, "down")
        cut = time.monotonic()
        assert running.wait(timeout=150) != 0
        took = time.monotonic() - cut
        record_property("note", f"the run ended {took:.0f} s after the link was cut")
    finally:
        link(host, "up")
        host.shell("real=$(readlink -f $(command -v dpkg)); mv $real.real $real")
    assert took < 60, f"the run went on for {took:.0f} s"
    ends_well(host, site)


@pytest.mark.parametrize("seconds", [3, 6, 9])
def test_controller_that_is_killed_leaves_a_host_that_the_next_run_mends(host: Target, seconds: int) -> None:
    host.shell(FRESH)
    running = run_in_the_background(host, SITE)
    time.sleep(seconds)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    ends_well(host, SITE)


def test_controller_whose_workers_outlive_it_leaves_a_host_that_the_next_run_mends(host: Target) -> None:
    """Killed while a batch is made: its worker waits for the module's answer, to which nobody listens."""
    host.shell(FRESH)
    running = run_in_the_background(host, SITE)
    wait_for(host, "sudo sh -c 'ls -d /var/lib/unified/runs/*/01-*' 2>/dev/null")
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    deadline = time.monotonic() + 60
    while subprocess.run(["pgrep", "-g", str(running.pid)], check=False, capture_output=True).returncode == 0:
        assert time.monotonic() < deadline, "its workers do not end"
        time.sleep(0.2)
    ends_well(host, SITE)


@pytest.mark.quick
def test_two_controllers_at_once_are_told_of_each_other_or_both_end_green(host: Target) -> None:
    host.shell(FRESH)
    both = [run_in_the_background(host, SITE, name) for name in ("one", "two")]
    codes = [one.wait(timeout=240) for one in both]
    assert 0 in codes, (host.directory / STARTED).read_text()[-6000:]
    ends_well(host, SITE)
