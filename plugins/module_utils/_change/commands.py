# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that load or derive something, and what is known of what they change."""

from __future__ import annotations

import glob
import os
import typing as t

# What programs change besides what they are told to: saved before they run.
_TOUCHED = {
    "pam-auth-update": ("/etc/pam.d/common-*", "/var/lib/pam/*"),
    "authselect": ("/etc/authselect/*", "/etc/pam.d/*", "/etc/nsswitch.conf"),
    "ufw": ("/etc/ufw/*", "/etc/default/ufw"),
    "firewall-cmd": ("/etc/firewalld/*", "/etc/firewalld/*/*"),
    "firewall-offline-cmd": ("/etc/firewalld/*", "/etc/firewalld/*/*"),
    "augenrules": ("/etc/audit/audit.rules",),
    "grubby": ("/boot/loader/entries/*.conf", "/boot/grub2/grubenv", "/etc/default/grub", "/etc/kernel/cmdline"),
    "u-boot-update": ("/boot/extlinux/extlinux.conf",),
    "groupadd": ("/etc/group", "/etc/gshadow"),
}
_FIREWALLS = (
    "ufw",
    "nft",
    "iptables",
    "ip6tables",
    "firewall-cmd",
    "firewall-offline-cmd",
    "ufw.service",
    "nftables.service",
    "firewalld.service",
)
# What can be run as often as one likes, and leaves nothing behind that is not saved.
_HARMLESS = (*_TOUCHED, "systemd-sysctl", "systemd-tmpfiles", "update-initramfs")


class Command(t.NamedTuple):
    """A program that loads or derives something.

    Attributes:
        undo: what takes its effect back; without it that is named when the batch is reverted.
        saves: files that it changes, shell patterns allowed; those of well-known programs are saved anyway.
        into: the file that it makes. ``%s`` among its arguments stands for a new file, which takes the place of this one whole.
        keeps: a pattern that a line of `into` goes on to match.
        required: whether the batch fails, and is undone, where it fails.
    """

    argv: t.Sequence[str]
    undo: t.Sequence[str] = ()
    saves: t.Sequence[str] = ()
    into: str = ""
    keeps: str = ""
    required: bool = True

    @property
    def program(self) -> str:
        return os.path.basename(self.argv[0])

    @property
    def is_undone(self) -> bool:
        """Whether a revert of the files that it changes is all that it needs, where it has no `undo`."""
        return self.program in _HARMLESS or bool(self.saves or self.into)


def saves(commands: t.Sequence[Command]) -> list[str]:
    """Shell patterns of all that they change."""
    patterns = [path for command in commands for path in command.saves]
    patterns += [command.into for command in commands if command.into]
    return patterns + [path for program in {one.program for one in commands} for path in _TOUCHED.get(program, ())]


def matching(patterns: t.Sequence[str]) -> list[str]:
    """The files that are there of these patterns, no directories."""
    return sorted({path for pattern in patterns for path in glob.glob(pattern) if not os.path.isdir(path)})


def change_filters(commands: t.Sequence[Command], units: t.Sequence[str]) -> bool:
    """Whether the packet filter is another one after these."""
    return not {*(one.program for one in commands), *units}.isdisjoint(_FIREWALLS)
