"""States of a host that are no files, read and brought back without touching this one."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.unified.deploy.plugins.module_utils._change import states, units
from ansible_collections.unified.deploy.plugins.module_utils._change.programs import Answer

KEY = "net/ipv4/conf/all/accept_redirects"


def test_kernel_settings_that_ufw_sets_are_brought_back_with_the_packet_filter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sysctl.conf").write_text(f"# net/ipv4/ip_forward=1\n{KEY}=0\nnet/none/there=1\n")
    (tmp_path / "live").write_text("1\n")
    monkeypatch.setattr(states, "UFW_SYSCTLS", str(tmp_path / "sysctl.conf"))
    monkeypatch.setattr(states, "sysctl_path", lambda key: str(tmp_path / ("live" if key == KEY else "missing")))
    monkeypatch.setattr(states, "run", lambda argv, **_options: Answer(1, "", "no such table"))
    before = states.firewall()
    assert before["sysctls"] == {KEY: "1"}
    (tmp_path / "live").write_text("0\n")
    states.restore_firewall(before)
    assert (tmp_path / "live").read_text().strip() == "1"


def test_failed_units_without_a_file_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def run(argv: list[str], **_options: object) -> Answer:
        calls.append(argv)
        return Answer(0, "gone.service not-found failed failed gone\nreal.service loaded failed failed real\n", "")

    monkeypatch.setattr(units, "run", run)
    units.forget_gone()
    assert calls[1:] == [["systemctl", "reset-failed", "--", "gone.service"]]


@pytest.mark.parametrize(
    ("group", "owner", "unit"),
    [
        ("/system.slice/redis.service", 110, "redis.service"),
        ("/system.slice/cron.service", 0, "cron.service"),
        ("/system.slice/cron.service", 1000, ""),
        ("/user.slice/user-1000.slice/session-3.scope", 1000, ""),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/web.service", 1000, ""),
    ],
)
def test_what_people_start_and_stop_as_they_like_undoes_no_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: str, owner: int, unit: str
) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7/cgroup").write_text(f"0::{group}\n")
    (tmp_path / "7/status").write_text(f"Name:\tpython3\nUid:\t{owner}\t{owner}\t{owner}\t{owner}\n")
    monkeypatch.setattr(states, "_PROC", str(tmp_path))
    assert states._unit_of("7") == unit


@pytest.mark.parametrize(
    ("ended", "trigger", "missed"),
    [
        ("success", "active", {}),
        ("success", "inactive", {"proxy.service": "inactive"}),
        ("signal", "active", {"proxy.service": "inactive"}),
    ],
)
def test_service_that_ends_when_nobody_asks_and_is_started_on_demand_is_not_missed(
    monkeypatch: pytest.MonkeyPatch, ended: str, trigger: str, missed: dict[str, str]
) -> None:
    """As netavark-dhcp-proxy, which is enabled and goes after 30 s without work; its socket stays."""
    known = {
        "proxy.service": {"load": "loaded", "file": "enabled", "active": "inactive"},
        "proxy.socket": {"load": "loaded", "file": "enabled", "active": trigger},
    }
    monkeypatch.setattr(units, "states", lambda names: {name: known[name] for name in names})
    monkeypatch.setattr(states, "run", lambda argv: Answer(0, f"Result={ended}\nTriggeredBy=proxy.socket\n", ""))
    assert states.gone({"units": ["proxy.service"]}, {"units": []}, ()) == missed
