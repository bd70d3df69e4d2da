# SPDX-License-Identifier: GPL-3.0-or-later
"""All sections of the evidence, read while the slow programs run beside."""

from __future__ import annotations

import time
import typing as t

from . import (
    account,
    apt,
    audit,
    file,
    firewall,
    goss,
    host,
    kmod,
    limits,
    mount,
    package,
    pam,
    root_shell,
    rsyslog,
    scan,
    service,
    settings,
    shell,
    sshd,
    sudo,
    sysctl,
    text,
)
from .command import CommandError
from .section import Reader, Section

SCHEMA = 2
# Ansible sends to a host what is imported by name: a reader that is not listed here is not there.
READERS: dict[str, type[Reader]] = {
    "account": account.Accounts,
    "apt": apt.Apt,
    "audit": audit.Audit,
    "file": file.Files,
    "firewall": firewall.Firewall,
    "goss": goss.Goss,
    "host": host.Host,
    "kmod": kmod.Modules,
    "limits": limits.Limits,
    "mount": mount.Mounts,
    "package": package.Packages,
    "pam": pam.Stacks,
    "root_shell": root_shell.RootShell,
    "rsyslog": rsyslog.Rsyslog,
    "scan": scan.Scan,
    "service": service.Units,
    "settings": settings.Settings,
    "shell": shell.Shell,
    "sshd": sshd.Sshd,
    "sudo": sudo.Sudo,
    "sysctl": sysctl.Parameters,
    "text": text.Texts,
}


def collect(request: dict[str, t.Any]) -> dict[str, t.Any]:
    """Read the state that REQUEST asks about.

    Args:
        request: what to look at, by section. A section that is not named is not read.

    Returns:
        The evidence: ``schema``, ``collected`` (UTC), ``seconds`` by section, ``sections`` (see `Section.as_dict`)
        and ``complete``.
    """
    started = time.monotonic()
    seconds: dict[str, float] = {}
    sections: dict[str, t.Any] = {}
    collected = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    readers: dict[str, Reader] = {}
    for name in sorted(request, key=lambda name: name not in ("scan", "sshd", "service")):
        # The slow programs first, so that they run while this process reads files.
        readers[name] = READERS[name](request[name])
    for name in sorted(readers, key=lambda name: name == "scan"):
        begun = time.monotonic()
        try:
            section = readers[name].read()
        except (CommandError, OSError, ValueError, KeyError, IndexError) as exc:
            # One unreadable section must not hide the others; the planner turns it into verdict "error".
            section = Section.unreadable(f"{type(exc).__name__}: {exc}")
        sections[name] = section.as_dict()
        seconds[name] = round(time.monotonic() - begun, 4)
    seconds["total"] = round(time.monotonic() - started, 4)
    return {
        "schema": SCHEMA,
        "collected": collected,
        "seconds": seconds,
        "sections": sections,
        "complete": True,
    }
