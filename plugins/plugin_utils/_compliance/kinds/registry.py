# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind by its name."""

from __future__ import annotations

from .access import Banner, Cron, Firewall, Sshd, Sudo
from .accounts import Account
from .auditing import Audit
from .base import Kind
from .environment import Limits, Manual, Rsyslog, Shell
from .files import File, Mount, Partition, Scan
from .kernel import Kmod, Sysctl
from .pam import Pam
from .settings import SETTINGS
from .software import Package, Service

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Account(), Audit(), Banner(), Cron(), File(), Firewall(), Kmod(), Limits(), Manual(), Mount(), Package(), Pam(),
        Partition(), Rsyslog(), Scan(), Service(), Shell(), Sshd(), Sudo(), Sysctl(), *SETTINGS,
    )
}  # fmt: skip
