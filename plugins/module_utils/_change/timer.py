# SPDX-License-Identifier: GPL-3.0-or-later
"""A timer on the host that undoes a batch unless it is confirmed: it needs neither the controller nor the network.

It is a unit of its own in /etc/systemd/system, not a transient one, so that it is there again when the host loses power in
between. OnActiveSec counts by the monotonic clock (systemd.timer(5)): a clock that jumps neither hurries nor delays it.
It counts from before the first change of a run, and stays armed from batch to batch. A batch that is still being made then, or
was made less than that ago, is looked at again every ten seconds.
"""

from __future__ import annotations

import contextlib
import os
import sys
import typing as t

from .errors import ChangeError, PathError, RunError
from .files import Wanted, replace
from .paths import trusted_program
from .programs import run

UNIT = "unified-revert"
DIRECTORY = "/etc/systemd/system"
_SERVICE = """[Unit]
Description=Undo what nobody confirmed of hardening run {run}
[Service]
Type=oneshot
ExecStart={python} -I {program} --armed
"""
_TIMER = """[Unit]
Description=Undo what nobody confirms of hardening run {run}
[Timer]
OnActiveSec={seconds}
OnUnitInactiveSec=10
AccuracySec=1s
[Install]
WantedBy=timers.target
"""


def interpreter() -> str:
    """A Python that root may run after this module has gone.

    Raises:
        PathError: there is none that only root can exchange.
    """
    names = [os.path.realpath(sys.executable or "python3"), "/usr/bin/python3", "/usr/libexec/platform-python"]
    for name in names:
        with contextlib.suppress(PathError):
            return trusted_program(name)
    return trusted_program("python3")


def arm(program: str, *, run_id: str, seconds: int) -> None:
    """Start the timer that runs PROGRAM, unless it is armed.

    Raises:
        ChangeError: no systemd runs here, or it refuses the timer; nothing is armed.
    """
    if not os.path.isdir("/run/systemd/system"):
        raise RunError(
            "the timer that undoes a batch by itself cannot be armed: no systemd runs on this host. Leave the rules that "
            "can lock people out for another way, or set revert_after: 0 to go without"
        )
    names = {"run": run_id, "program": program, "python": interpreter(), "seconds": seconds}
    units = {
        f"{DIRECTORY}/{UNIT}.service": _SERVICE.format(**names),
        f"{DIRECTORY}/{UNIT}.timer": _TIMER.format(**names),
    }
    if _armed(units):
        return
    replace(*[Wanted(path, text.encode(), 0o644, 0, 0) for path, text in units.items()])
    try:
        # Makes systemd read its units again, too.
        answer = run(["systemctl", "enable", "--now", "--quiet", f"{UNIT}.timer"])
        if answer.code:
            raise RunError(f"the timer cannot be armed: 'systemctl enable' ended with {answer.code}: {answer.said}")
    except ChangeError:
        disarm()
        raise


def _armed(units: t.Mapping[str, str]) -> bool:
    for path, text in units.items():
        try:
            with open(path, encoding="utf-8") as handle:
                if handle.read() != text:
                    return False
        except OSError:
            return False
    return run(["systemctl", "is-active", "--quiet", f"{UNIT}.timer"]).code == 0


def disarm() -> None:
    """Take the timer away; the service that it may have started goes on to its end."""
    if not os.path.lexists(f"{DIRECTORY}/{UNIT}.timer"):
        return
    with contextlib.suppress(ChangeError):
        run(["systemctl", "disable", "--now", "--quiet", f"{UNIT}.timer"])
    for name in (f"{UNIT}.timer", f"{UNIT}.service"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{DIRECTORY}/{name}")
