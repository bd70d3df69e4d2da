"""The oldest supported ansible-core runs the same playbooks from the same tarball."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import OVERLAY, ROOT, Target

FLOOR = ROOT / ".venv-floor/bin/python"
SITE = {
    "compliance_overlay": str(OVERLAY),
    "compliance_kinds": ["sshd", "sysctl", "file", "limits"],
}


@pytest.mark.skipif(not Path(FLOOR).exists(), reason="no Python 3.11 here (see make setup)")
def test_oldest_ansible_audits_and_hardens(container: Target) -> None:
    name = container.host.name
    assert (
        container.play("audit_hosts", variables=SITE, python=str(FLOOR)).model(name)["summary"]["controls"]["fail"] > 30
    )
    container.play("harden_hosts", variables=SITE, python=str(FLOOR))
    again = container.play("harden_hosts", variables=SITE, python=str(FLOOR))
    assert again.changed(name) == 0
    rules = again.model(name)["rules"]
    assert {
        i: rule["actual"] for i, rule in rules.items() if rule["verdict"] in ("fail", "error") and not rule["held"]
    } == {}
