from __future__ import annotations

import json
import typing as t

import pytest

from tests.observer import ROOT, hosts

HOSTS = hosts()
RESULTS = ROOT / "build/molecule/compliance"


@pytest.fixture(params=sorted(HOSTS))
def host(request: pytest.FixtureRequest) -> t.Any:
    return HOSTS[request.param]


def test_report_covers_both_hosts_with_their_own_benchmark() -> None:
    report = json.loads((RESULTS / "report.json").read_text())
    benchmarks = {
        one["name"]: (one["benchmarks"][0]["id"], sum(one["summary"]["controls"].values())) for one in report["hosts"]
    }
    assert benchmarks == {"mol-debian12": ("cis_debian12", 249), "mol-debian13": ("cis_debian13", 262)}
    assert not [r for one in report["hosts"] for r in one["rules"].values() if r["verdict"] == "error"]


def test_evidence_is_for_its_owner_only() -> None:
    for path in RESULTS.glob("hosts/*/evidence.json"):
        assert path.stat().st_mode & 0o077 == 0
        assert path.parent.stat().st_mode & 0o077 == 0


def test_evidence_agrees_with_the_host(host: t.Any) -> None:
    name = next(known for known, one in HOSTS.items() if one is host)
    evidence = json.loads((RESULTS / "hosts" / name / "evidence.json").read_text())
    shadow = host.file("/etc/shadow")
    sections = {section: answer["items"] for section, answer in evidence["sections"].items()}
    facts = sections["file"]["/etc/shadow"]["/etc/shadow"]
    assert {key: facts[key] for key in ("type", "mode", "owner", "group")} == {
        "type": "file",
        "mode": f"{shadow.mode:04o}",
        "owner": shadow.user,
        "group": shadow.group,
    }
    assert sections["sysctl"]["net.ipv4.ip_forward"]["live"] == str(host.sysctl("net.ipv4.ip_forward"))
    installed = host.check_output("dpkg-query -W -f '${db:Status-Status} ${Package}\\n' | grep -c '^installed '")
    assert abs(len(sections["package"]) - int(installed)) <= 1
    assert sections["sshd"]["effective"]["permitrootlogin"] in host.check_output("sshd -T")
    # No password hash is evidence.
    assert "$6$" not in json.dumps(evidence)
    assert "$y$" not in json.dumps(evidence)
