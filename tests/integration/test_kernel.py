"""What is the kernel's: parameters, modules, mounts and audit, broken and mended on a kernel of its own, and after a reboot."""

from __future__ import annotations

import typing as t

import pytest

from tests.hosts import uml as uml_hosts

from .conftest import Target

KINDS = ["audit", "auditd", "kmod", "limits", "mount", "sysctl"]
LEVEL_2 = [{"name": "cis", "level": "l2_server"}]
SITE = {"compliance_benchmarks": LEVEL_2, "compliance_kinds": KINDS, "compliance_walk": False}
# Immutable rules refuse every later test; they come last.
WITHOUT_LOCK = {**SITE, "compliance_rules": []}


def judged(model: dict[str, t.Any], rules: t.Iterable[str]) -> dict[str, tuple[str, str]]:
    return {rule: (model["rules"][rule]["verdict"], model["rules"][rule]["goss"]) for rule in rules}


@pytest.fixture(scope="module")
def rules(uml: Target) -> dict[str, t.Any]:
    """The rules of a hardened host, without the one that makes audit rules immutable."""
    without_lock = [
        rule
        for rule in uml.play("audit_hosts", variables=SITE).model(uml.host.name)["rules"]
        if rule != "audit/immutable"
    ]
    WITHOUT_LOCK["compliance_rules"] = without_lock
    return t.cast("dict[str, t.Any]", uml.play("harden_hosts", variables=WITHOUT_LOCK).model(uml.host.name)["rules"])


def test_kernel_rules_hold_and_a_second_run_changes_nothing(uml: Target, rules: dict[str, t.Any]) -> None:
    assert {
        rule: (verdict["verdict"], verdict["actual"])
        for rule, verdict in rules.items()
        if verdict["verdict"] in ("fail", "error")
    } == {}
    assert {rule.split("/")[0] for rule, verdict in rules.items() if verdict["verdict"] == "pass"} == set(KINDS)
    assert uml.play("harden_hosts", variables=WITHOUT_LOCK).changed(uml.host.name) == 0


def test_kernel_really_refuses_a_blocked_module_and_records_what_it_should(
    uml: Target, rules: dict[str, t.Any]
) -> None:
    assert rules["kmod/cramfs"]["verdict"] == "pass"
    assert uml.shell("modprobe cramfs 2>&1 || true; lsmod | grep -c cramfs || true").splitlines()[-1] == "0"
    uml.shell("touch /etc/group")
    events = uml.shell("sleep 1; ausearch --input-logs -k identity --raw | grep -c 'name=\"/etc/group\"' || true")
    assert int(events) >= 1


def test_everything_survives_a_reboot_and_immutable_rules_wait_for_one(uml: Target, rules: dict[str, t.Any]) -> None:
    name = uml.host.name
    # A file system that is gone comes back at the next boot, and until then nothing is planned again for it.
    partition = {"compliance_rules": ["partition//dev/shm"], "compliance_walk": False}
    uml.shell("sed -i '\\#/dev/shm#d' /etc/fstab; umount -l /dev/shm")
    gone = uml.play("audit_hosts", variables=partition).model(name)
    assert judged(gone, ["partition//dev/shm"]) == {"partition//dev/shm": ("fail", "fail")}
    waiting = uml.play("harden_hosts", variables=partition).model(name)
    assert waiting["reboot_required"] == ["/dev/shm is mounted at the next boot"]
    assert uml.play("harden_hosts", variables=partition).changed(name) == 0
    locked = uml.play("harden_hosts", variables=SITE)
    assert locked.model(name)["rules"]["audit/immutable"]["verdict"] == "pass"
    assert uml.shell("auditctl -D 2>&1 || true").strip().endswith(
        "Operation not permitted"
    ) or "immutable" in uml.shell("auditctl -s")
    uml_hosts.restart(uml.host)
    back = uml.play("audit_hosts", variables=partition).model(name)
    assert judged(back, ["partition//dev/shm"]) == {"partition//dev/shm": ("pass", "pass")}
    after = uml.play("audit_hosts", variables=SITE).model(name)
    assert {
        rule: (r["verdict"], r["actual"]) for rule, r in after["rules"].items() if r["verdict"] in ("fail", "error")
    } == {}
    # One line less on disk cannot be loaded while the rules are immutable: a reboot is due, and no run repeats itself.
    uml.shell("sed -i '/-k identity/d' /etc/audit/rules.d/50-unified.rules; augenrules >/dev/null")
    uml_hosts.restart(uml.host)
    pending = uml.play("harden_hosts", variables=SITE)
    assert pending.model(name)["reboot_required"] == ["the loaded audit rules are immutable until the next boot"]
    assert uml.play("harden_hosts", variables=SITE).changed(name) == 0
    uml_hosts.restart(uml.host)
    final = uml.play("audit_hosts", variables=SITE).model(name)
    assert {rule for rule, r in final["rules"].items() if r["verdict"] in ("fail", "error")} == set()
