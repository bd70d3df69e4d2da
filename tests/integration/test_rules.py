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
    assert len(broken) > 130
    assert {identifier.split("/")[0] for identifier in broken} >= {
        "sysctl", "package", "service", "sshd", "file", "pwquality", "faillock", "pwhistory", "pam", "login_defs", "sudo",
        "firewall", "journald", "coredump", "banner", "cron", "account", "scan", "shell", "limits",
    }  # fmt: skip
    container.shell(
        "export DEBIAN_FRONTEND=noninteractive\n"
        + "\n".join(
            f"( {script}\n) >/dev/null || echo 'did not break {identifier}'"
            for identifier, script in scripts.items()
            if script
        )
        + "\nsystemctl try-restart systemd-journald"
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


def test_what_people_must_mend_is_found_by_both_judges_and_not_touched(
    container: Target, hardened: dict[str, t.Any]
) -> None:
    name = container.host.name
    container.shell("\n".join(script for script, _undo in breaks.MANUAL.values()))
    kept = container.shell("cat /etc/passwd /etc/group /etc/shadow; stat -c '%u %g' /opt/nobodys")
    play = container.play("harden_hosts", variables={**SITE, "compliance_kinds": ["account", "scan"]})
    model = play.model(name)
    seen = {
        identifier: (model["rules"][identifier]["verdict"], model["rules"][identifier]["goss"])
        for identifier in breaks.MANUAL
    }
    assert {identifier: found for identifier, found in seen.items() if found != ("fail", "fail")} == {}
    assert all(model["rules"][identifier]["held"] for identifier in breaks.MANUAL)
    assert container.shell("cat /etc/passwd /etc/group /etc/shadow; stat -c '%u %g' /opt/nobodys") == kept
    container.shell("\n".join(undo for _script, undo in breaks.MANUAL.values()))
    after = container.play("audit_hosts", variables=SITE).model(name)
    assert {i for i in breaks.MANUAL if after["rules"][i]["verdict"] != "pass"} == set()
