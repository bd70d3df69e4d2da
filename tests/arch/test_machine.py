"""The baseline on a whole machine: hardened, its power cut in the first boot after that, booted, and the same verdicts."""

from __future__ import annotations

import contextlib
import json
import runpy
import subprocess
import sys
import typing as t
from collections import Counter

import pytest

from tests.hosts import vm
from tests.hosts.network import ssh
from tests.integration.conftest import ROOT
from tests.kinds import OBSERVERS

from .conftest import HASH, Machine

BOOT = ("boot/apparmor", "boot/audit", "boot/audit_backlog_limit", "boot/security", "boot_password/menu")
MOUNTED = "Reached target \x1b[0;1;39mlocal-fs.target"
"""What systemd writes to the console once all file systems of a machine that boots are there."""
# grub-mkconfig runs it each time: it counts, and writes nothing into the menu.
COUNTER = "printf '#!/bin/sh\\necho made >> /root/menus\\n' > /etc/grub.d/01_count; chmod 755 /etc/grub.d/01_count; : > /root/menus"
# AIDE's ten hashes of each file take an emulated machine a second a megabyte: its database is of programs and settings.
EXCLUDED = "printf '!/usr/lib\\n!/usr/share\\n!/boot\\n' > /etc/aide/aide.conf.d/10_site"
# A port that listens for everybody and that no overlay names keeps the firewall as it is.
QUIET = "printf '[Resolve]\\nLLMNR=no\\n' | install -D -m 644 /dev/stdin /etc/systemd/resolved.conf.d/site.conf; systemctl try-restart systemd-resolved"
COMPUTE = (
    "import time; began = time.perf_counter(); sum(n * n for n in range(1000000)); print(time.perf_counter() - began)"
)
NOTHING = """---
- name: One task
  hosts: all
  gather_facts: false
  tasks:
    - name: Ask
      ansible.builtin.ping:
"""


@pytest.fixture(scope="session")
def hardened(machine: Machine) -> dict[str, t.Any]:
    """The model after the first run, before the machine has booted again."""
    book = machine.directory / "nothing.yml"
    book.write_text(NOTHING)
    machine.shell(f"{COUNTER}; {EXCLUDED}; {QUIET}")
    machine.play(str(book))
    with machine.timed("one_task"):
        machine.play(str(book))
    with machine.timed("harden"):
        play = machine.harden()
    assert HASH not in play.output
    return play.model(machine.host.name)


@pytest.fixture(scope="session")
def booted(machine: Machine, hardened: dict[str, t.Any]) -> dict[str, t.Any]:
    """The model of an audit after the machine has booted again; its first boot was cut off."""
    since = machine.said()
    with contextlib.suppress(subprocess.TimeoutExpired):
        ssh(machine.host, "sudo systemctl reboot")
    machine.cut_at(MOUNTED, since)
    with machine.timed("reboot"):
        machine.boot()  # it raises where a unit has failed
    with machine.timed("audit"):
        model = machine.audit().model(machine.host.name)
    return model


def test_kernel_parameters_wait_for_the_next_boot(machine: Machine, hardened: dict[str, t.Any]) -> None:
    assert any("next boot" in reason for reason in hardened["reboot_required"])
    assert hardened["rules"]["boot_password/menu"]["verdict"] == "pass"
    machine.shell(
        "stat -c %a /boot/grub/user.cfg | grep -qx 600; ! grep -r grub.pbkdf2 /etc/grub.d /boot/grub/grub.cfg"
    )
    assert machine.shell("cat /root/menus").split() == ["made"], "the menu is made once a run"


def test_what_holds_after_a_boot_is_what_held_before(
    machine: Machine, hardened: dict[str, t.Any], booted: dict[str, t.Any]
) -> None:
    before, after = ({rule: one["verdict"] for rule, one in model["rules"].items()} for model in (hardened, booted))
    worse = {
        rule: (before[rule], verdict, booted["rules"][rule]["actual"])
        for rule, verdict in after.items()
        if verdict != before[rule] and verdict != "pass"
    }
    assert worse == {}
    counts = Counter(after.values())
    machine.taken.update(
        rules=len(after), **{"pass": counts["pass"]}, not_applicable=counts["not_applicable"],
        others=", ".join(f"{count} {name}" for name, count in sorted(counts.items()) if name not in ("pass", "not_applicable")),
        reasons=Counter(one["actual"] for one in booted["rules"].values() if one["verdict"] == "not_applicable"),
        processors_emulated=int(machine.shell("nproc")), kernel=machine.shell("uname -r").strip(),
        loader=f"GRUB {machine.shell('dpkg-query -f ${Version} -W grub-common').strip()} (EFI)",
        emulator=f"{vm.version(machine.host.architecture)}, {vm.acceleration(machine.host.architecture)}",
    )  # fmt: skip
    held = {
        rule: (one["verdict"], one["actual"], one.get("held", ""))
        for rule, one in booted["rules"].items()
        if one["verdict"] in ("fail", "error")
    }
    machine.taken["failing"] = held
    assert {rule: said for rule, said in held.items() if said[0] == "error" or not said[2]} == {}


def test_both_judges_agree_on_a_whole_machine(booted: dict[str, t.Any]) -> None:
    split = {
        rule: (one["verdict"], one["goss"], one["actual"])
        for rule, one in booted["rules"].items()
        if one["verdict"] in ("pass", "fail") and one["goss"] in ("pass", "fail") and one["goss"] != one["verdict"]
    }
    assert split == {}


@pytest.mark.parametrize("rule", BOOT)
def test_boot_is_as_the_rule_says(machine: Machine, booted: dict[str, t.Any], rule: str) -> None:
    assert (booted["rules"][rule]["verdict"], booted["rules"][rule]["goss"]) == ("pass", "pass")
    machine.shell(OBSERVERS[rule])


def test_what_only_a_whole_machine_has_is_in_effect(machine: Machine, booted: dict[str, t.Any]) -> None:
    machine.shell("aa-enabled")
    profiles = json.loads(machine.shell("aa-status --json"))["profiles"]
    assert "enforce" in profiles.values() and set(profiles.values()) <= {"enforce", "unconfined", "complain"}
    assert machine.shell("auditctl -s | grep -c '^enabled 2'").strip() == "1"
    assert len(machine.shell("auditctl -l").splitlines()) > 20
    assert {"nosuid", "nodev"} <= set(machine.shell("findmnt -no OPTIONS /home").strip().split(","))
    assert "noexec" in machine.shell("findmnt -no OPTIONS /tmp").strip().split(",")


def test_calls_that_no_table_of_this_architecture_has_are_those_we_know(machine: Machine) -> None:
    path = ROOT / "plugins/plugin_utils/_compliance/syscalls.py"
    syscalls = runpy.run_path(str(path))
    has = {line.split()[1] for line in machine.shell("ausyscall --dump").splitlines()[1:]}
    lacking = syscalls["LACKING"][machine.shell("uname -m").strip(), "b64"]
    assert {call for call in syscalls["KNOWN"] - set(syscalls["SINCE"]) if call not in has} == set(lacking)


def test_second_run_changes_nothing(machine: Machine, booted: dict[str, t.Any]) -> None:
    menus = machine.shell("cat /root/menus")
    with machine.timed("again"):
        play = machine.harden("-vvv")
    assert play.changed(machine.host.name) == 0
    machine.taken["executions"] = play.executions()
    assert machine.taken["executions"] <= 2
    assert machine.shell("cat /root/menus") == menus
    machine.taken["goss"] = play.model(machine.host.name)["goss"]["seconds"]
    here = subprocess.run([sys.executable, "-c", COMPUTE], capture_output=True, text=True, check=True).stdout
    machine.taken["slowness"] = round(float(machine.shell(f'python3 -c "{COMPUTE}"')) / float(here), 1)
