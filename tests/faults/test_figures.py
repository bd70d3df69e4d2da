"""What safety costs: seconds of a run with and without confirmation, of what it saves, and of its way back."""

from __future__ import annotations

import time
import typing as t

from tests.integration.conftest import Target

RULES = [
    "sshd/MaxAuthTries", "sudo/use_pty", "pam/pam_faillock", "sysctl/net.ipv4.conf.all.rp_filter", "sysctl/kernel.kptr_restrict",
    "file//etc/crontab",
]  # fmt: skip
TURNS = 3


def play(target: Target, book: str, **variables: t.Any) -> float:
    """Seconds that a playbook took."""
    began = time.monotonic()
    target.play(book, variables=variables)
    return time.monotonic() - began


def newest(target: Target) -> str:
    return target.shell("ls -t /var/lib/unified/runs | head -1").strip()


def saving(target: Target) -> float:
    """Seconds from the first line of the newest record until its first batch is all written down."""
    script = f"cd /var/lib/unified/runs/{newest(target)}; stat -c %.9Y revert 01-*/plan.json"
    began, ended = map(float, target.shell(script).split())
    return ended - began


def test_confirmation_snapshot_and_revert_cost_seconds(
    container: Target, record_property: t.Callable[[str, object], None]
) -> None:
    """The least of several: other work on this machine adds to each."""
    container.shell("apt-get -qq update; DEBIAN_FRONTEND=noninteractive apt-get -qq install -y goss >/dev/null")
    took: dict[str, list[float]] = {"0": [], "120": [], "save": [], "revert": []}
    rules = {"compliance_rules": RULES, "compliance_walk": False}
    for _turn in range(TURNS):
        for seconds in ("0", "120"):
            took[seconds].append(play(container, "harden_hosts", hardening_confirm_seconds=int(seconds), **rules))
            took["save"].append(saving(container))
            took["revert"].append(play(container, "revert_run", run_id=newest(container)))
    least = {name: min(values) for name, values in took.items()}
    confirming = least["120"] - least["0"]
    said = f"confirming {confirming:.1f} s, saving {least['save']:.2f} s, reverting {least['revert']:.1f} s"
    record_property("note", said)
    assert confirming < 3 and least["save"] < 1 and least["revert"] < 15, said
