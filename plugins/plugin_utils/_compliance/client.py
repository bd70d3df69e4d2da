# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's SSH client: what it offers at a login, as far as it tells without one."""

from __future__ import annotations

import os
import shlex
import subprocess
import typing as t
from dataclasses import dataclass, field

SECONDS = 5
ALGORITHMS = ("ciphers", "kexalgorithms", "macs")


@dataclass(frozen=True)
class Client:
    """What a login to one host offers: see `kinds.base.Connection`."""

    identities: int = 0
    algorithms: t.Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def ask(options: t.Iterable[str | None], host: str) -> Client:
    """What ssh(1) with these arguments would offer to HOST (``ssh -G``), with the keys of the agent (``ssh-add -l``)."""
    arguments = [word for option in options for word in shlex.split(option or "")]
    settings = dict(line.split(" ", 1) for line in _lines("ssh", "-G", *arguments, "--", host) if " " in line)
    only_named = settings.get("identitiesonly") == "yes"
    keys = 0 if only_named or "SSH_AUTH_SOCK" not in os.environ else len(_lines("ssh-add", "-l"))
    return Client(keys, {name: tuple(settings[name].split(",")) for name in ALGORITHMS if name in settings})


def _lines(*argv: str) -> list[str]:
    """What a program prints; nothing where it is missing, fails or hangs."""
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, check=False, timeout=SECONDS, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return []
    return done.stdout.splitlines() if done.returncode == 0 else []
