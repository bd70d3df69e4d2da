# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that load or derive something, and what is known of what they change."""

from __future__ import annotations

import glob
import os
import re
import typing as t

from .errors import ChangeError
from .programs import Answer, run

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
# Boot loaders read file systems without their journals, and the programs here do not wait for the disk.
_FOR_BOOT_LOADERS = ("grub-mkconfig", "grub2-mkconfig", "grubby", "u-boot-update")
# What a file that a program writes goes on to have: with no kernel in sight this one writes a menu without an entry, and ends with 0.
_KEEPS = {"u-boot-update": r"^\s*linux\s"}


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

    @property
    def is_for_boot_loader(self) -> bool:
        return self.program in _FOR_BOOT_LOADERS

    def run(self, *, timeout: float) -> Answer:
        """Run it where it writes its files itself.

        Raises:
            ChangeError: one of them has lost what it had to keep.
        """
        kept = re.compile(_KEEPS[self.program], re.MULTILINE) if self.program in _KEEPS else None
        before = [path for path in matching(saves([self])) if kept and kept.search(_text(path))]
        answer = run(self.argv, timeout=timeout)
        for path in before:
            if kept and not kept.search(_text(path)):
                raise ChangeError(f"'{self.argv[0]}' left {path} without a line that matches {kept.pattern}")
        return answer


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as handle:
            return handle.read()
    except FileNotFoundError:
        return ""


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
