"""Runs on a fresh host: a dry run leaves nothing behind, the first run is green, the second changes nothing, an end is named."""

from __future__ import annotations

import json
import typing as t

from .conftest import OVERLAY, Play, Target

SITE: dict[str, t.Any] = {"compliance_overlay": str(OVERLAY)}
HAS_GOSS = "command -v goss >/dev/null && echo yes || echo no"


def summary(play: Play, host: str) -> dict[str, int]:
    return t.cast("dict[str, int]", play.model(host)["summary"]["rules"])


def report(play: Play) -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", json.loads((play.results / "report.json").read_text()))


def test_dry_audit_installs_nothing(container: Target) -> None:
    play = container.play("audit_hosts", "--check", variables=SITE)
    assert play.changed(container.host.name) == 0
    assert container.shell(HAS_GOSS) == "no\n"
    assert "judged by the planner only" in play.output
    assert [host["state"] for host in report(play)["hosts"]] == ["planned"]


def test_dry_hardening_says_the_same_with_and_without_diff(container: Target) -> None:
    before = container.shell("find /etc -newer /proc/1 -type f | sort | xargs sha256sum")
    changed = [
        container.play("harden_hosts", "--check", *arguments, variables=SITE).changed(container.host.name)
        for arguments in ([], ["--diff"])
    ]
    assert changed[0] == changed[1] > 0
    assert container.shell("find /etc -newer /proc/1 -type f | sort | xargs sha256sum") == before
    assert container.shell(HAS_GOSS) == "no\n"


def test_first_run_is_green_and_the_second_changes_nothing(container: Target) -> None:
    name = container.host.name
    first = container.play("harden_hosts", variables=SITE)
    assert summary(first, name).keys() & {"fail", "error"} == set()
    run = first.model(name)["run"]
    second = container.play("harden_hosts", variables=SITE)
    assert second.changed(name) == 0
    assert second.model(name)["changed"] == []
    assert summary(second, name).keys() & {"fail", "error"} == set()
    assert second.model(name)["run"] != run


def test_goss_is_asked_again_only_where_its_file_is_another(container: Target) -> None:
    name, verify = container.host.name, "TASK [unified.deploy.compliance : Let Goss judge]"
    container.play("audit_hosts", variables=SITE)
    again = container.play("audit_hosts", variables=SITE)
    assert verify not in again.output
    assert again.model(name)["state"] == "verified" and again.model(name)["goss"]["checks"] > 0

    container.shell("chmod 0644 /etc/shadow")
    try:
        broken = container.play("audit_hosts", variables=SITE)
        assert broken.model(name)["rules"]["file//etc/shadow"]["goss"] == "fail"
    finally:
        container.shell("chmod 0640 /etc/shadow")

    gossfile = broken.results / "hosts" / name / "goss.yml"
    gossfile.write_text("command: {touch /root/from-another: {exit-status: 0}}")
    gossfile.chmod(0o666)
    assert verify in container.play("audit_hosts", variables=SITE).output
    assert container.shell("ls /root") == ""


def test_task_that_fails_is_named_and_its_plan_is_no_result(container: Target) -> None:
    container.shell("cp /usr/bin/goss /usr/local/bin/goss; chown nobody /usr/local/bin/goss")
    try:
        play = container.play("audit_hosts", variables=SITE, fails=True)
    finally:
        container.shell("rm /usr/local/bin/goss")
    assert report(play)["hosts"] == []
    (end,) = report(play)["not_run"]
    assert (end["name"], end["state"], end["task"]) == (container.host.name, "failed", "Let Goss judge")
    assert "goss belongs to uid 65534" in end["reason"]
