# SPDX-License-Identifier: GPL-3.0-or-later
"""All sections of the evidence, read while the slow programs run beside."""

from __future__ import annotations

import time
import typing as t

from . import access, accounts, config, files, host, kernel, scan, security
from .commands import Command, CommandError

SCHEMA = 1


def collect(request: dict[str, t.Any]) -> dict[str, t.Any]:
    """Read the state that REQUEST asks about.

    Args:
        request: lists of what to look at: ``sysctl`` keys, ``kmod`` names, ``units``, ``files`` (pattern to
            excluded patterns), ``texts`` (paths), ``pam`` services, and ``walk`` (bool: walk the file systems).

    Returns:
        The evidence. A section that could not be read is missing, and ``errors`` says why.
    """
    started = time.monotonic()
    evidence: dict[str, t.Any] = {
        "schema": SCHEMA,
        "collected": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "errors": {},
        "seconds": {},
    }
    # Started first, so that they run while this process reads files.
    walk = scan.Scan() if request.get("walk", True) else None
    audit, firewall, sshd = security.Audit(), security.Firewall(), access.Sshd()
    root_shell, units = access.RootShell(), host.Units(request["units"])
    goss = Command("goss", "--help")
    sections: dict[str, t.Callable[[], t.Any]] = {
        "host": host.host,
        "packages": host.packages,
        "sysctl": lambda: kernel.sysctl(request["sysctl"]),
        "kmod": lambda: kernel.kmod(request["kmod"]),
        "config": config.config,
        "files": lambda: files.files(request["files"]),
        "texts": lambda: files.texts(request["texts"]),
        "mounts": files.mounts,
        "pam": lambda: access.pam(request["pam"]),
        "sudo": access.sudo,
        "accounts": accounts.accounts,
        "root_shell": root_shell.collect,
        "units": units.collect,
        "sshd": sshd.collect,
        "audit": audit.collect,
        "firewall": firewall.collect,
        "goss": lambda: {"path": goss.program},
        "scan": walk.collect if walk else lambda: None,
    }
    for name, read in sections.items():
        begun = time.monotonic()
        try:
            evidence[name] = read()
        except (CommandError, OSError, ValueError, KeyError, IndexError) as exc:
            # One unreadable section must not hide the others; the planner turns it into verdict "error".
            evidence["errors"][name] = f"{type(exc).__name__}: {exc}"
        evidence["seconds"][name] = round(time.monotonic() - begun, 4)
    evidence["seconds"]["total"] = round(time.monotonic() - started, 4)
    evidence["complete"] = True
    return evidence
