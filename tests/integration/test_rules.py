"""Break -> both judges say fail -> apply -> both say pass -> apply again changes nothing, on a real host."""

from __future__ import annotations

import typing as t

import pytest

from . import breaks
from .conftest import OVERLAY, Target

SITE = {"compliance_overlay": str(OVERLAY)}
# Kinds whose effect is the kernel's are broken on a kernel of their own (test_kernel.py).
ELSEWHERE = {"audit", "auditd", "kmod", "manual", "mount", "partition"}


@pytest.fixture(scope="module")
def hardened(container: Target) -> dict[str, t.Any]:
    container.play("harden_hosts", variables=SITE)
    return container.play("harden_hosts", variables=SITE).model(container.host.name)


def test_hardened_host_passes_and_a_second_run_changes_nothing(container: Target, hardened: dict[str, t.Any]) -> None:
    again = container.play("harden_hosts", variables=SITE)
    assert again.changed(container.host.name) == 0
    summary = again.model(container.host.name)["summary"]["controls"]
    assert summary.get("fail", 0) == 0 and summary.get("error", 0) == 0, [
        i for i, r in again.model(container.host.name)["rules"].items() if r["verdict"] in ("fail", "error")
    ]
    assert summary["pass"] >= 190


def test_broken_rules_fail_in_both_judges_and_apply_mends_them(container: Target, hardened: dict[str, t.Any]) -> None:
    name = container.host.name
    scripts = {
        identifier: breaks.script(identifier, rule)
        for identifier, rule in hardened["rules"].items()
        if rule["verdict"] == "pass" and rule["kind"] not in ELSEWHERE
    }
    broken = {identifier for identifier, script in scripts.items() if script}
    assert len(broken) > 20
    assert {identifier.split("/")[0] for identifier in broken} >= {
        "sshd", "pam", "sudo", "firewall", "banner", "cron",
    }  # fmt: skip
    container.shell(
        "export DEBIAN_FRONTEND=noninteractive\n"
        + "\n".join(
            f"( {script}\n) >/dev/null || echo 'did not break {identifier}'"
            for identifier, script in scripts.items()
            if script
        )
    )
    audit = container.play("audit_hosts", variables=SITE).model(name)
    seen = {
        identifier: (audit["rules"][identifier]["verdict"], audit["rules"][identifier]["goss"]) for identifier in broken
    }
    assert {identifier: found for identifier, found in seen.items() if found != ("fail", "fail")} == {}

    mended = container.play("harden_hosts", variables=SITE).model(name)
    seen = {
        identifier: (mended["rules"][identifier]["verdict"], mended["rules"][identifier]["goss"])
        for identifier in broken
    }
    assert {
        identifier: (*found, mended["rules"][identifier]["actual"])
        for identifier, found in seen.items()
        if found != ("pass", "pass")
    } == {}
    assert container.play("harden_hosts", variables=SITE).changed(name) == 0
