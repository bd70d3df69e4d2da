"""What goes wrong on the way to a host, or on it: the message says where, why and what to do, and nothing is half done."""

from __future__ import annotations

import hashlib
import json
import typing as t
from pathlib import Path

import pytest

from .conftest import OVERLAY, Target

SMALL = {
    "compliance_kinds": ["limits"],
    "compliance_walk": False,
}


def inventory(target: Target, tmp_path: Path, **changes: t.Any) -> str:
    """The host's inventory with other variables."""
    from tests.hosts import __main__ as tool

    groups = t.cast("dict[str, t.Any]", tool.inventory())["all"]["children"]
    facts = {**groups[target.host.suite]["hosts"][target.host.name], **changes}
    path = tmp_path / "inventory.json"
    path.write_text(
        json.dumps({"all": {"hosts": {target.host.name: {k: v for k, v in facts.items() if v is not None}}}})
    )
    return str(path)


def test_dry_run_shows_what_would_change_and_changes_nothing(container: Target) -> None:
    site = {"compliance_overlay": str(OVERLAY)}
    container.play("audit_hosts", variables=site)
    evidence = container.directory / "results/hosts" / container.host.name / "evidence.json"
    timeless = ("collected", "seconds", "complete")

    def state() -> dict[str, t.Any]:
        container.play("audit_hosts", variables=site)
        document = json.loads(evidence.read_text())
        # What differs from one look to the next, whoever looks.
        del document["sections"]["scan"]["items"]["inodes"], document["sections"]["sshd"]["items"]["session"]
        return {key: value for key, value in document.items() if key not in timeless}

    before = state()
    dry = container.play("harden_hosts", "--check", "--diff", variables=site)
    assert "sshd/PermitRootLogin: without-password" in dry.output
    assert "+PermitRootLogin no" in dry.output, "the drop-in is shown as a diff"
    assert "+kernel.dmesg_restrict = 1" in dry.output
    assert state() == before
    assert container.shell("ls -A /var/lib/unified 2>/dev/null || true") == ""


def test_stored_evidence_is_judged_again_without_the_host(container: Target) -> None:
    container.play("audit_hosts")
    stored = container.directory / "stored.json"
    stored.write_text((container.directory / "results/hosts" / container.host.name / "evidence.json").read_text())
    first = container.play("audit_hosts").model(container.host.name)
    again = container.play("audit_hosts", variables={"compliance_evidence": str(stored)}).model(container.host.name)
    moving = {"scan"}
    assert {i: r["verdict"] for i, r in first["rules"].items() if r["kind"] not in moving} == {
        i: r["verdict"] for i, r in again["rules"].items() if r["kind"] not in moving
    }


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[: len(text) // 2], "cannot be read"),
        (lambda text: text.replace('"schema": 2', '"schema": 7', 1), "schema version 7"),
        (lambda _text: "{}", "this is not evidence"),
    ],
)
def test_unusable_stored_evidence_is_refused(container: Target, damage: t.Callable[[str], str], message: str) -> None:
    container.play("audit_hosts", variables=SMALL)
    text = (container.directory / "results/hosts" / container.host.name / "evidence.json").read_text()
    path = container.directory / "damaged.json"
    path.write_text(damage(text))
    assert (
        message
        in container.play("audit_hosts", fails=True, variables={**SMALL, "compliance_evidence": str(path)}).output
    )


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {"compliance_benchmarks": [{"name": "cis_debian12", "level": "l1_server"}]},
            "is for debian 12, this host is debian 13. Use 'cis_debian13'",
        ),
        ({"compliance_benchmarks": [{"name": "cis", "level": "l7"}]}, "unknown level of cis_debian13 'l7'"),
        ({"compliance_rules": ["sshd/Baner"]}, "unknown rule 'sshd/Baner'. Did you mean sshd/Banner"),
        ({"compliance_benchmarks": "cis"}, "benchmarks"),
        ({"compliance_overlay": "/nowhere.yml"}, "/nowhere.yml: cannot be read: No such file or directory"),
        ({"compliance_results": "/proc/nowhere"}, "results cannot be written"),
    ],
)
def test_mistake_in_the_variables_stops_before_any_change(
    container: Target, variables: dict[str, t.Any], message: str
) -> None:
    play = container.play("harden_hosts", fails=True, variables=variables)
    assert message in " ".join(play.output.split())
    assert play.changed(container.host.name) == 0


def test_user_without_sudo_is_told_so(container: Target, tmp_path: Path) -> None:
    container.shell(
        "id -u plain >/dev/null 2>&1 || useradd -m -s /bin/bash plain; mkdir -p -m 700 /home/plain/.ssh\n"
        "cp /home/ansible/.ssh/authorized_keys /home/plain/.ssh/; chown -R plain: /home/plain/.ssh"
    )
    other = inventory(container, tmp_path, ansible_user="plain")
    output = container.play("audit_hosts", fails=True, variables=SMALL, inventory=other).output
    assert "sudo" in output and ("--ask-become-pass" in output or "may not use sudo" in output), output[-1500:]
    rootless = inventory(container, tmp_path, ansible_user="plain", ansible_become=False)
    output = container.play(
        "audit_hosts", "-e", "ansible_become=false", fails=True, variables=SMALL, inventory=rootless
    ).output
    assert "collected without root rights. Connect as root, or set 'become: true'" in " ".join(output.split())


def test_unreachable_host_is_named_and_the_run_fails(container: Target, tmp_path: Path) -> None:
    away = inventory(container, tmp_path, ansible_host="198.18.250.2", ansible_ssh_common_args="-o ConnectTimeout=2")
    output = container.play("audit_hosts", fails=True, variables=SMALL, inventory=away).output
    assert "unreachable at 'Collect the evidence" in output and "198.18.250.2" in output


def test_host_that_was_not_run_fails_a_strict_audit(container: Target, tmp_path: Path) -> None:
    both = json.loads(Path(inventory(container, tmp_path)).read_text())
    both["all"]["hosts"]["gone"] = {
        "ansible_host": "198.18.250.2",
        "ansible_ssh_common_args": "-o ConnectTimeout=2",
        "ansible_become": True,
    }
    path = tmp_path / "both.json"
    path.write_text(json.dumps(both))
    play = container.play(
        "audit_hosts", "-l", "all", fails=True, variables={**SMALL, "compliance_fail_on": "fail"}, inventory=str(path)
    )
    assert "gone: unreachable at 'Collect the evidence" in play.output


def test_missing_goss_says_how_to_get_it(container: Target) -> None:
    container.shell("if command -v goss >/dev/null; then mv /usr/bin/goss /usr/bin/goss.away; fi")
    try:
        output = container.play("audit_hosts", fails=True, variables={**SMALL, "compliance_goss_package": False}).output
        assert "Goss is missing" in output and "compliance_goss_binary" in output
    finally:
        container.shell("if [ -e /usr/bin/goss.away ]; then mv /usr/bin/goss.away /usr/bin/goss; fi")


def test_goss_with_a_wrong_checksum_never_reaches_the_host(container: Target, tmp_path: Path) -> None:
    program = tmp_path / "goss"
    program.write_text("#!/bin/sh\ntouch /run/was-run\n")
    container.shell("if command -v goss >/dev/null; then mv /usr/bin/goss /usr/bin/goss.away; fi")
    try:
        wrong = {**SMALL, "compliance_goss_binary": {"src": str(program), "sha256": "0" * 64}}
        output = container.play("audit_hosts", fails=True, variables=wrong).output
        assert "has the SHA-256" in output and "Nothing was copied to the host" in " ".join(output.split())
        assert container.shell("ls /usr/local/bin/goss /run/was-run 2>/dev/null || true") == ""
        broken = {
            **SMALL,
            "compliance_goss_binary": {"src": str(program), "sha256": hashlib.sha256(program.read_bytes()).hexdigest()},
        }
        assert "no results" in container.play("audit_hosts", fails=True, variables=broken).output
    finally:
        container.shell(
            "rm -f /usr/local/bin/goss; if [ -e /usr/bin/goss.away ]; then mv /usr/bin/goss.away /usr/bin/goss; fi"
        )


def test_goss_that_is_too_old_is_refused(container: Target) -> None:
    container.play("audit_hosts", variables=SMALL)
    container.shell("sed -i '/^Package: goss$/,/^$/s/^Version: .*/Version: 0.3.9-1/' /var/lib/dpkg/status")
    try:
        assert (
            "Goss 0.3.9 is too old: 0.4.9 is the oldest"
            in container.play("audit_hosts", fails=True, variables=SMALL).output
        )
    finally:
        container.shell("sed -i '/^Package: goss$/,/^$/s/^Version: .*/Version: 0.4.9-1/' /var/lib/dpkg/status")


def test_full_disk_changes_nothing(container: Target) -> None:
    container.shell(
        "mkdir -p /etc/security/limits.d; mount -t tmpfs -o size=4k,nr_inodes=2 tmpfs /etc/security/limits.d\n"
        "head -c 4096 /dev/zero > /etc/security/limits.d/full"
    )
    try:
        play = container.play("harden_hosts", fails=True, variables=SMALL)
        assert "No space left on device" in play.output
        assert container.shell("ls -A /etc/security/limits.d").split() == ["full"]
    finally:
        container.shell("umount /etc/security/limits.d")
    assert container.play("harden_hosts", variables=SMALL).changed(container.host.name) > 0


def test_apt_lock_that_is_held_is_waited_for_and_named(container: Target) -> None:
    container.shell(
        "nohup python3 -c \"import fcntl,time; f=open('/var/lib/dpkg/lock-frontend','w'); "
        'fcntl.lockf(f,fcntl.LOCK_EX); time.sleep(120)" >/dev/null 2>&1 & sleep 1'
    )
    try:
        play = container.play(
            "harden_hosts",
            fails=True,
            variables={"compliance_rules": ["package/apparmor"], "compliance_walk": False, "hardening_lock_timeout": 3},
        )
        assert "lock" in play.output.lower(), play.output[-1500:]
        runs = container.play("list_runs").output
        assert '"state": "finished"' in runs and '"state": "open"' not in runs, "another controller would have to wait"
    finally:
        container.shell("pkill -f [l]ock-frontend || true")


def test_unsupported_system_is_refused_by_name(container: Target) -> None:
    container.shell(
        "cp -L /etc/os-release /run/os-release; rm /etc/os-release; sed 's/^ID=.*/ID=plan9/' /run/os-release > /etc/os-release"
    )
    try:
        output = container.play("audit_hosts", fails=True, variables=SMALL).output
        assert "system 'plan9 13' is not supported. Supported are debian" in output
    finally:
        container.shell("cp /run/os-release /etc/os-release")
