"""Measure on one machine, in one run: our audit and hardening beside a one-task play, oscap and lynis.

Writes build/bench.json and prints a table. Times are the median of several runs; the spread of the one-task play
is the machine's noise.
"""

from __future__ import annotations

import json
import os
import re
import resource
import statistics
import subprocess
import sys
import time
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.hosts import __main__ as tool
from tests.hosts.archive import download
from tests.hosts.network import ssh, ssh_options
from tests.hosts.store import ADMIN

OUT = ROOT / "build" / "bench"
NAME = "bench"
INODES = 250_000
RUNS = 5
LEVEL = "l2_server"
FLOOR = "- {hosts: all, gather_facts: false, become: true, tasks: [{ansible.builtin.command: 'true', changed_when: false}]}\n"


def say(text: str) -> None:
    print(f"bench: {text}", flush=True)


def play(book: str, variables: dict[str, t.Any] | None = None, *, verbose: bool = False) -> tuple[float, float, str]:
    """Wall seconds, controller CPU seconds and output of a playbook run."""
    env = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    argv = [
        str(ROOT / ".venv/bin/ansible-playbook"),
        book,
        "-i",
        str(OUT / "inventory.json"),
        "-l",
        NAME,
        "-e",
        json.dumps(variables or {}),
    ]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        [*argv, *(["-vvv"] if verbose else [])], capture_output=True, text=True, check=False, env=env, cwd=ROOT
    )
    wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"bench: {book} failed\n{done.stdout[-3000:]}{done.stderr[-2000:]}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def executions(output: str) -> int:
    """Module executions on the host: with pipelining each is one command that pipes a program into Python."""
    return len(re.findall(r"SSH: EXEC .*python3", output))


def changed(output: str) -> int:
    recap = re.search(rf"^{NAME}\s*: .*changed=(\d+)", output, re.MULTILINE)
    return int(recap[1]) if recap else -1


def median(runs: list[tuple[float, float, str]]) -> tuple[float, float]:
    return statistics.median(run[0] for run in runs), statistics.median(run[1] for run in runs)


def root(command: str, *, check: bool = True) -> str:
    done = ssh(host, f"sudo bash -c '{command}'", timeout=900)
    if check and done.returncode:
        raise SystemExit(f"bench: {command}: {done.stderr}")
    return done.stdout


def timed(command: str) -> float:
    started = time.monotonic()
    root(command, check=False)
    return time.monotonic() - started


def oscap() -> tuple[int, float]:
    """Rules judged and wall seconds of an oscap scan. Its content for Debian 13 is in Debian's unstable archive."""
    content = OUT / "ssg"
    download("ssg-debian", "unstable", content)
    root("DEBIAN_FRONTEND=noninteractive apt-get -qqy install --no-install-recommends openscap-scanner >/dev/null")
    source = content / "usr/share/xml/scap/ssg/content/ssg-debian13-ds.xml"
    copy = ["scp", "-q", *ssh_options(host), str(source), f"{ADMIN}@{host.address}:/tmp/content.xml"]
    subprocess.run(copy, check=True)
    profile = "cis_level1_server"
    started = time.monotonic()
    done = ssh(
        host, f"sudo oscap xccdf eval --profile {profile} --results /run/oscap.xml /tmp/content.xml", timeout=900
    )
    # 0: all pass, 2: some fail (oscap(8)).
    if done.returncode not in (0, 2):
        raise SystemExit(f"bench: oscap failed: {done.stderr[-500:]}")
    seconds = time.monotonic() - started
    judged = len(re.findall(r"Result\s+(pass|fail)", done.stdout))
    return judged, seconds


def catalogue_seconds() -> float:
    code = (
        "import time; t = time.monotonic()\n"
        "from ansible_collections.unified.deploy.plugins.plugin_utils._compliance import catalogue as _catalogue, selection as s\n"
        "c = _catalogue.Catalogue()\n"
        "for b in c.benchmarks.values():\n"
        "    for p, releases in b.platforms.items():\n"
        "        [s.select(c, [(b.id, l)], s.Overlay(), {'os': p, 'version': r}) for r in releases for l in b.levels]\n"
        "print(time.monotonic() - t)"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT / "build/collections")}
    times = [
        float(
            subprocess.run(
                [str(ROOT / ".venv/bin/python"), "-c", code], capture_output=True, text=True, check=True, env=env
            ).stdout
        )
        for _ in range(RUNS)
    ]
    return statistics.median(times)


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "inventory.json").write_text(json.dumps(tool.inventory()))
    (OUT / "floor.yml").write_text(FLOOR)
    overlay = str(ROOT / "inventories/example/group_vars/overlay.yml")
    site = {"compliance_overlay": overlay, "compliance_benchmarks": [{"name": "cis", "level": LEVEL}]}
    harden = {**site, "compliance_results": str(OUT / "hardening")}
    audit = {**site, "compliance_results": str(OUT / "audit")}
    figures: dict[str, t.Any] = {}

    say("installing lynis on the host")
    root(
        "apt-get -qq update; DEBIAN_FRONTEND=noninteractive apt-get -qqy install --no-install-recommends lynis goss >/dev/null"
    )
    say("hardening a fresh host")
    wall, cpu, output = play("unified.deploy.harden_hosts", harden, verbose=True)
    packages = len(re.findall(r"ansible\.builtin\.apt|/apt\.py", output)) and 1
    figures.update(
        converge_wall_s=wall, converge_controller_cpu_s=cpu, converge_module_executions=executions(output) - packages
    )
    say("running again with nothing to change, and the one-task play beside it")
    floors, reruns = [], []
    for _ in range(RUNS):
        floors.append(play(str(OUT / "floor.yml")))
        reruns.append(play("unified.deploy.harden_hosts", harden))
    figures["floor_wall_s"], figures["floor_controller_cpu_s"] = median(floors)
    figures["rerun_wall_s"], figures["rerun_controller_cpu_s"] = median(reruns)
    figures["changed_on_rerun"] = max(changed(run[2]) for run in reruns)
    figures["rerun_module_executions"] = executions(play("unified.deploy.harden_hosts", harden, verbose=True)[2])
    figures["audit_module_executions"] = executions(play("unified.deploy.audit_hosts", audit, verbose=True)[2])
    noise = [run[0] for run in floors]
    figures["noise_percent"] = 100 * (max(noise) - min(noise)) / figures["floor_wall_s"]

    say(f"filling the host to {INODES:,} inodes")
    root(
        f"mkdir -p /srv/many; cd /srv/many; for d in $(seq 1 250); do mkdir $d; (cd $d; seq -f %g 1 {INODES // 250} | xargs touch); done"
    )
    walks, scans, gosses = [], [], []
    for walk, times in ((True, walks), (False, scans)):
        for _ in range(RUNS):
            play("unified.deploy.audit_hosts", {**audit, "compliance_walk": walk})
            model = json.loads((OUT / f"audit/hosts/{NAME}/result.json").read_text())
            times.append(model["seconds"] + model["goss"]["seconds"])
            gosses.append(model["goss"]["seconds"])
            figures["inodes"] = model["inodes"] or figures["inodes"]
    figures["scan_walk_s"], figures["scan_s"] = statistics.median(walks), statistics.median(scans)
    figures["goss_s"] = statistics.median(gosses)
    figures["catalogue_load_s"] = catalogue_seconds()

    say("the peers' scans of the same host")
    figures["oscap_rules_judged"], figures["oscap_wall_s"] = oscap()
    figures["lynis_wall_s"] = timed("lynis audit system --quick --no-colors >/dev/null 2>&1")
    (ROOT / "build/bench.json").write_text(
        json.dumps({k: round(v, 3) if isinstance(v, float) else v for k, v in figures.items()}, indent=1) + "\n"
    )
    print(table(figures))


def table(figures: dict[str, t.Any]) -> str:
    floor, cpu = figures["floor_wall_s"], figures["floor_controller_cpu_s"]
    rows = [
        ("one-task play (the floor)", f"{floor:.2f} s", f"noise {figures['noise_percent']:.0f} %", ""),
        ("controller CPU of it", f"{cpu:.2f} s", "", ""),
        (
            "re-run, nothing to change",
            f"{figures['rerun_wall_s']:.2f} s",
            f"{figures['rerun_wall_s'] / floor:.2f} x floor",
            "2.2 x",
        ),
        (
            "  controller CPU",
            f"{figures['rerun_controller_cpu_s']:.2f} s",
            f"{figures['rerun_controller_cpu_s'] / cpu:.2f} x floor",
            "2 x",
        ),
        (
            "  module executions",
            str(figures["rerun_module_executions"]),
            f"{figures['changed_on_rerun']} changed",
            "2, 0 changed",
        ),
        ("audit, module executions", str(figures["audit_module_executions"]), "", "2"),
        (f"converge a fresh host, {LEVEL}", f"{figures['converge_wall_s']:.1f} s", "with package downloads", ""),
        ("  module executions", str(figures["converge_module_executions"]), "besides packages", "40"),
        (f"scan of {figures['inodes']:,} inodes", f"{figures['scan_walk_s']:.2f} s", "collect + Goss", "1.3 s"),
        ("scan without the walk", f"{figures['scan_s']:.2f} s", "", "0.35 s"),
        ("  Goss alone", f"{figures['goss_s']:.3f} s", "", "0.1 s"),
        ("load, select, meet everything", f"{figures['catalogue_load_s']:.2f} s", "", "0.5 s"),
        (
            "oscap scan (peer)",
            f"{figures['oscap_wall_s']:.1f} s",
            f"{figures['oscap_rules_judged']} rules judged",
            "",
        ),
        (
            "lynis scan (peer)",
            f"{figures['lynis_wall_s']:.1f} s",
            f"{figures['lynis_wall_s'] / figures['scan_walk_s']:.0f} x ours",
            "",
        ),
    ]
    lines = [f"{'':32}{'measured':>12}   {'':26}{'to reach':>12}"]
    return "\n".join([*lines, *(f"{name:32}{value:>12}   {note:26}{goal:>12}" for name, value, note, goal in rows)])


if __name__ == "__main__":
    host = tool.up(NAME, "container", "debian13")
    try:
        main()
    finally:
        tool.down([NAME])
